"""What other commands make of a batch's output: vectors are asked again, results compared."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clipcli.cli.app import run
from tests.fakes import FakeEncoder

Batch = Callable[..., int]
Capture = pytest.CaptureFixture[str]
LABELS = ("--labels", "red, green, blue", "--no-cache")


@pytest.fixture
def vectors(folder: Path, tmp_path: Path, fake_model: FakeEncoder) -> Path:
    """Return the output of ``batch embed``, in three parts."""
    into = tmp_path / "vectors"
    more = ["--shard-size", "10", "--max-skipped", "10%"]
    assert run(["batch", "embed", str(folder), "--into", str(into), *more]) == 5
    fake_model.batches.clear()
    return into


def lines_of(
    capsys: pytest.CaptureFixture[str], command: str, *arguments: object
) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert run([command, *map(str, arguments), "--format", "jsonl"]) in (0, 5)
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_vectors_are_classified_as_their_pictures_are_without_looking_at_them(
    folder: Path, vectors: Path, fake_model: FakeEncoder, capsys: pytest.CaptureFixture[str]
) -> None:
    again = lines_of(capsys, "classify", vectors, *LABELS)

    assert fake_model.batches == []
    assert again == lines_of(capsys, "classify", folder, *LABELS)


def test_vectors_in_one_file_and_by_a_range_of_parts_are_taken_too(
    folder: Path, vectors: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "v.parquet"
    run(["embed", str(folder), "-o", str(file), "--no-cache"])

    expected = lines_of(capsys, "classify", vectors, *LABELS)
    by_range = vectors / "data" / "part-{00000..00002}.parquet"

    assert lines_of(capsys, "classify", file, *LABELS) == expected
    assert lines_of(capsys, "classify", by_range, *LABELS) == expected


def test_vectors_are_searched(
    folder: Path, vectors: Path, fake_model: FakeEncoder, capsys: pytest.CaptureFixture[str]
) -> None:
    found = lines_of(capsys, "search", vectors, "--query", "green", "--no-cache")

    assert fake_model.batches == []
    assert found == lines_of(capsys, "search", folder, "--query", "green", "--no-cache")


def test_vectors_of_another_model_are_refused(
    vectors: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = FakeEncoder(fingerprint="a" * 64)
    monkeypatch.setattr("clipcli.encoder.encoder.load_encoder", lambda *_: other)

    code = run(["classify", str(vectors), *LABELS])

    assert code == 4
    assert "its vector is of another model than fake" in capsys.readouterr().err


def test_a_batch_is_compared_with_another_run(
    folder: Path,
    batch: Batch,
    fake_model: FakeEncoder,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert fake_model
    batch(folder, "--shard-size", "10", into=tmp_path / "one")
    same, other = tmp_path / "same.jsonl", tmp_path / "other.parquet"
    run(["classify", str(folder), *LABELS, "-o", str(same)])
    run(["classify", str(folder), "--labels", "red, blue", "--no-cache", "-o", str(other)])
    capsys.readouterr()

    codes = [run(["diff", str(tmp_path / "one"), str(file)]) for file in (same, other)]

    assert codes == [0, 6]
    assert "the runs differ in labels" in capsys.readouterr().err


def test_vectors_are_no_results_to_compare(
    vectors: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(["diff", str(vectors), str(vectors)])

    assert code == 3
    assert "holds vectors, of batch embed, and not results" in capsys.readouterr().err


def test_a_batch_that_is_not_finished_says_so_and_its_parts_can_be_read_by_their_folder(
    folder: Path, batch: Batch, fake_model: FakeEncoder, tmp_path: Path, capsys: Capture
) -> None:
    assert fake_model
    batch(folder, "--shard-size", "10", into=tmp_path / "one")
    (tmp_path / "one" / "_SUCCESS").unlink()
    (tmp_path / "one" / "data" / "part-00001.parquet").unlink()
    capsys.readouterr()
    plain = tmp_path / "plain.jsonl"
    run(["classify", str(folder), *LABELS, "-o", str(plain)])
    capsys.readouterr()

    codes = [run(["diff", str(tmp_path / one), str(plain)]) for one in ("one", "one/data")]

    told = capsys.readouterr()
    assert codes == [2, 6]
    assert "this batch is not finished: 2 of 3 parts are there" in told.err
    assert {line.split("\t")[1] for line in told.out.splitlines()} == {"added"}
    assert len(told.out.splitlines()) == 10


def test_a_part_of_another_batch_and_one_that_is_gone_or_damaged_are_refused(
    folder: Path, batch: Batch, fake_model: FakeEncoder, tmp_path: Path, capsys: Capture
) -> None:
    assert fake_model
    one, other = tmp_path / "one", tmp_path / "other"
    batch(folder, "--shard-size", "10", into=one)
    batch(folder, "--shard-size", "12", into=other)
    part = one / "data" / "part-00001.parquet"
    capsys.readouterr()

    told = []
    for content in ((other / "data" / part.name).read_bytes(), part.read_bytes()[:-9], None):
        part.unlink()
        if content is not None:
            part.write_bytes(content)
        assert run(["diff", str(one), str(one)]) == 3
        told.append(capsys.readouterr().err)

    assert "is a part of another batch" in told[0]
    assert "is damaged or cannot be read" in told[1]
    assert "this part is missing" in told[2]
    assert all("run the batch again" in each for each in told)


def test_vectors_of_a_batch_in_a_store_are_read_where_they_lie(
    folder: Path, vectors: Path, capsys: Capture
) -> None:
    fsspec = pytest.importorskip("fsspec")
    store = fsspec.filesystem("memory")
    for path in vectors.rglob("*"):
        if path.is_file():
            store.pipe(f"/run/{path.relative_to(vectors).as_posix()}", path.read_bytes())

    found = lines_of(capsys, "classify", "memory://run", *LABELS)
    store.rm("/run", recursive=True)

    assert found == lines_of(capsys, "classify", folder, *LABELS)


def test_shards_that_failed_are_skipped_records(
    folder: Path, vectors: Path, capsys: Capture
) -> None:
    success = json.loads((vectors / "_SUCCESS").read_text(encoding="utf-8"))
    (vectors / "_SUCCESS").write_text(json.dumps(success | {"failed": 1}), encoding="utf-8")
    (vectors / "failed").mkdir()
    failure = {"shard": 2, "url": "a.tar", "reason": "its worker died"}
    (vectors / "failed" / "00002.json").write_text(json.dumps(failure), encoding="utf-8")
    (vectors / "data" / "part-00002.parquet").unlink()

    found = lines_of(capsys, "classify", vectors, *LABELS)

    assert found[:-1] == lines_of(capsys, "classify", folder, *LABELS)[:20]
    assert found[-1] == {
        "path": "a.tar",
        "status": "skipped",
        "reason": "its shard failed: its worker died",
    }


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """Serve the test's folder."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


