"""The catalogue: finding a published model by any of its names.

People type what they know from elsewhere: ``ViT-B/32``, ``ViT-B-32``, OpenCLIP's pair
``ViT-B-32/laion2b_s34b_b79k``, or the hub's ``openai/clip-vit-base-patch32`` with or without a
prefix such as ``hf-hub:``. All of them mean one row of ``catalog.csv``.

Names, repositories, activations and preprocessing of what OpenCLIP can load are those of its
``src/open_clip/pretrained.py``; licences are the hub's tags. Figures that were not read in their
sources are left out, and so are models that clipcli cannot run: towers of other kinds, TinyCLIP's
automatically pruned ones (each layer has its own width), SigLIP 2's NaFlex, and SigLIP's so400m
"i18n" (no projection behind its text tower). For ViT-B-16.dfn2b OpenCLIP's code says QuickGELU
since 2024, but Apple's open_clip_config.json does not, and the accuracy was measured without.
"""

from __future__ import annotations

import difflib
import functools
import io
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from clipcli.errors import ModelError
from clipcli.files import read_text
from clipcli.models.catalog.architectures import N_PARAMETERS, SHAPES
from clipcli.models.catalog.entry import CatalogEntry
from clipcli.models.config import Activation, AnyArchitecture, Architecture, Preprocessing
from clipcli.strict_csv import read_named_rows

__all__ = ["CatalogEntry", "catalog", "find_by_sha256", "find_entry", "suggest"]

TABLE = Path(__file__).with_name("catalog.csv")
HALF = (0.5, 0.5, 0.5)  # mean and deviation that some take in place of OpenAI's
PREFIX = re.compile(r"(hf-hub:|hf:|https?:|/+|(www\.)?huggingface\.co/|hf\.co/)+")
SEPARATORS = re.compile(r"[\s/\\:@,._-]+")


@functools.cache
def catalog() -> tuple[CatalogEntry, ...]:
    """Return all models, families together."""
    lines = io.StringIO(read_text(TABLE, ModelError))
    return tuple(_entry(row) for _, row in read_named_rows(lines, is_strict=True))


def _entry(row: dict[str, str]) -> CatalogEntry:
    architecture = _architecture(row)
    half = {"mean": HALF, "std": HALF} if row["normalisation"] == "half" else {}
    return CatalogEntry(
        name=row["name"],
        aliases=tuple(row["aliases"].split()),
        family=row["family"],
        architecture=architecture,
        preprocessing=Preprocessing(
            size=architecture.image.image_size,
            resize_mode=cast("Any", row["resize_mode"]),
            interpolation=cast("Any", row["interpolation"]),
            crop_rounding=cast("Any", row["crop_rounding"]),
            **half,
        ),
        n_parameters=N_PARAMETERS[row["shape"]],
        licence=row["licence"],
        repository=row["repository"],
        layout=cast("Any", row["layout"]),
        files=tuple(row["files"].split()),
        # Files that the authors publish; on the hub lie the same weights in other files.
        sha256=MappingProxyType({row["hashed_file"]: row["sha256"]} if row["sha256"] else {}),
        sha256_source=row["sha256_source"],
        imagenet_top1=float(row["imagenet_top1"]),
        imagenet_source=row["imagenet_source"],
    )


def _architecture(row: dict[str, str]) -> AnyArchitecture:
    shape = SHAPES[row["shape"]]
    if isinstance(shape, Architecture):
        return replace(shape, activation=cast("Activation", row["activation"]))
    return shape


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
    return next((entry for entry in catalog() if wanted in entry.sha256.values()), None)


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
    return {normalise(name): entry for entry in catalog() for name in (entry.name, *entry.aliases)}
