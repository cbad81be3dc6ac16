"""Batches over S3: a server of moto on loopback, also behind a proxy that fails now and then."""

from __future__ import annotations

import http.client
import http.server
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clipcli.cli.app import run
from tests.workflows.fleet.conftest import rows_of

s3fs = pytest.importorskip("s3fs")
moto_server = pytest.importorskip("moto.server")
pytestmark = pytest.mark.usefixtures("fake_model")
MakeTar = Callable[..., Path]
Rows = Callable[..., list[dict[str, Any]]]
Batch = Callable[..., int]
BUCKET = "pictures"


@pytest.fixture
def port() -> Iterator[int]:
    """Serve S3 on loopback."""
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    found = server.get_host_and_port()[1]
    connection = http.client.HTTPConnection("127.0.0.1", found)
    connection.request("POST", "/moto-api/reset")  # what another test has left
    connection.getresponse().read()
    yield found
    server.stop()


@pytest.fixture
def use_s3(port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Any]]:
    """Return a function that leads all to a port, and returns a file system with a bucket."""

    def lead(to: int) -> Any:
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{to}",
            "AWS_ACCESS_KEY_ID": "some",
            "AWS_SECRET_ACCESS_KEY": "thing",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        return s3fs.S3FileSystem()

    yield lead
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def bucket(port: int, use_s3: Callable[[int], Any]) -> Any:
    system = use_s3(port)
    system.mkdir(BUCKET)
    return system


def downloaded(system: Any, run_name: str, into: Path) -> list[dict[str, Any]]:
    names = sorted(system.find(f"{BUCKET}/{run_name}/data"))
    for name in names:
        (into / name.rpartition("/")[2]).write_bytes(system.cat_file(name))
    return rows_of(*(into / name.rpartition("/")[2] for name in names))


def test_rows_are_those_of_files(
    bucket: Any,
    contents: dict[str, bytes],
    make_tar: MakeTar,
    folder: Path,
    plain: Rows,
    batch: Batch,
    tmp_path: Path,
) -> None:
    tar = make_tar("a.tar", contents)
    for key, file in {"a.tar": tar, **{f"photos/{p.name}": p for p in folder.iterdir()}}.items():
        bucket.pipe_file(f"{BUCKET}/{key}", file.read_bytes())

    codes = [
        batch(f"s3://{BUCKET}/a.tar", into=f"s3://{BUCKET}/one"),
        batch(f"s3://{BUCKET}/photos/", "--shard-size", 10, into=f"s3://{BUCKET}/two"),
        batch(f"s3://{BUCKET}/*.tar", into=f"s3://{BUCKET}/one"),
    ]

    assert codes == [5, 5, 5]
    expected = plain(tar)
    assert downloaded(bucket, "one", tmp_path) == [
        row | {"path": f"s3://{BUCKET}/a.tar::{row['path'].rpartition('::')[2]}"}
        for row in expected
    ]
    found = downloaded(bucket, "two", tmp_path)
    names = [f"s3://{BUCKET}/photos/{name}" for name in contents]
    assert found == [row | {"path": name} for row, name in zip(plain(folder), names, strict=True)]
    uploads = bucket.call_s3("list_multipart_uploads", Bucket=BUCKET)
    assert uploads.get("Uploads", []) == []


def test_an_object_that_was_replaced_is_done_again(
    bucket: Any, contents: dict[str, bytes], make_tar: MakeTar, batch: Batch, tmp_path: Path
) -> None:
    source, into = f"s3://{BUCKET}/a.tar", f"s3://{BUCKET}/out"
    bucket.pipe_file(f"{BUCKET}/a.tar", make_tar("a.tar", contents).read_bytes())
    batch(source, into=into)
    fewer = dict(list(contents.items())[:3])
    bucket.pipe_file(f"{BUCKET}/a.tar", make_tar("a.tar", fewer).read_bytes())
    s3fs.S3FileSystem.clear_instance_cache()

    code = batch(source, into=into)

    assert code == 0
    assert len(downloaded(bucket, "out", tmp_path)) == 3


