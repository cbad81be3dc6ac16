"""``clipcli batch``: the rows of ``classify``, each once, whatever happens on the way."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clipcli.cli.app import run
from clipcli.workflows.fleet.worker import Worker
from tests.conftest import ROOT
from tests.fakes import FakeEncoder
from tests.workflows.fleet.conftest import document, parts_of, rows_of

pytestmark = pytest.mark.usefixtures("fake_model")
Batch = Callable[..., int]
MakeTar = Callable[..., Path]
Rows = Callable[..., list[dict[str, Any]]]


@pytest.mark.parametrize("format_", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_parts_of_a_tar_hold_the_rows_of_classify(
    format_: int,
    contents: dict[str, bytes],
    make_tar: MakeTar,
    plain: Rows,
    batch: Batch,
    tmp_path: Path,
) -> None:
    long_name = "long/" * 15 + "name-" * 15 + "é.png"  # needs a header of its own in two formats
    tar = make_tar(
        "a.tar", {"notes.json": b"{}", **contents, long_name: contents["001.png"]}, format_
    )

    code = batch(tar, "--shard-size", 5)

    assert code == 5  # one is broken
    assert [len(rows_of(part)) for part in parts_of(tmp_path / "out")] == [4, 5, 5, 5, 5]
    assert rows_of(*parts_of(tmp_path / "out")) == plain(tar)
    assert document(tmp_path / "out" / "_SUCCESS")["rows"] == 24
    assert document(tmp_path / "out" / "_SUCCESS")["left_out"] == 1


def test_parts_of_a_folder_hold_the_rows_of_classify(
    folder: Path, plain: Rows, batch: Batch, tmp_path: Path
) -> None:
    (folder / "notes.txt").write_text("no picture", encoding="utf-8")

    code = batch(folder, "--shard-size", 10)

    assert code == 5
    assert len(parts_of(tmp_path / "out")) == 3
    assert rows_of(*parts_of(tmp_path / "out")) == plain(folder)


def test_parts_of_a_table_hold_the_rows_of_classify(
    contents: dict[str, bytes], plain: Rows, batch: Batch, tmp_path: Path
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    named, unnamed = tmp_path / "named.parquet", tmp_path / "unnamed.parquet"
    table = pa.table({"jpg": list(contents.values()), "key": list(contents)})
    pq.write_table(table, named, row_group_size=4)
    pq.write_table(table.drop(["key"]), unnamed, row_group_size=4)

    code = batch(named, unnamed, "--shard-size", 8)

    assert code == 5
    assert [len(rows_of(part)) for part in parts_of(tmp_path / "out")] == [8, 8, 7] * 2
    assert rows_of(*parts_of(tmp_path / "out")) == plain(named, unnamed)


def test_parts_of_a_list_hold_the_rows_of_classify(
    folder: Path, plain: Rows, batch: Batch, tmp_path: Path
) -> None:
    listed = tmp_path / "list.txt"
    paths = [folder / "003.png", folder / "gone.png", folder / "001.png"]
    listed.write_text("\n".join(map(str, paths)), encoding="utf-8")

    code = batch(listed, "--source", "list", "--shard-size", 2)

    assert code == 5
    assert rows_of(*parts_of(tmp_path / "out")) == plain("--from-file", listed)


def test_columns_of_a_table_can_be_named(
    contents: dict[str, bytes], folder: Path, batch: Batch, tmp_path: Path
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {
            "thumb": [b"x"],
            "full": [contents["001.png"]],
            "key": ["wrong"],
            "mine": ["right"],
            "link": [(folder / "002.png").as_uri()],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    first, second = tmp_path / "first", tmp_path / "second"
    source = tmp_path / "a.parquet"

    codes = (
        batch(source, "--image-column", "full", "--key-column", "mine", into=first),
        batch(source, "--url-column", "link", into=second),
        batch(source, "--image-column", "other", into=tmp_path / "third"),
    )

    assert codes == (0, 0, 3)
    assert [row["path"] for row in rows_of(*parts_of(first))] == [f"{source}::right"]
    assert rows_of(*parts_of(second))[0]["status"] == "ok"
    assert "no column 'other'" in document(tmp_path / "third" / "failed" / "00000.json")["reason"]


def test_embeddings_are_those_of_embed(
    contents: dict[str, bytes], make_tar: MakeTar, tmp_path: Path
) -> None:
    tar, into, file = make_tar("a.tar", contents), tmp_path / "out", tmp_path / "v.parquet"

    code = run(["batch", "embed", str(tar), "--into", str(into), "--max-skipped", "0.1"])

    assert code == 5
    run(["embed", str(tar), "-o", str(file), "--no-cache"])
    assert rows_of(*parts_of(into)) == rows_of(file)


def test_what_is_done_is_not_done_again(
    contents: dict[str, bytes],
    make_tar: MakeTar,
    batch: Batch,
    tmp_path: Path,
    fake_model: FakeEncoder,
) -> None:
    tar = make_tar("a.tar", contents)
    batch(tar, "--shard-size", 5)
    parts = parts_of(tmp_path / "out")
    before = {part: part.read_bytes() for part in parts}
    times = {part: part.stat().st_mtime_ns for part in parts}
    parts[2].unlink()
    parts[3].write_bytes(b"half of a pa")
    fake_model.batches.clear()

    code = batch(tar, "--shard-size", 5)

    assert code == 5
    assert {part: part.read_bytes() for part in parts} == before  # to the byte
    done = [part.stat().st_mtime_ns != times[part] for part in parts]
    assert done == [False, False, True, True, False]
    assert sum(fake_model.batches) == 10
    fake_model.batches.clear()
    assert batch(tar, "--shard-size", 5) == 5
    assert fake_model.batches == []


def test_a_full_disk_ends_the_run_in_one_line_and_is_gone_on_from(
    contents: dict[str, bytes],
    make_tar: MakeTar,
    batch: Batch,
    plain: Rows,
    tmp_path: Path,
    fake_model: FakeEncoder,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tar = make_tar("a.tar", contents)
    sync, n_synced = os.fsync, 0

    def full(handle: int) -> None:
        nonlocal n_synced
        n_synced += 1
        if n_synced > 4:  # the shards, the plan, two parts
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(handle)

    monkeypatch.setattr(os, "fsync", full)

    code = batch(tar, "--shard-size", 5)

    told = capsys.readouterr().err
    assert code == 3
    assert told.count("\n") == 2
    assert "No space left on device" in told
    assert "hint: make room there" in told
    assert sum(fake_model.batches) <= 15  # the shard in hand was not done again
    assert len(parts_of(tmp_path / "out")) == 2
    assert list((tmp_path / "out" / "_tmp").iterdir()) == []
    monkeypatch.setattr(os, "fsync", sync)
    assert batch(tar, "--shard-size", 5) == 5
    assert rows_of(*parts_of(tmp_path / "out")) == plain(tar)


def test_another_plan_is_refused_and_changes_nothing(
    contents: dict[str, bytes],
    make_tar: MakeTar,
    batch: Batch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tar, into = make_tar("a.tar", contents), tmp_path / "out"
    batch(tar)
    before = {path: path.read_bytes() for path in into.rglob("*") if path.is_file()}
    more = ["--into", str(into)]

    codes = [
        run(["batch", "classify", str(tar), "--labels", "red, green", *more]),
        run(["batch", "classify", str(tar), "--labels", "red, green, blue", "-k", "2", *more]),
        run(["batch", "embed", str(tar), *more]),
        batch(tar, "--shard-size", 3),
    ]

    told = capsys.readouterr().err
    assert codes == [2, 2, 2, 2]
    assert "label_set_hash was" in told
    assert "options.top_k was 5 and is 2" in told
    assert "task was classify and is embed" in told
    assert "shard_size was 100 and is 3" in told
    assert {path: path.read_bytes() for path in into.rglob("*") if path.is_file()} == before


def test_a_shard_whose_content_changed_is_done_again(
    contents: dict[str, bytes],
    make_tar: MakeTar,
    batch: Batch,
    plain: Rows,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    first, second = make_tar("1.tar", contents), make_tar("2.tar", contents)
    batch(first, second)
    untouched = parts_of(tmp_path / "out")[0].stat().st_mtime_ns
    make_tar("2.tar", dict.fromkeys(contents, contents["001.png"]))

    code = batch(first, second)

    assert code == 5
    assert "1 shard changed" in capsys.readouterr().err
    assert rows_of(*parts_of(tmp_path / "out")) == plain(first, second)
    assert parts_of(tmp_path / "out")[0].stat().st_mtime_ns == untouched


def test_a_picture_of_a_folder_that_changed_is_noticed(
    contents: dict[str, bytes], folder: Path, batch: Batch, plain: Rows, tmp_path: Path
) -> None:
    batch(folder, "--shard-size", 10)
    (folder / "015.png").write_bytes(contents["001.png"] + b"more")
    (folder / "016.png").unlink()

    batch(folder, "--shard-size", 10)

    assert rows_of(*parts_of(tmp_path / "out")) == plain(folder)


def test_a_damaged_tar_fails_after_its_tries_and_the_rest_is_done(
    contents: dict[str, bytes],
    make_tar: MakeTar,
    batch: Batch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("clipcli.workflows.fleet.run.PAUSE_S", 0.01)
    whole, broken = make_tar("1.tar", contents), make_tar("2.tar", contents)
    broken.write_bytes(broken.read_bytes()[:9000])
    into = tmp_path / "out"

    code = batch(whole, broken, "--retries", 2)

    failure = document(into / "failed" / "00001.json")
    assert code == 3
    assert "given up: 1 of 2 shards failed" in capsys.readouterr().err
    assert (failure["url"], failure["attempts"]) == (str(broken), 3)
    assert failure["reason"].startswith("damaged or unreadable")
    assert not (into / "_SUCCESS").exists()

    code = batch(whole, broken, "--retries", 0, "--max-failed-shards", 1)

    assert code == 5
    assert document(into / "_SUCCESS") | {"plan": ""} == {
        "plan": "",
        "shards": 1,
        "failed": 1,
        "rows": len(contents),
        "skipped": 1,
        "left_out": 0,
    }
    assert run(["batch", "status", str(into), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["shards"], told["done"], told["success"]) == (2, 1, True)
    assert told["failed"][0]["shard"] == 1

    make_tar("2.tar", contents)
    assert batch(whole, broken) == 5
    assert list((into / "failed").iterdir()) == []
    assert document(into / "_SUCCESS")["rows"] == 2 * len(contents)


def test_too_many_skipped_pictures_are_no_success(
    folder: Path, batch: Batch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = batch(folder, "--shard-size", 10, skipped="4%")  # 1 of 23 is 4.3 %

    assert code == 3
    assert "1 of 23 pictures were skipped" in capsys.readouterr().err
    assert not (tmp_path / "out" / "_SUCCESS").exists()
    assert batch(folder, "--shard-size", 10, skipped="5%") == 5
    assert (tmp_path / "out" / "_SUCCESS").exists()


def test_nothing_is_written_among_files_of_somebody_else(
    folder: Path, batch: Batch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    into = tmp_path / "mine"
    into.mkdir()
    (into / "thesis.tex").write_text("x", encoding="utf-8")

    code = batch(folder, into=into)

    assert code == 2
    assert "thesis.tex" in capsys.readouterr().err
    assert [path.name for path in into.iterdir()] == ["thesis.tex"]


def test_a_plan_is_told_and_nothing_written(
    folder: Path, batch: Batch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = batch(folder, "--shard-size", 10, "--plan")

    told = capsys.readouterr().out
    assert code == 0
    assert "3 shards, 0 done" in told
    assert "23 inputs left" in told
    assert not (tmp_path / "out").exists()


def test_workers_that_cannot_be_had_leave_nothing_begun(
    folder: Path, batch: Batch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = batch(folder, "--ray", "local", "--workers", 5000)

    assert code == 2
    assert "--workers 5000: the cluster has room for" in capsys.readouterr().err
    assert not list((tmp_path / "out").rglob("*.*"))
    assert batch(folder, "--shard-size", 10) == 5  # other options are no other plan there


def test_parts_go_to_an_object_store(
    folder: Path, batch: Batch, plain: Rows, tmp_path: Path
) -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    into = f"memory://{tmp_path.name}/out"

    codes = [batch(folder, "--shard-size", 10, into=into) for _ in range(2)]

    names = sorted(memory.find(f"/{tmp_path.name}/out/data"))
    for name in names:
        (tmp_path / Path(name).name).write_bytes(memory.cat_file(name))
    assert codes == [5, 5]
    assert rows_of(*(tmp_path / Path(name).name for name in names)) == plain(folder)


def test_a_store_that_fails_for_a_while_is_tried_again(
    folder: Path, batch: Batch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("clipcli.workflows.fleet.run.PAUSE_S", 0.01)
    fsspec = pytest.importorskip("fsspec")
    memory = type(fsspec.filesystem("memory"))
    n_refused, put = 0, memory.pipe_file

    def refuse(self: Any, path: str, value: bytes, **more: Any) -> None:
        nonlocal n_refused
        if "part-" in path and n_refused < 3:
            n_refused += 1
            raise OSError("503 Slow Down")
        put(self, path, value, **more)

    monkeypatch.setattr(memory, "pipe_file", refuse)

    code = batch(folder, "--shard-size", 10, into=f"memory://{tmp_path.name}/again")

    assert (code, n_refused) == (5, 3)


def test_a_store_that_is_full_is_one_line(
    folder: Path,
    batch: Batch,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    memory = type(pytest.importorskip("fsspec").filesystem("memory"))

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("507 Insufficient Storage")

    monkeypatch.setattr(memory, "pipe_file", refuse)

    code = batch(folder, into="memory://full/out")

    told = [line for line in capsys.readouterr().err.splitlines() if "hint" not in line]
    assert code == 3
    assert len(told) == 1
    assert "could not be written (507 Insufficient Storage)" in told[0]


def test_inputs_that_are_not_there_are_one_line(
    batch: Batch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = batch(tmp_path / "{0..2}.tar")

    assert code == 3
    assert "0.tar: no such file or object" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


KILLED = """
import os, signal, sys
from clipcli.cli import app
replace, n = os.replace, 0
def kill(source, target):
    global n
    if "part-" in str(target):
        n += 1
        if n == 2:
            os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)
