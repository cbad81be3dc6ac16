"""Clearing a cache folder: all of clipcli's files in it, and nobody else's."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from clipcli.cache import upkeep

TEXT, PRINT, EXPORT = "ab/" + "0" * 62, "1" * 64, "2" * 40
OURS = (
    f"text/{TEXT}",
    "text/ab/.new-x_y1",
    f"fingerprints/{PRINT}",
    "fingerprints/.new-abc",
    f"backends/{EXPORT}/image.onnx",
    f"backends/{EXPORT}/compiled/blob",
    "backends/.new-abcd/half",
    "engines.json",
    "advice.txt",
)
THEIRS = (
    "text/novel.txt",
    "text/ab/chapter.txt",
    f"text/drafts/{'0' * 62}",
    "fingerprints/suspects.csv",
    "backends/server.py",
    "backends/flask/app.py",
    "images/cat.jpg",
    "notes.txt",
)


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """Return a folder of somebody's that clipcli keeps its cache in as well."""
    for name in (*OURS, *THEIRS):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
        os.utime(path, (1, 1))  # long ago
    return tmp_path


def files(folder: Path) -> set[str]:
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return {name for name in found if "sqlite" not in name}


def test_clear_takes_clipclis_files_alone(shared: Path) -> None:
    upkeep.clear(shared)

    assert files(shared) == set(THEIRS)


def test_prune_takes_clipclis_old_labels_alone(shared: Path) -> None:
    new = shared / "text" / "cd" / ("3" * 62)
    new.parent.mkdir()
    new.write_bytes(b"new")

    upkeep.prune(shared, older_than_days=(time.time() - 1000) / 86400)

    assert files(shared) == {*THEIRS, *OURS[2:], "text/cd/" + "3" * 62}


def test_what_is_counted_is_clipclis(shared: Path) -> None:
    contents = upkeep.look(shared)

    assert (contents.n_texts, contents.texts_bytes) == (2, 10)
    assert (contents.n_exports, contents.exports_bytes) == (2, 15)


@pytest.mark.skipif(os.name == "nt", reason="links need rights")
def test_a_link_in_a_folders_place_is_not_followed(shared: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "ab").mkdir(parents=True)
    (elsewhere / TEXT).write_bytes(b"somebody's")
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "text").symlink_to(elsewhere, target_is_directory=True)

    upkeep.clear(folder)

    assert (elsewhere / TEXT).exists()
