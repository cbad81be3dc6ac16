"""What is noted of a pulled model: where its files lie, and their hashes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast, get_args

from clipcli.errors import ModelError
from clipcli.models.config import Activation

POINTER_NAME = "pulled.json"
INDEX_ENDING = ".index.json"
WEIGHTS_ENDINGS = (INDEX_ENDING, ".safetensors", ".bin", ".pt")
FORMAT = 1  # goes up when an older clipcli could misread the file


@dataclass(frozen=True, slots=True)
class PulledFile:
    """A file of a pulled model, as it was when it came."""

    name: str
    n_bytes: int
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
    told = {"format": FORMAT, **asdict(pointer), "path": str(pointer.path)}
    path.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8", newline="\n")


def read_pointer(path: Path) -> Pointer:
    """Read a pointer file.

    Raises
    ------
    ModelError
        If it is not what :func:`write_pointer` wrote.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if told.pop("format") != FORMAT:
            raise ValueError("format")
        return _pointer(told)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{path}: damaged", hint=f"`clipcli models pull {path.parent.name}` writes it anew"
        ) from error


def _pointer(told: dict[str, Any]) -> Pointer:
    files = tuple(
        PulledFile(str(file["name"]), int(file["n_bytes"]), str(file["sha256"]))
        for file in told["files"]
    )
    activation = told["activation"]
    if not files:
        raise ValueError("files")
    if activation is not None and activation not in get_args(Activation):
        raise ValueError("activation")
    return Pointer(
        name=str(told["name"]),
        repository=str(told["repository"]),
        revision=str(told["revision"]),
        path=Path(told["path"]),
        files=files,
        fingerprint=str(told["fingerprint"]),
        licence=str(told["licence"]),
        activation=cast("Activation | None", activation),
    )
