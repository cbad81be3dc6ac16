"""``clipcli batch locate``: the boxes of ``locate``, whatever the pictures lie in."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from clipcli.cli.app import run
from tests.conftest import ROOT
from tests.encoder.torch.locators.glip_weights import architecture, released, weights
from tests.encoder.torch.locators.test_glip_runner import WORDS
from tests.workflows.fleet.conftest import document, parts_of, rows_of

MakeTar = Callable[..., Path]
LABELS = ("--labels", "dog, grass", "--min-score", "0.2")


@pytest.fixture
def glip(tmp_path: Path) -> Path:
    """Return the folder of a small model that locates, badly."""
    folder = tmp_path / "glip"
    folder.mkdir()
    torch.save(released(weights(architecture(is_fused=True))), folder / "glip_small.pth")
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def strips() -> dict[str, bytes]:
    """Return long pictures, which the model looks at quickly; one is broken."""
    rng, found = np.random.default_rng(0), {}
    for i in range(5):
        buffer = io.BytesIO()
        pixels = rng.integers(0, 256, (24, 400, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(buffer, "PNG")
        found[f"{i}.png"] = buffer.getvalue()
    found["3.png"] = found["3.png"][:60]
    return found


@pytest.fixture
def folder_of_strips(tmp_path: Path, strips: dict[str, bytes]) -> Path:
    path = tmp_path / "strips"
    path.mkdir()
    for name, data in strips.items():
        (path / name).write_bytes(data)
    return path


def records(path: Path) -> list[dict[str, Any]]:
    """Return records as rows have them: what is not in a record is null."""
    keys = ("path", "path_bytes", "status", "reason", "width", "height", "method", "boxes")
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [dict.fromkeys(keys) | json.loads(line) for line in lines]
    for one in found:
        if one["boxes"] is not None:
            one["boxes"] = [{"span": None, **box} for box in one["boxes"]]
    return found


def batch_locate(*arguments: object) -> int:
    return run(["batch", "locate", *map(str, arguments), "--max-skipped", "50%"])


def test_boxes_are_those_of_locate_whatever_pictures_lie_in(
    glip: Path,
    strips: dict[str, bytes],
    folder_of_strips: Path,
    make_tar: MakeTar,
    tmp_path: Path,
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    tar, table, listed = make_tar("a.tar", strips), tmp_path / "a.parquet", tmp_path / "list.txt"
    columns = pa.table({"image": list(strips.values()), "key": list(strips)})
    pq.write_table(columns, table, row_group_size=2)
    listed.write_text("\n".join(f"{folder_of_strips}/{i}.png" for i in (4, 3, 0)), "utf-8")
    more = (*LABELS, "--model", glip)
    sources = [(folder_of_strips,), (tar,), (table,), (listed, "--source", "list")]

    for i, source in enumerate(sources):
        into, plain = tmp_path / f"out{i}", tmp_path / f"{i}.jsonl"
        of_plain = ("--from-file", listed) if len(source) > 1 else source
        code = batch_locate(*source, *more, "--into", into, "--shard-size", 2)
        assert run(["locate", *map(str, of_plain), *map(str, more), "-o", str(plain)]) == 5

        rows = rows_of(*parts_of(into))
        assert code == 5
        assert rows == records(plain)
        assert len(parts_of(into)) > 1
        assert sum(len(row["boxes"] or ()) for row in rows) > 0


def test_a_sentence_has_its_phrases_and_their_places(
    glip: Path, folder_of_strips: Path, tmp_path: Path
) -> None:
    into, plain = tmp_path / "out", tmp_path / "plain.jsonl"
    more = ("--text", "a dog. red grass", "--min-score", "0.2", "--model", glip)

    batch_locate(folder_of_strips, *more, "--into", into)
    run(["locate", str(folder_of_strips), *map(str, more), "-o", str(plain)])

    assert rows_of(*parts_of(into)) == records(plain)


@pytest.mark.parametrize(("method", "options"), [("small", ()), ("coarse", ("--coarse",))])
def test_the_bundled_model_needs_no_other(
    method: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    photo, into, plain = ROOT / "examples/photos/panda.jpg", tmp_path / "out", tmp_path / "p.jsonl"
    more = ("--labels", "black and white bear | panda, rocket", *options)

    code = batch_locate(photo, *more, "--into", into)
    run(["locate", str(photo), *more, "-o", str(plain)])

    [row] = rows_of(*parts_of(into))
    assert code == 0
    assert [row] == records(plain)
    assert (row["method"], row["boxes"][0]["label"]) == (method, "black and white bear")


def test_a_run_goes_on_and_another_question_is_another_plan(
    glip: Path, folder_of_strips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    into = tmp_path / "out"
    asked = (folder_of_strips, "--model", glip, "--into", into, "--shard-size", 2)
    batch_locate(*asked, *LABELS)
    part = parts_of(into)[1]
    before = part.read_bytes()
    part.unlink()
    (into / "_SUCCESS").unlink()
    capsys.readouterr()

    again = batch_locate(*asked, *LABELS)
    told = capsys.readouterr().err
    other = batch_locate(*asked, "--labels", "dog, sky")

    assert (again, other) == (5, 2)
    assert "2 shards of 3 had been done before" in told
    assert part.read_bytes() == before
    assert document(into / "_SUCCESS")["rows"] == 5
    assert "options.phrases was" in capsys.readouterr().err


def test_a_plan_is_made_without_writing_and_something_has_to_be_named(
    glip: Path, folder_of_strips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    into = tmp_path / "out"
    asked = (folder_of_strips, "--model", glip, "--into", into)

    codes = (batch_locate(*asked, *LABELS, "--plan"), batch_locate(*asked))

    told = capsys.readouterr()
    assert codes == (0, 2)
    assert "5 inputs left" in told.out
    assert "nothing was named to be located" in told.err
    assert not into.exists()


def test_boxes_are_no_results_of_classify(
    glip: Path, folder_of_strips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    into = tmp_path / "out"
    batch_locate(folder_of_strips, "--model", glip, *LABELS, "--into", into)
    capsys.readouterr()

    codes = [run([command, str(into), *more]) for command, *more in (("eval",), ("audit",))]

    told = capsys.readouterr().err.splitlines()
    assert codes == [3, 3]
    assert "holds boxes, of batch locate, and not results" in told[0]
    assert "holds boxes, of batch locate, and not vectors" in told[2]


def test_locate_reads_archives_but_draws_on_files_alone(
    glip: Path, strips: dict[str, bytes], make_tar: MakeTar, capsys: pytest.CaptureFixture[str]
) -> None:
    tar = make_tar("a.tar", strips)
    asked = ["locate", str(tar), *LABELS, "--model", str(glip)]

    codes = (run([*asked, "--format", "jsonl"]), run([*asked, "-o", "page.html"]))

    told = capsys.readouterr()
    assert codes == (5, 2)
    assert len(told.out.splitlines()) == 5
    assert "unpack or download it first" in told.err
