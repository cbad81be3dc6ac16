"""The cache on its way out: as rows, and as JSON data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clipcli.cache.upkeep import Contents, Held

FINGERPRINT_CHARACTERS = 12


def table(folder: Path, contents: Contents, limit_bytes: int) -> list[tuple[str, ...]]:
    """One row a fact, one a model: what, how many, how large."""
    size = f"{_size(contents.images_bytes)} of {_size(limit_bytes)}"
    rows: list[tuple[str, ...]] = [
        ("folder", str(folder), ""),
        ("pictures", f"{sum(held.n_entries for held in contents.images):,}", size),
    ]
    rows += [_held_row(held) for held in contents.images]
    rows.append(("labels", f"{contents.n_texts:,}", _size(contents.texts_bytes)))
    if contents.n_exports:
        rows.append(("exports", f"{contents.n_exports:,}", _size(contents.exports_bytes)))
    return rows


def data(folder: Path, contents: Contents, limit_bytes: int) -> dict[str, Any]:
    """Return it all as JSON data."""
    return {
        "folder": str(folder),
        "pictures": {
            "entries": sum(held.n_entries for held in contents.images),
            "bytes": contents.images_bytes,
            "limit_bytes": limit_bytes,
            "held": [
                {
                    "model": held.model or None,
                    "fingerprint": held.fingerprint or None,
                    "precision": held.precision or None,
                    "exact": held.exact,
                    "entries": held.n_entries,
                    "bytes": held.n_bytes,
                }
                for held in contents.images
            ],
        },
        "labels": {"entries": contents.n_texts, "bytes": contents.texts_bytes},
        "exports": {"entries": contents.n_exports, "bytes": contents.exports_bytes},
    }


def _held_row(held: Held) -> tuple[str, str, str]:
    how = " exact" if held.exact else ""
    if not held.fingerprint:
        name = f"  skipped files{how}"
    else:
        name = f"  {held.model} {held.fingerprint[:FINGERPRINT_CHARACTERS]} {held.precision}{how}"
    return name, f"{held.n_entries:,}", _size(held.n_bytes)


def _size(n_bytes: int) -> str:
    for unit, one in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if n_bytes >= one:
            return f"{n_bytes / one:.3g} {unit}"
    return f"{n_bytes} B"
