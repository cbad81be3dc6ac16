"""Archives of small pictures, and what ``classify`` says of them."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from clipcli.cli.app import run

pytest.importorskip("pyarrow")


@pytest.fixture
def contents() -> dict[str, bytes]:
    """Return 23 small pictures of their own colours each, one of which is broken."""
    found = {}
    for i in range(23):
        buffer = io.BytesIO()
        Image.new("RGB", (9, 7), (i * 11, 250 - i * 10, (i * 53) % 256)).save(buffer, "PNG")
        found[f"{i:03}.png"] = buffer.getvalue()
    found["007.png"] = found["007.png"][:40]
    return found


@pytest.fixture
def make_tar(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a tar."""

    def make(name: str, members: dict[str, bytes], format: int = tarfile.GNU_FORMAT) -> Path:  # noqa: A002
        path = tmp_path / name
        with tarfile.open(path, "w", format=format) as tar:
            for key, data in members.items():
                member = tarfile.TarInfo(key)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        return path

    return make


@pytest.fixture
def folder(tmp_path: Path, contents: dict[str, bytes]) -> Path:
    """Return a folder with the pictures."""
    path = tmp_path / "folder"
    path.mkdir()
    for name, data in contents.items():
        (path / name).write_bytes(data)
    return path


def rows_of(*files: Path) -> list[dict[str, Any]]:
    """Return the rows of Parquet files, as JSON data."""
    import pyarrow.parquet as pq

    # Not as a data set: its reader would add columns for folders with "=" in their names.
    return [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]


def parts_of(into: Path) -> list[Path]:
    return sorted((into / "data").iterdir())


def document(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data


@pytest.fixture
def plain(tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """Return a function that gives the rows of plain ``classify``."""

    def rows(*arguments: object) -> list[dict[str, Any]]:
        target = tmp_path / "plain.parquet"
        labels = ("--labels", "red, green, blue", "--no-cache")
        code = run(["classify", *map(str, arguments), *labels, "-o", str(target), "--overwrite"])
        assert code in (0, 5)
        return rows_of(target)

    return rows


@pytest.fixture
def batch(tmp_path: Path) -> Callable[..., int]:
    """Return a function that runs ``clipcli batch classify`` in this process."""

    def call(*arguments: object, into: str | Path = tmp_path / "out", skipped: str = "100%") -> int:
        asked = ["batch", "classify", *map(str, arguments), "--labels", "red, green, blue"]
        more = ["--into", str(into), "--max-skipped", skipped]
        return run([*asked, *more])

    return call