os.replace = kill
app.run(sys.argv[1:])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_kill_between_write_and_rename_leaves_nothing_half_done(
    contents: dict[str, bytes], make_tar: MakeTar, tmp_path: Path
) -> None:
    tar, into = make_tar("a.tar", contents), tmp_path / "out"
    arguments = ["batch", "classify", str(tar), "--labels", "red, green, blue", "--into", str(into)]
    arguments += ["--shard-size", "5", "--max-skipped", "10%"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}

    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *arguments], env=environment, check=False
    )
    n_before = len(parts_of(into))
    waiting = list((into / "_tmp").iterdir())
    again = subprocess.run(
        [sys.executable, "-m", "clipcli", *arguments], env=environment, check=False
    )

    keys = [row["path"].rpartition("::")[2] for row in rows_of(*parts_of(into))]
    assert (killed.returncode, again.returncode) == (-9, 5)
    assert (n_before, len(waiting)) == (1, 1)
    assert keys == list(contents)
    assert list((into / "_tmp").iterdir()) == []


def test_a_worker_with_another_model_of_that_name_is_refused(
    folder: Path,
    batch: Batch,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def become_another(self: Worker, *_: Any) -> None:
        monkeypatch.setattr(
            "clipcli.encoder.encoder.load_encoder", lambda *_: FakeEncoder(fingerprint="a" * 64)
        )

    monkeypatch.setattr("clipcli.workflows.fleet.runner.InlineRunner.start", become_another)

    code = batch(folder)

    assert code == 4
    assert "another model of this name" in capsys.readouterr().err