def test_a_batch_behind_a_web_server_is_read_by_the_name_of_its_folder(
    folder: Path, batch: Batch, fake_model: FakeEncoder, web: str, tmp_path: Path, capsys: Capture
) -> None:
    assert fake_model
    batch(folder, "--shard-size", "10", into=tmp_path / "one")
    same = run(["diff", f"{web}/one/", str(tmp_path / "one")])
    (tmp_path / "one" / "_SUCCESS").unlink()

    unfinished = run(["diff", f"{web}/one/", str(tmp_path / "one")])

    assert (same, unfinished) == (0, 2)
    assert "this batch is not finished" in capsys.readouterr().err


def test_a_table_of_urls_is_audited(
    folder: Path, fake_model: FakeEncoder, web: str, tmp_path: Path, capsys: Capture
) -> None:
    assert fake_model
    names = [path.name for path in sorted(folder.iterdir())]
    for name, before in (("here.csv", f"{folder}/"), ("there.csv", f"{web}/folder/")):
        rows = [f"{before}{one},{'low' if int(one[:3]) < 12 else 'high'}" for one in names]
        (tmp_path / name).write_text("path,label\n" + "\n".join(rows), encoding="utf-8")

    here = lines_of(capsys, "audit", tmp_path / "here.csv", "--no-cache")
    there = lines_of(capsys, "audit", tmp_path / "there.csv", "--no-cache")

    found = [(one["kind"], Path(one["path"]).name, one["detail"]) for one in there]
    assert found == [(one["kind"], Path(one["path"]).name, one["detail"]) for one in here]
    assert any(kind == "broken" for kind, *_ in found)
