"""Tars, Parquet, URLs and bytes give the same digits as files, and nothing is lost."""

from __future__ import annotations

import functools
import http.server
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipcli import Classifier
from clipcli.cli.app import run
from clipcli.errors import ImageError, UsageError
from clipcli.images.find import FindReport
from clipcli.pipeline import remote
from clipcli.pipeline.image_data import ImageData
from clipcli.pipeline.source_names import is_source
from clipcli.pipeline.sources import expand, read_source
from clipcli.results import Skipped

pytestmark = pytest.mark.usefixtures("use_tiny_model")
LABELS = ["--labels", "cat, dog, cow", "--format", "jsonl", "--no-cache"]


def answers(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[dict[str, object]]:
    code = run(["classify", *map(str, arguments), *LABELS])
    assert code in (0, 5)
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def without_path(records: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{key: value for key, value in one.items() if key != "path"} for one in records]


def write_tar(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


@pytest.fixture
def contents(pictures: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(pictures.iterdir())}


@pytest.fixture
def server(pictures: Path) -> Iterator[str]:
    """Serve the pictures on loopback; yields the URL of their folder."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    handler = functools.partial(Quiet, directory=str(pictures))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


@pytest.mark.parametrize(("ending", "mode"), [("tar", "w"), ("tar.gz", "w:gz"), ("tgz", "w:gz")])
def test_members_of_a_tar_get_the_answers_of_files(
    ending: str,
    mode: str,
    tmp_path: Path,
    pictures: Path,
    contents: dict[str, bytes],
    capsys: pytest.CaptureFixture[str],
) -> None:
    tar = write_tar(tmp_path / f"a.{ending}", contents, mode)

    found = answers(capsys, tar)

    assert [one["path"] for one in found] == [f"{tar}::{name}" for name in contents]
    assert without_path(found) == without_path(answers(capsys, *sorted(pictures.iterdir())))


def test_rows_of_parquet_get_the_answers_of_files(
    tmp_path: Path,
    pictures: Path,
    contents: dict[str, bytes],
    capsys: pytest.CaptureFixture[str],
) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    values = list(contents.values())
    plain, struct = tmp_path / "plain.parquet", tmp_path / "struct.parquet"
    pq.write_table(pa.table({"jpg": values, "key": list(contents)}), plain)
    pq.write_table(pa.table({"image": [{"bytes": v, "path": None} for v in values]}), struct)

    by_key, by_row = answers(capsys, plain), answers(capsys, struct)

    assert [one["path"] for one in by_key] == [f"{plain}::{name}" for name in contents]
    assert [one["path"] for one in by_row] == [f"{struct}::{i}" for i in range(len(contents))]
    expected = without_path(answers(capsys, *sorted(pictures.iterdir())))
    assert without_path(by_key) == without_path(by_row) == expected


def test_urls_get_the_answers_of_files_as_arguments_and_in_lists(
    tmp_path: Path, pictures: Path, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    red, url = pictures / "red.png", f"{server}/red.png"
    listed = tmp_path / "list.txt"
    listed.write_text(f"{url}\n{red}\n{server}/none.png\n", encoding="utf-8")

    direct, several = answers(capsys, url), answers(capsys, "--from-file", listed)

    expected = without_path(answers(capsys, red))
    assert without_path(direct) == without_path(several[:1]) == expected
    assert [one["path"] for one in several] == [url, str(red), f"{server}/none.png"]
    assert str(several[2]["reason"]).startswith("could not be fetched")


def test_archives_behind_urls_get_the_answers_of_files(
    pictures: Path, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pq, pa = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    red = (pictures / "red.png").read_bytes()
    write_tar(pictures / "a.tar", {"red.png": red})
    pq.write_table(pa.table({"key": ["red"], "image": [red]}), pictures / "a.parquet")
    run(["embed", str(pictures / "red.png"), "-o", str(pictures / "v.parquet")])

    names = ("a.tar", "a.parquet", "v.parquet")
    found = answers(capsys, *(f"{server}/{name}" for name in names))

    paths = [f"{server}/a.tar::red.png", f"{server}/a.parquet::red", str(pictures / "red.png")]
    assert [one["path"] for one in found] == paths
    assert without_path(found) == without_path(answers(capsys, pictures / "red.png")) * 3


def test_a_list_of_what_is_no_file_says_what_to_do_where_files_are_needed(
    tmp_path: Path, server: str, capfd: pytest.CaptureFixture[str]
) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text(f"{server}/red.png\n", encoding="utf-8")

    code = run(["explain", "--from-file", str(listed), *LABELS[:2]])

    assert code == 3
    wanted = f"skipped {server}/red.png: no file of its own: unpack, download or save it first"
    assert wanted in capfd.readouterr().err


def test_a_picture_that_drips_for_ever_is_given_up(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "FETCH_S", 0.0)

    with pytest.raises(ImageError, match="could not be fetched within"):
        remote.fetch(f"{server}/red.png")


def test_a_picture_that_breaks_off_on_its_way_is_no_shorter_picture() -> None:
    class Short(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"\x89PNG")

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Short) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        try:
            with pytest.raises(ImageError, match="sent less than it announced"):
                remote.fetch(f"http://127.0.0.1:{running.server_address[1]}/a.png")
        finally:
            running.shutdown()


def test_a_column_that_holds_no_bytes_makes_no_pictures(tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pa.table({"image": [{"bytes": 10**12, "path": "a"}, {"bytes": None, "path": "b"}]})
    pq.write_table(table, tmp_path / "a.parquet")

    found = list(read_source(str(tmp_path / "a.parquet"), FindReport()))

    assert [type(one) for one in found] == [Skipped, Skipped]


def test_a_damaged_packed_tar_is_told_even_where_all_members_came(
    tmp_path: Path, contents: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    tar = write_tar(tmp_path / "a.tar.gz", contents, "w:gz")
    data = tar.read_bytes()
    tar.write_bytes(data[:-8] + bytes([data[-8] ^ 1]) + data[-7:])  # its checksum

    found = answers(capsys, tar)

    assert [one["path"] for one in found] == [*(f"{tar}::{name}" for name in contents), str(tar)]
    assert "CRC" in str(found[-1]["reason"])


def test_bytes_get_the_answers_of_files(pictures: Path, contents: dict[str, bytes]) -> None:
    classifier = Classifier(labels=["cat", "dog"])

    from_bytes = list(classifier.classify_bytes(contents.items()))
    rows = list(classifier.encode_bytes([*contents.items(), ("broken", b"\xff\xd8\xff")]))

    from_files = list(classifier.classify(sorted(pictures.iterdir())))
    assert [one.path for one in from_bytes] == list(contents)
    assert [r.top for r in from_bytes] == [r.top for r in from_files]  # type: ignore[union-attr]
    assert [type(row).__name__ for row in rows] == ["tuple"] * len(contents) + ["Skipped"]


def test_what_is_known_by_content_is_not_decoded_again(contents: dict[str, bytes]) -> None:
    first = list(Classifier(labels=["cat", "dog"]).classify_bytes(contents.items()))
    again = Classifier(labels=["cat", "dog"])

    second = list(again.classify_bytes((f"other {name}", data) for name, data in contents.items()))

    assert [r.top for r in first] == [r.top for r in second]  # type: ignore[union-attr]
    assert not again.encoder.is_loaded


def test_a_damaged_tar_yields_what_stands_before_the_damage_and_others_go_on(
    tmp_path: Path, contents: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    broken, whole = (write_tar(tmp_path / name, contents) for name in ("1.tar", "2.tar"))
    data = broken.read_bytes()
    broken.write_bytes(data[: data.index(contents["green.png"]) + 5])

    found = answers(capsys, tmp_path / "{1..2}.tar")

    first = next(iter(contents))
    assert found[0]["path"] == f"{broken}::{first}"
    assert str(found[1]["reason"]).startswith("damaged or unreadable archive")
    assert [one["path"] for one in found[2:]] == [f"{whole}::{name}" for name in contents]


def test_an_archive_that_is_not_there_is_a_record_and_others_go_on(
    tmp_path: Path, contents: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    whole = write_tar(tmp_path / "2.tar", contents)

    found = answers(capsys, tmp_path / "{1..2}.tar", tmp_path / "3.parquet")

    paths = [str(tmp_path / "1.tar"), *(f"{whole}::{name}" for name in contents)]
    assert [one["path"] for one in found] == [*paths, str(tmp_path / "3.parquet")]
    assert [found[0]["reason"], found[-1]["reason"]] == ["no such file or folder"] * 2


def test_other_members_are_counted_and_links_and_hidden_ones_left_out(
    tmp_path: Path, contents: dict[str, bytes]
) -> None:
    members = {"a.json": b"{}", "._red.png": b"x", **contents, "notes": b"plain text"}
    tar = write_tar(tmp_path / "a.tar", members)
    with tarfile.open(tar, "a") as file:
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        file.addfile(link)
    report = FindReport()

    found = list(read_source(str(tar), report))

    assert [one.path for one in found] == [f"{tar}::{name}" for name in contents]
    assert report.ignored == 2


def test_a_sparse_member_is_skipped_without_its_bytes(tmp_path: Path) -> None:
    member = tarfile.TarInfo("huge.png")
    member.size = 2**40
    tar = tmp_path / "a.tar"
    tar.write_bytes(member.tobuf(tarfile.GNU_FORMAT) + b"\0" * 10240)

    found = list(read_source(str(tar), FindReport()))

    assert isinstance(found[0], Skipped)
    assert "very large" in found[0].reason


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.tar", True),
        ("A.TAR.GZ", True),
        ("s3://bucket/a.tar", True),
        ("https://host/cat.jpg?size=1", True),
        ("tar::thing", True),
        ("photos", False),
        ("cat.jpg", False),
        ("C:\\photos\\cat.jpg", False),
    ],
)
def test_a_name_is_a_source_by_its_ending_or_its_protocol(name: str, expected: bool) -> None:
    assert is_source(name) == expected


@given(st.integers(0, 999), st.integers(0, 20), st.integers(1, 6))
def test_a_range_counts_up_as_wide_as_its_first_number(first: int, more: int, width: int) -> None:
    span = "{" + f"{first:0{width}}..{first + more}" + "}"

    names = list(expand(f"a-{span}.tar"))

    assert len(names) == more + 1
    assert [int(name[2:-4]) for name in names] == list(range(first, first + more + 1))
    assert all(len(name[2:-4]) >= width for name in names)


def test_a_range_that_runs_backwards_is_refused() -> None:
    with pytest.raises(UsageError, match="is no range"):
        list(expand("a-{9..0}.tar"))


@pytest.mark.parametrize("command", ["dedup", "sort"])
def test_commands_that_need_files_say_so(
    command: str,
    tmp_path: Path,
    contents: dict[str, bytes],
    capsys: pytest.CaptureFixture[str],
) -> None:
    tar = write_tar(tmp_path / "a.tar", contents)
    sorting = ["--labels", "cat, dog", "--into", str(tmp_path / "into")]
    more = sorting if command == "sort" else ["--trash", "--yes"]

    code = run([command, str(tar), *more])

    assert code in (2, 3)
    assert str(tar) in capsys.readouterr().err
    assert ImageData.__slots__ == ("path", "read", "n_bytes")