def test_what_lies_in_a_store_is_compared_judged_and_audited(
    bucket: Any,
    contents: dict[str, bytes],
    make_tar: MakeTar,
    batch: Batch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    members = {f"{'ab'[i % 2]}/{name}": data for i, (name, data) in enumerate(contents.items())}
    bucket.pipe_file(f"{BUCKET}/a.tar", make_tar("a.tar", members).read_bytes())
    source, one, vectors = (f"s3://{BUCKET}/{name}" for name in ("a.tar", "one", "vectors"))
    batch(source, "--shard-size", 10, into=one)
    run(["batch", "embed", source, "--into", vectors, "--max-skipped", "50%"])
    (tmp_path / "truth.csv").write_text("key,label\na/000.png,red\n", encoding="utf-8")
    capsys.readouterr()

    codes = [
        run(["diff", one, one]),
        run(["eval", one, "--truth", str(tmp_path / "truth.csv")]),
        run(["audit", vectors, "--format", "jsonl"]),
        run(["dedup", vectors]),
        run(["search", vectors, "red", "--top", "1"]),
    ]

    told = capsys.readouterr()
    assert codes == [0, 5, 5, 5, 5]
    assert "pictures\t1" in told.out
    assert f'"kind": "broken", "path": "{source}::b/007.png"' in told.out


class Faulty(http.server.BaseHTTPRequestHandler):
    """Passes requests on, except for each fourth, which it answers with 503, late."""

    target = 0
    n_seen = n_refused = 0
    lock = threading.Lock()
    protocol_version = "HTTP/1.1"

    def pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with Faulty.lock:
            Faulty.n_seen += 1
            is_refused = Faulty.n_seen % 4 == 0
            Faulty.n_refused += is_refused
        if is_refused:
            time.sleep(0.2)
            self._answer(503, {}, b"<Error><Code>SlowDown</Code></Error>")
            return
        connection = http.client.HTTPConnection("127.0.0.1", Faulty.target, timeout=30)
        connection.request(self.command, self.path, body, dict(self.headers))
        answer = connection.getresponse()
        self._answer(answer.status, dict(answer.getheaders()), answer.read())
        connection.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        length = headers.get("Content-Length") if self.command == "HEAD" else len(body)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


for verb in ("GET", "PUT", "HEAD", "POST", "DELETE"):
    setattr(Faulty, f"do_{verb}", Faulty.pass_on)


@pytest.mark.soak
def test_a_store_that_fails_now_and_then_costs_nothing_but_time(
    bucket: Any,
    port: int,
    use_s3: Callable[[int], Any],
    contents: dict[str, bytes],
    make_tar: MakeTar,
    plain: Rows,
    batch: Batch,
    tmp_path: Path,
) -> None:
    tars = [make_tar(f"{i}.tar", contents) for i in range(8)]
    for tar in tars:
        bucket.pipe_file(f"{BUCKET}/{tar.name}", tar.read_bytes())
    Faulty.target = port
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Faulty) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        use_s3(proxy.server_address[1])

        code = batch(f"s3://{BUCKET}/{{0..7}}.tar", into=f"s3://{BUCKET}/out")

        proxy.shutdown()
    system = use_s3(port)
    assert code == 5
    assert Faulty.n_refused > 5
    assert len(downloaded(system, "out", tmp_path)) == sum(len(plain(tar)) for tar in tars)


class Full(Faulty):
    """Passes requests on, but takes no more than so many objects."""

    room = 0
    answer = (507, b"")

    def put(self) -> None:
        with Faulty.lock:
            Full.room -= 1
            is_full = Full.room < 0
        if not is_full:
            self.pass_on_all()
            return
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, code = Full.answer
        body = b"<Error><Code>%s</Code><Message>no more</Message></Error>" % code
        self._answer(status, {"Content-Type": "application/xml"}, body if code else b"")

    def pass_on_all(self) -> None:
        with Faulty.lock:
            Faulty.n_seen = 0  # none is the fourth
        self.pass_on()


for verb in ("GET", "HEAD", "POST", "DELETE"):
    setattr(Full, f"do_{verb}", Full.pass_on_all)
Full.do_PUT = Full.put  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "answer",
    [(507, b""), (403, b"QuotaExceeded"), (507, b"XMinioStorageFull")],
    ids=["507", "quota", "minio"],
)
@pytest.mark.parametrize("room", [0, 5], ids=["at once", "in the middle"])
def test_a_full_bucket_is_one_line_within_seconds_and_is_gone_on_from(
    answer: tuple[int, bytes],
    room: int,
    bucket: Any,
    port: int,
    use_s3: Callable[[int], Any],
    contents: dict[str, bytes],
    make_tar: MakeTar,
    plain: Rows,
    batch: Batch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert bucket is not None
    tar, into = make_tar("a.tar", contents), f"s3://{BUCKET}/out"
    Faulty.target, Full.room, Full.answer = port, room, answer
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Full) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        use_s3(proxy.server_address[1])
        started = time.monotonic()

        code = batch(tar, "--shard-size", 4, into=into)

        seconds = time.monotonic() - started
        proxy.shutdown()
    told = [line for line in capsys.readouterr().err.splitlines() if "hint" not in line]
    assert code == 3
    assert len(told) == 1
    assert "could not be written" in told[0]
    assert Full.room == -1  # nobody tried again, and waited for that
    assert seconds < 60  # far fewer, but for machines with much else to do
    system = use_s3(port)
    n_parts = len(system.find(f"{BUCKET}/out/data"))
    assert n_parts == max(0, room - 2)  # the shards and the plan come first
    assert batch(tar, "--shard-size", 4, into=into) == 5  # there is room again
    assert downloaded(use_s3(port), "out", tmp_path) == plain(tar)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "onnect"),
        (
            {
                "AWS_ACCESS_KEY_ID": None,
                "AWS_SECRET_ACCESS_KEY": None,
                "AWS_EC2_METADATA_DISABLED": "true",
                "HOME": "/nowhere",
            },
            "credentials",
        ),
    ],
    ids=["dead", "no credentials"],
)
def test_a_store_that_does_not_answer_is_one_line_within_seconds(
    changes: dict[str, str | None],
    said: str,
    bucket: Any,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert bucket
    for name, value in changes.items():
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    started = time.monotonic()

    code = run(["batch", "embed", str(folder), "--into", f"s3://{BUCKET}/out"])

    told = [line for line in capsys.readouterr().err.splitlines() if "hint" not in line]
    assert code == 3
    assert len(told) == 1
    assert said in told[0]
    assert time.monotonic() - started < 20


def test_a_bucket_that_is_not_there_is_one_line(
    bucket: Any, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bucket

    code = run(["batch", "embed", str(folder), "--into", "s3://no-such-bucket/out"])

    told = [line for line in capsys.readouterr().err.splitlines() if "hint" not in line]
    assert code == 3
    assert len(told) == 1
    assert "no-such-bucket" in told[0]
