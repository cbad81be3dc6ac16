"""Packing: pictures on disk are decoded once, into one array.

Training reads each picture many times; decoding them again in every epoch would take longer than
the network does.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from clipcli.errors import ImageError, InputError, OutputError
from clipcli.files import write_atomically
from clipcli.images.load import load_pixels
from clipcli.models.config import Preprocessing
from clipcli.strict_json import read_json
from clipcli.training.data.packed import COLUMNS, NAME, Pairs, Pixels, is_packed, open_packed
from clipcli.training.data.pair import Pair
from clipcli.training.log import Say

KEY_NAME = "packed.json"
CHUNK = 256  # pictures that are decoded ahead


def pack(pairs: Sequence[Pair], preprocessing: Preprocessing, folder: Path, say: Say) -> Pairs:
    """Decode all pairs into ``folder``, unless it holds the same ones already, and open it.

    Raises
    ------
    InputError
        If not one picture can be decoded.
    OutputError
        If the folder cannot be written.
    """
    key = _key(pairs, preprocessing)
    if not _holds(folder, key):
        size_mb = len(pairs) * preprocessing.size**2 * 3 / 1e6
        say(
            f"packing {len(pairs):,} pictures at {preprocessing.size} px into {folder}: "
            f"{size_mb:,.0f} MB"
        )
        try:
            _write(pairs, preprocessing, folder, key, say)
        except OSError as error:
            raise OutputError(f"{folder}: {error.strerror or error}") from error
    return open_packed(folder)


def _key(pairs: Sequence[Pair], preprocessing: Preprocessing) -> str:
    """Return what changes when a picture, a caption or the size does."""
    digest = hashlib.sha256(repr(preprocessing).encode())
    statuses: dict[Path, os.stat_result] = {}
    for pair in pairs:
        status = statuses.get(pair.path) or pair.path.stat()
        statuses[pair.path] = status  # a tar is many pairs'
        facts = (pair.title, pair.captions, pair.is_name, pair.source)
        row = (*facts, status.st_size, status.st_mtime_ns)
        digest.update(json.dumps(row).encode("ascii"))
    return digest.hexdigest()


def _holds(folder: Path, key: str) -> bool:
    try:
        known = read_json(folder / KEY_NAME, InputError)
    except InputError:
        return False
    return known == {"key": key} and is_packed(folder)


def _write(
    pairs: Sequence[Pair], preprocessing: Preprocessing, folder: Path, key: str, say: Say
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / KEY_NAME).unlink(missing_ok=True)
    side = preprocessing.size
    _check_room(folder, len(pairs) * side**2 * 3)
    array = np.lib.format.open_memmap(
        folder / "pictures.npy", mode="w+", dtype=np.uint8, shape=(len(pairs), side, side, 3)
    )
    kept: list[Pair] = []
    broken: list[str] = []
    for pair, pixels in _decoded(pairs, preprocessing):
        if isinstance(pixels, ImageError):
            broken.append(f"{pair.title} ({pixels.message})")
        else:
            array[len(kept)] = pixels
            kept.append(pair)
    array.flush()
    del array
    if not kept:
        raise InputError(f"not one of {len(pairs)} pictures can be decoded, first {broken[0]}")
    if broken:
        say(f"{len(broken)} of {len(pairs)} pictures left out, first {broken[0]}")
    _write_table(folder, kept)
    write_atomically(folder / KEY_NAME, json.dumps({"key": key}))


def _check_room(folder: Path, needed: int) -> None:
    """Refuse to begin what does not fit: a mapped file on a full disk ends the process."""
    old = folder / "pictures.npy"
    free = shutil.disk_usage(folder).free + (old.stat().st_size if old.exists() else 0)
    if free < needed:
        raise OutputError(
            f"{folder}: the packed pictures take {needed / 1e6:,.0f} MB, "
            f"there are {free / 1e6:,.0f} MB free",
            hint="free some space, or choose another --out",
        )


def _decoded(
    pairs: Sequence[Pair], preprocessing: Preprocessing
) -> Iterator[tuple[Pair, Pixels | ImageError]]:
    def decode(pair: Pair) -> Pixels | ImageError:
        try:
            source: Any = pair.content()  # what `decode` takes, `load_pixels` hands on
            return load_pixels(source, preprocessing)
        except ImageError as error:
            return error

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for begin in range(0, len(pairs), CHUNK):
            chunk = pairs[begin : begin + CHUNK]
            yield from zip(chunk, pool.map(decode, chunk), strict=True)


def _write_table(folder: Path, pairs: Sequence[Pair]) -> None:
    lines = ["\t".join(COLUMNS)]
    for pair in pairs:
        # A path may hold tabs, and bytes that are no text; and a name what was typed.
        source, path = (json.dumps(text)[1:-1] for text in (pair.source, pair.title))
        captions = "|".join(caption.replace("|", "/") for caption in pair.captions)
        lines.append("\t".join((source, path, "", NAME if pair.is_name else "", captions, "")))
    write_atomically(folder / "pictures.tsv", "\n".join(lines) + "\n")
