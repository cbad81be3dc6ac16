"""A model folder's fingerprint: the hash of all that its vectors and scores depend on."""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from clipcli.errors import ModelError
from clipcli.files import open_regular
from clipcli.models.config import ModelConfig
from clipcli.models.config_file import canonical_numbers
from clipcli.models.formats.safetensors import CHUNK_BYTES, read_open, read_tensor_table
from clipcli.models.tokenizer.vocabulary import IDS_NAME
from clipcli.strict_json import read_json

SHIPPED_NAME = "shipped.json"


class ModelFolder(NamedTuple):
    """A model folder that is whole, as far as can be known without loading the weights."""

    path: Path
    config: ModelConfig
    weights_path: Path
    vocabulary_path: Path


def compute_fingerprint(folder: ModelFolder) -> str:
    """Return the sha256, in hex, of all that vectors and scores depend on.

    Weights, tokenizer and numeric configuration count; card, provenance and templates do not (the
    prompts themselves stand in every key where they matter). Reads the weights as a stream.
    """
    digest = hashlib.sha256(b"clipcli model 1\n")
    try:
        weights = folder.weights_path
        with open_regular(weights) as file:
            for name, place in sorted(read_tensor_table(weights).items()):
                entry = json.dumps([name, place.dtype, place.shape]).encode("ascii")
                _add(digest, entry, place.end - place.begin, read_open(weights, file, place))
        for path in (folder.vocabulary_path, folder.vocabulary_path.with_name(IDS_NAME)):
            if path.exists():
                _add(digest, path.name.encode("utf-8"), path.stat().st_size, _pieces(path))
    except OSError as error:
        raise ModelError(f"{folder.path}: {error.strerror or error}") from error
    numbers = canonical_numbers(folder.config)
    _add(digest, b"numbers", len(numbers), [numbers])
    return digest.hexdigest()


def shipped_fingerprint(folder: ModelFolder) -> str | None:
    """Return the fingerprint of the bundled model where its files are as they were shipped.

    Hashing all of a file at once lets go of the interpreter once. :func:`compute_fingerprint` does
    so for each tensor, and what another thread does meanwhile, imports above all, takes longer.
    """
    try:
        shipped = read_json(folder.path / SHIPPED_NAME, ModelError)
        if isinstance(shipped, dict) and shipped.get("files") == _hash_of_files(folder):
            return str(shipped["fingerprint"])
    except (ModelError, OSError, ValueError, KeyError):
        pass
    return None


def _hash_of_files(folder: ModelFolder) -> str:
    """Return one sha256, in hex, of what a fingerprint is made of."""
    digest = hashlib.sha256(b"clipcli bundled model\n")
    numbers = canonical_numbers(folder.config)
    _add(digest, b"numbers", len(numbers), [numbers])
    for path in (folder.vocabulary_path, folder.weights_path):
        with (
            open_regular(path) as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole,
        ):
            _add(digest, path.name.encode("utf-8"), len(whole), [whole])
    return digest.hexdigest()


def write_shipped(folder: ModelFolder) -> None:
    """Write down the fingerprint of what is, or will be, the bundled model, and its files' hash."""
    shipped = {"fingerprint": compute_fingerprint(folder), "files": _hash_of_files(folder)}
    (folder.path / SHIPPED_NAME).write_text(
        json.dumps(shipped) + "\n", encoding="utf-8", newline="\n"
    )


def _pieces(path: Path) -> Iterator[bytes]:
    with open_regular(path) as file:
        while piece := file.read(CHUNK_BYTES):
            yield piece


def _add(
    digest: hashlib._Hash, name: bytes, size: int, pieces: Iterable[bytes | mmap.mmap]
) -> None:
    """Hash one named part, with both lengths, so that no two lists of parts hash alike."""
    digest.update(f"{len(name)} {size}\n".encode("ascii") + name)
    for piece in pieces:
        digest.update(piece)
