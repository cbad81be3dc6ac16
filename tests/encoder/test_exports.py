"""Exports in the cache folder: used while they are whole, made again when they are not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from clipcli.encoder import exports
from clipcli.encoder.comparison import COMPARISON_NAME, Comparison
from clipcli.encoder.exports import ONNX, SEAL_NAME, Target, is_ready, obtain
from clipcli.models.open import open_model
from clipcli.models.source import ModelSource

GRAPH, WEIGHTS = b"a graph", bytes(range(256)) * 40
Damage = Callable[[Path], object]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return where exports are written to, in the place of the process that takes a while."""
    folders: list[Path] = []

    def run(source: ModelSource, target: Target, precision: str, folder: Path, rival: str) -> None:
        comparison = Comparison(1.0, 1.0, 16, 16)
        (folder / "image.onnx").write_bytes(GRAPH)
        (folder / "weights.bin").write_bytes(WEIGHTS)
        (folder / COMPARISON_NAME).write_text(json.dumps(asdict(comparison)), encoding="utf-8")
        folders.append(folder)

    monkeypatch.setattr(exports, "_run", run)
    return folders


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def spoil_notes(folder: Path) -> None:
    for name in (SEAL_NAME, COMPARISON_NAME):
        (folder / name).write_bytes(b"[" * 1000)


DAMAGES: dict[str, Damage] = {
    "one bit of the weights": lambda folder: flip(folder / "weights.bin"),
    "half a graph": lambda folder: (folder / "image.onnx").write_bytes(GRAPH[:3]),
    "no weights": lambda folder: (folder / "weights.bin").unlink(),
    "no hashes": lambda folder: (folder / SEAL_NAME).unlink(),
    "notes that are none": spoil_notes,
    "another file": lambda folder: (folder / "more.bin").write_bytes(b"more"),
    "nothing in it": lambda folder: [path.unlink() for path in folder.iterdir()],
    "gone": shutil.rmtree,
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_export_is_made_again(
    name: str, tiny_model_folder: Path, runs: list[Path]
) -> None:
    source = open_model(tiny_model_folder)
    folder = obtain(source, ONNX, "fp32").folder
    assert obtain(source, ONNX, "fp32").folder == folder
    assert len(runs) == 1

    DAMAGES[name](folder)

    assert not is_ready(source, ONNX, "fp32")
    again = obtain(source, ONNX, "fp32")
    assert len(runs) == 2
    assert (again.folder / "image.onnx").read_bytes() == GRAPH
    assert (again.folder / "weights.bin").read_bytes() == WEIGHTS
    assert is_ready(source, ONNX, "fp32")


def test_what_an_engine_notes_for_itself_is_no_damage(
    tiny_model_folder: Path, runs: list[Path]
) -> None:
    source = open_model(tiny_model_folder)
    folder = obtain(source, ONNX, "fp32").folder

    (folder / "compiled").mkdir()
    (folder / "compiled" / "blob").write_bytes(b"fast")

    assert obtain(source, ONNX, "fp32").folder == folder
    assert len(runs) == 1
