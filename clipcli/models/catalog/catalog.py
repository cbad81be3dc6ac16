"""The catalogue: finding a published model by any of its names.

People type what they know from elsewhere: ``ViT-B/32``, ``ViT-B-32``, OpenCLIP's pair
``ViT-B-32/laion2b_s34b_b79k``, or the hub's ``openai/clip-vit-base-patch32`` with or without a
prefix such as ``hf-hub:``. All of them mean one row.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Mapping

from clipcli.models.catalog.entry import CatalogEntry
from clipcli.models.catalog.table import read_catalog

__all__ = ["CATALOG", "CatalogEntry", "find_by_sha256", "find_entry", "suggest"]

CATALOG: tuple[CatalogEntry, ...] = read_catalog()

PREFIX = re.compile(r"(hf-hub:|hf:|https?:|/+|(www\.)?huggingface\.co/|hf\.co/)+")
SEPARATORS = re.compile(r"[\s/\\:@,._-]+")


def find_entry(name: str) -> CatalogEntry | None:
    """Return the model that a name means, or None.

    Examples
    --------
    >>> entry = find_entry("hf-hub:laion/CLIP-ViT-B-32-laion2B-s34B-b79K")
    >>> entry.name
    'ViT-B-32.laion2b_s34b_b79k'
    >>> find_entry("ViT-B-32/laion2b_s34b_b79k") is entry
    True
    """
    return _entries_by_key().get(normalise(name))


def find_by_sha256(digest: str) -> CatalogEntry | None:
    """Return the model one of whose files has this sha256, or None."""
    wanted = digest.lower()
    return next((entry for entry in CATALOG if wanted in entry.sha256.values()), None)


def suggest(name: str, n: int = 3) -> list[str]:
    """Return the names of models that may have been meant, likely ones first.

    Examples
    --------
    >>> suggest("ViT-B/23", n=1)
    ['ViT-B-32.openai']
    """
    key = normalise(name)
    known = _entries_by_key()
    keys = [other for other in known if key and key in other]
    keys += difflib.get_close_matches(key, known, n=4 * n, cutoff=0.6)
    return list(dict.fromkeys(known[other].name for other in keys))[:n]


def normalise(name: str) -> str:
    """Return what is left of a name when spelling is not looked at."""
    text = name.strip().casefold()
    prefix = PREFIX.match(text)
    return SEPARATORS.sub("-", text[prefix.end() :] if prefix else text).strip("-")


@functools.cache
def _entries_by_key() -> Mapping[str, CatalogEntry]:
    return {normalise(name): entry for entry in CATALOG for name in (entry.name, *entry.aliases)}
