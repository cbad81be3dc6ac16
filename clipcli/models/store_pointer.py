"""What is noted of a pulled model: where its files lie, and their hashes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from clipcli.errors import ModelError
from clipcli.models.config import Activation
from clipcli.strict_json import Bounds, read_json
from clipcli.strict_records import Between, ReadingRules, read_record

INDEX_ENDING = ".index.json"
WEIGHTS_ENDINGS = (INDEX_ENDING, ".safetensors", ".bin", ".pt")
BOUNDS = Bounds(n_bytes=1024**2, with_path_bytes=True)
LOCATOR = "locator"
FORMAT = 1  # goes up when an older clipcli could misread the file


@dataclass(frozen=True, slots=True)
class PulledFile:
    """A file of a pulled model, as it was when it came."""

    name: str
    n_bytes: Annotated[int, Between(0, 2**63)]
    sha256: str


@dataclass(frozen=True, slots=True)
class Pointer:
    """A pulled model: a folder in the hub's cache that belongs to the hub's own library."""

    name: str
    repository: str  # ``owner/name``
    revision: str  # the commit
    path: Path
    files: tuple[PulledFile, ...]
    fingerprint: str
    licence: str = ""
    activation: Activation | None = None
    kind: str = ""  # :data:`LOCATOR`, or empty: a CLIP model
    vocabulary: str = ""  # a file elsewhere in the hub's cache, where the repository has none

    @property
    def locator_path(self) -> Path:
        """Return what a model that locates is opened by: its folder, or its one file."""
        return self.path / self.files[0].name if self.vocabulary else self.path

    @property
    def is_sensible(self) -> bool:
        """Whether there are files, each of them in the folder."""
        names = [file.name for file in self.files]
        return bool(names) and all(
            name not in ("", ".", "..") and not set(name) & set("/\\:\0") for name in names
        )

    @property
    def weights_path(self) -> Path:
        """The weights, or the index of their shards.

        A model is opened by them and not by its folder, into which other programs may put other
        layouts of the same model.
        """
        names = [file.name for file in self.files]
        weights = [name for ending in WEIGHTS_ENDINGS for name in names if name.endswith(ending)]
        return self.path / (weights or names)[0]


def write_pointer(pointer: Pointer, path: Path) -> None:
    """Write a pointer file."""
    data = {"format": FORMAT, **asdict(pointer), "path": str(pointer.path)}
    for key in ("kind", "vocabulary"):  # an older clipcli reads what it knows
        if not data[key]:
            del data[key]
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8", newline="\n")


def read_pointer(path: Path) -> Pointer:
    """Read a pointer file.

    Raises
    ------
    ModelError
        If it is not what :func:`write_pointer` wrote.
    """
    rules = ReadingRules(str(path), ModelError)
    try:
        data = read_json(path, ModelError, BOUNDS)
        is_ours = isinstance(data, dict) and data.pop("format", None) == FORMAT
        # Pointers to CLIP models have no such keys, and those of earlier versions neither.
        known = {"kind": "", "vocabulary": ""} | (data if is_ours else {})
        pointer = read_record(known, Pointer, rules) if is_ours else None
    except ModelError as error:
        if isinstance(error.__cause__, OSError):
            raise
        raise _damaged(path) from error
    if pointer is None or not pointer.is_sensible:
        raise _damaged(path)
    return pointer


def _damaged(path: Path) -> ModelError:
    return ModelError(
        f"{path}: damaged", hint=f"`clipcli models pull {path.parent.name}` writes it anew"
    )
