"""Patterns (``photos/*.jpg``) that the shell left for us to expand.

Written out rather than taken from ``glob``, whose ``**`` follows symlinked folders, round and
round where they point upwards.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator
from pathlib import Path

from clipcli.images.files import join
from clipcli.images.order import natural_sort

_MAGIC = re.compile(r"[*?[]")
_SEPARATORS = re.compile(r"[/\\]" if os.sep == "\\" else "/")


def is_pattern(argument: str) -> bool:
    """Say whether the argument has a wildcard in it."""
    return bool(_MAGIC.search(argument))


def expand(pattern: str) -> list[str]:
    """Return the paths that match, sorted; hidden ones only where the pattern's part has a dot."""
    drive, rest = os.path.splitdrive(pattern)
    root = drive + re.match(r"[/\\]*" if os.sep == "\\" else "/*", rest)[0]  # type: ignore[index]
    parts = [part for part in _SEPARATORS.split(rest) if part]
    return natural_sort(dict.fromkeys(_expand(root, parts)))


def _expand(base: str, parts: list[str]) -> Iterator[str]:
    if not parts:
        yield base
        return
    part, later = parts[0], parts[1:]
    if part == "**":
        yield from _expand_deep(base, later)
    elif not is_pattern(part):
        path = join(base, part)
        if os.path.lexists(path):
            yield from _expand(path, later)
    else:
        for name in _names(base):
            if fnmatch.fnmatch(name, part) and (part.startswith(".") or not name.startswith(".")):
                yield from _expand(join(base, name), later)


def _expand_deep(base: str, later: list[str]) -> Iterator[str]:
    """``**`` is no folder or any depth of folders; symlinked ones are not entered."""
    yield from _expand(base, later or ["*"])
    for name in _names(base):
        path = join(base, name)
        if not name.startswith(".") and Path(path).is_dir() and not Path(path).is_symlink():
            yield from _expand_deep(path, later)


def _names(folder: str) -> list[str]:
    try:
        with os.scandir(folder or os.curdir) as entries:
            return [entry.name for entry in entries]
    except OSError:  # not a folder, or not ours to read: nothing in it matches
        return []
