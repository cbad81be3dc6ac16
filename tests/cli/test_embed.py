"""``clipcli embed``: every picture's unit vector, in files that anybody can read."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from clipcli import process
from clipcli.cli.app import run
from clipcli.errors import OutputError
from clipcli.output.parquet_rows import ParquetRows
from clipcli.output.vectors import VectorOutput
from clipcli.pipeline.classifier import Classifier
from clipcli.pipeline.embed import Embedded
from clipcli.pipeline.session import Session
from clipcli.results import Skipped
from tests.fakes import FakeEncoder

Embed = Callable[..., int]


@pytest.fixture
def embed(fake_model: FakeEncoder) -> Embed:
    return lambda *arguments: run(["embed", *map(str, arguments)])


@pytest.fixture
def mixed(pictures: Path) -> Path:
    (pictures / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    return pictures


def test_npz_has_paths_and_unit_vectors(embed: Embed, mixed: Path, tmp_path: Path) -> None:
    code = embed(mixed, "-o", tmp_path / "out.npz")

    assert code == 5
    with np.load(tmp_path / "out.npz", allow_pickle=False) as arrays:
        names = [Path(path).name for path in arrays["paths"]]
        vectors = arrays["vectors"]
        assert names == ["blue.png", "green.png", "red.png"]
        assert (vectors.shape, vectors.dtype) == ((3, 26), np.dtype("float32"))
        assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1], abs=1e-6)
        assert [Path(path).name for path in arrays["skipped_paths"]] == ["cut.jpg"]
        assert arrays["skipped_reasons"].tolist() == ["truncated JPEG"]
        told = json.loads(arrays["provenance"].item())
    assert told["counts"] == {"ok": 3, "skipped": 1, "ignored": 0}
    assert (told["model"], told["fingerprint"], told["error"]) == ("fake", "f" * 64, None)


@pytest.mark.usefixtures("fake_model")
@pytest.mark.parametrize(
    "command",
    [
        ("classify", "--labels", "red, blue"),
        ("search", "--query", "red"),
        ("audit",),
        ("dedup",),
    ],
)
def test_vectors_of_an_interrupted_run_are_said_to_be_some(
    command: tuple[str, ...],
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    tally = Session.tally

    def cut_short(self: Session, results: Iterable[Any], **more: Any) -> Iterator[Any]:
        yield from islice(tally(self, results, **more), 2)
        raise KeyboardInterrupt

    some, all_of_them = tmp_path / "some.parquet", tmp_path / "all.parquet"
    with monkeypatch.context() as patched:
        patched.setattr(Session, "tally", cut_short)
        assert run(["embed", str(pictures), "-o", str(some)]) == 130
    run(["embed", str(pictures), "-o", str(all_of_them)])
    capfd.readouterr()

    name, *more = command
    run([name, str(some), *more])
    said = capfd.readouterr().err
    run([name, str(all_of_them), *more])

    assert said.count(f"clipcli: {some} is not complete: interrupted\n") == 1
    assert "not complete" not in capfd.readouterr().err


def test_vectors_are_those_of_the_python_api(
    embed: Embed, fake_model: FakeEncoder, pictures: Path, tmp_path: Path
) -> None:
    embed(pictures, "-o", tmp_path / "out.npz")

    with np.load(tmp_path / "out.npz", allow_pickle=False) as arrays:
        expected = Classifier(["a", "b"], encoder=fake_model).encode_images(arrays["paths"])
        assert (arrays["vectors"] == expected).all()


def test_parquet_has_one_row_an_input_in_order(embed: Embed, mixed: Path, tmp_path: Path) -> None:
    embed(mixed, "-o", tmp_path / "out.parquet")

    table = pq.read_table(tmp_path / "out.parquet")
    assert table.column_names == ["path", "path_bytes", "status", "reason", "vector"]
    assert table["status"].to_pylist() == ["ok", "skipped", "ok", "ok"]
    assert table["reason"].to_pylist() == [None, "truncated JPEG", None, None]
    assert table["vector"].type.list_size == 26
    assert np.linalg.norm(table["vector"][0].as_py()) == pytest.approx(1, abs=1e-6)
    assert table["vector"][1].as_py() is None
    metadata = pq.read_metadata(tmp_path / "out.parquet").metadata
    assert json.loads(metadata[b"clipcli"])["counts"]["ok"] == 3


@pytest.mark.parametrize("ending", ["npz", "parquet"])
def test_an_early_end_leaves_a_whole_file_that_says_why(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"out.{ending}"
    output = VectorOutput(path, 2, overwrite=False)
    output.write(Embedded("a.jpg", np.array([0.6, 0.8], np.float32)))
    output.write(Skipped("b.jpg", "empty file"))

    output.end_early({"error": "interrupted"})

    if ending == "npz":
        with np.load(path, allow_pickle=False) as arrays:
            assert arrays["vectors"].tolist() == [[pytest.approx(0.6), pytest.approx(0.8)]]
            assert json.loads(arrays["provenance"].item())["error"] == "interrupted"
    else:
        assert pq.read_table(path)["path"].to_pylist() == ["a.jpg", "b.jpg"]
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("ending", ["npz", "parquet"])
def test_an_end_before_the_first_picture_leaves_nothing(ending: str, tmp_path: Path) -> None:
    output = VectorOutput(tmp_path / f"out.{ending}", 2, overwrite=False)

    output.end_early({"error": "interrupted"})

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ["npz", "parquet"])
def test_many_vectors_fill_many_blocks(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipcli.output.vectors.ROWS_AT_ONCE", 7)
    rows = np.arange(100, dtype=np.float32).reshape(50, 2)
    path = tmp_path / f"out.{ending}"

    output = VectorOutput(path, 2, overwrite=False)
    for i, row in enumerate(rows):
        output.write(Embedded(f"{i}.jpg", row))
    output.finish({})

    if ending == "npz":
        with np.load(path, allow_pickle=False) as arrays:
            found = arrays["vectors"]
    else:
        found = np.array(pq.read_table(path)["vector"].to_pylist())
    assert (found == rows).all()


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("out.csv", 2, "end the name with .npz or .parquet"),
        ("out", 2, "nameless"),
        ("missing/out.npz", 3, "does not exist"),
    ],
)
def test_targets_that_cannot_be_are_told_first(
    name: str,
    code: int,
    words: str,
    embed: Embed,
    pictures: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    outcome = embed(pictures, "-o", tmp_path / name)

    assert outcome == code
    assert words in capfd.readouterr().err


def test_several_files_hold_the_same_vectors(
    embed: Embed, mixed: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    npz, parquet = tmp_path / "out.npz", tmp_path / "out.parquet"

    twice = embed(mixed, "-o", npz, "-o", tmp_path / "." / "out.npz")
    said = capfd.readouterr().err
    code = embed(mixed, "-o", npz, "-o", parquet)

    assert (twice, code) == (2, 5)
    assert "named twice as an output" in said
    rows = [row for row in pq.read_table(parquet).to_pylist() if row["status"] == "ok"]
    with np.load(npz, allow_pickle=False) as arrays:
        assert arrays["paths"].tolist() == [row["path"] for row in rows]
        assert arrays["vectors"].tolist() == [row["vector"] for row in rows]
    assert len(rows) == 3


def test_an_interrupt_while_files_are_begun_leaves_none(
    embed: Embed, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(ParquetRows):
        def __init__(self, *arguments: Any) -> None:
            process._knock(signal.SIGINT, None)
            super().__init__(*arguments)

    monkeypatch.setattr("clipcli.output.vectors.ParquetRows", Interrupted)
    out = tmp_path / "out"
    out.mkdir()

    assert embed(pictures, "-o", out / "a.npz", "-o", out / "b.parquet") == 130

    assert list(out.iterdir()) == []


def test_an_existing_file_is_refused_unless_told_otherwise(
    embed: Embed, pictures: Path, tmp_path: Path
) -> None:
    path = tmp_path / "out.npz"
    path.write_text("mine", encoding="utf-8")

    assert embed(pictures, "-o", path) == 2
    assert path.read_text("utf-8") == "mine"
    assert embed(pictures, "-o", path, "--overwrite") == 0
    assert path.read_bytes().startswith(b"PK")


def test_only_bad_inputs_are_an_error(embed: Embed, tmp_path: Path) -> None:
    assert embed("missing.jpg", "-o", tmp_path / "out.npz") == 3


@pytest.mark.parametrize("ending", ["npz", "parquet"])
def test_a_disk_that_fills_up_leaves_nothing(ending: str, tmp_path: Path) -> None:
    output = VectorOutput(tmp_path / f"out.{ending}", 2, overwrite=False)
    output.write(Embedded("a.jpg", np.array([0.6, 0.8], np.float32)))
    file = output._file._file  # type: ignore[union-attr]
    file.fail(OSError(28, "No space left on device"))

    with pytest.raises(OutputError, match="No space left on device"):
        output.finish({})

    assert list(tmp_path.iterdir()) == []
