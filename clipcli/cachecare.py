"""This file knows about looking after a cache folder: pictures, labels, fingerprints."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from clipcli.fingerprints import FOLDER as FINGERPRINTS
from clipcli.imagecache.upkeep import Held, clear_images, look_into, prune_images

TEXTS = "text"
DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class Contents:
    """What a cache folder holds."""

    images: tuple[Held, ...]
    images_bytes: int
    n_texts: int
    texts_bytes: int


def look(folder: Path) -> Contents:
    """Count what is in a cache folder; one that is not there is empty."""
    images, images_bytes = look_into(folder)
    sizes = [status.st_size for _, status in _files(folder / TEXTS)]
    return Contents(tuple(images), images_bytes, len(sizes), sum(sizes))


def clear(folder: Path) -> int:
    """Delete all that clipcli put there, and nothing else; return how many entries.

    The folder itself may be anybody's: ``CLIPCLI_CACHE`` names it.
    """
    n_gone = clear_images(folder)
    n_gone += sum(_remove(path) for path, _ in _files(folder / TEXTS))
    for path, _ in _files(folder / FINGERPRINTS):
        _remove(path)
    return n_gone


def prune(
    folder: Path,
    *,
    most_bytes: int | None = None,
    older_than_days: float | None = None,
    keep_models: Collection[str] | None = None,
) -> int:
    """Delete what was not used for long or is too much; return how many entries.

    Label rows do not tell when they were used, only when they were made; they are few and quickly
    made again, so they count first, and pictures get what they leave.
    """
    since = None if older_than_days is None else time.time() - older_than_days * DAY_S
    texts = sorted(_files(folder / TEXTS), key=lambda entry: entry[1].st_mtime, reverse=True)
    n_gone = total = 0
    for path, status in texts:  # the newest first
        total += status.st_size
        is_old = since is not None and status.st_mtime < since
        if is_old or (most_bytes is not None and total > most_bytes):
            n_gone += _remove(path)
            total -= status.st_size
    left = None if most_bytes is None else max(0, most_bytes - total)
    return n_gone + prune_images(
        folder, limit_bytes=left, unused_since=since, keep_models=keep_models
    )


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield the files under a folder that can be looked at; links are not followed."""
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            try:
                yield path, path.lstat()
            except OSError:
                continue


def _remove(path: Path) -> int:
    try:
        path.unlink()
    except OSError:  # another process was quicker, or it is not ours
        return 0
    return 1
