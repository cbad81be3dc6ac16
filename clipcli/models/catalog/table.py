"""Turning the catalogue's tables into rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType
from typing import cast

from clipcli.models.catalog import data
from clipcli.models.catalog.architectures import N_PARAMETERS, SHAPES
from clipcli.models.catalog.entry import CatalogEntry
from clipcli.models.config import Activation, Architecture, Preprocessing

HALF = (0.5, 0.5, 0.5)
TOKENIZER_FILES = ("merges.txt", "vocab.json")
TINYCLIP_FILES = ("config.json", "preprocessor_config.json", "model.safetensors", "tokenizer.json")
HASH = re.compile(r"(https\S+)|(\S+)\s+(\S+)\s+([0-9a-f]{64})\b")


def read_catalog() -> tuple[CatalogEntry, ...]:
    """Return all rows, families together, in the order of the tables."""
    return tuple(_with_hashes([*_clips(), *_tinyclips(), *_siglips()]))


def _clips() -> Iterator[CatalogEntry]:
    for family, table in data.CLIPS.items():
        for name, repository, top1, activation in _lines(table):
            yield _clip(family, name, repository, float(top1), cast("Activation", activation))


def _clip(
    family: str, name: str, repository: str, top1: float, activation: Activation
) -> CatalogEntry:
    shape, tag = name.split(".", 1)
    architecture = SHAPES[shape]
    assert isinstance(architecture, Architecture)
    preprocessing = Preprocessing(architecture.image.image_size)
    if name in data.SQUASHED:
        preprocessing = replace(preprocessing, resize_mode="squash")
    if name in data.HALF_NORMALISED:
        preprocessing = replace(preprocessing, mean=HALF, std=HALF)
    # OpenCLIP has a second name for each model whose activation is QuickGELU.
    other = [f"{shape}-quickgelu/{tag}"] if activation == "quick_gelu" else []
    weights = data.FILES.get(name)
    return CatalogEntry(
        name=name,
        aliases=(
            *data.OTHER_NAMES.get(name, "").split(),
            *other,
            repository,
            repository.split("/")[1],
        ),
        family=family,
        architecture=replace(architecture, activation=activation),
        preprocessing=preprocessing,
        n_parameters=N_PARAMETERS[shape],
        licence=data.OTHER_LICENCES.get(name, data.LICENCES[family]).strip("-"),
        repository=repository,
        layout="openclip",
        files=("open_clip_config.json", weights, *TOKENIZER_FILES) if weights else (),
        imagenet_top1=top1,
        imagenet_source=data.OTHER_SOURCES.get(name, data.OPENCLIP_SOURCE),
    )


def _tinyclips() -> Iterator[CatalogEntry]:
    for shape, trained_on, top1 in _lines(data.TINYCLIPS):
        size = SHAPES[shape].image.image_size
        name = f"{shape}-{trained_on}"
        yield CatalogEntry(
            name=name,
            aliases=(f"wkcn/{name}",),
            family="TinyCLIP",
            architecture=SHAPES[shape],
            preprocessing=Preprocessing(size, crop_rounding="floor"),
            n_parameters=N_PARAMETERS[shape],
            licence=data.LICENCES["TinyCLIP"],
            repository=f"wkcn/{name}",
            layout="huggingface",
            files=TINYCLIP_FILES,
            imagenet_top1=float(top1),
            imagenet_source=data.TINYCLIP_SOURCE,
        )


def _siglips() -> Iterator[CatalogEntry]:
    for name, top1, openclip in _lines(data.SIGLIPS):
        is_second = name.startswith("siglip2-")
        family = "SigLIP 2" if is_second else "SigLIP"
        yield CatalogEntry(
            name=name,
            aliases=(f"google/{name}", openclip, f"{openclip}/webli", f"timm/{openclip}"),
            family=family,
            architecture=SHAPES[name],
            preprocessing=Preprocessing(
                size=SHAPES[name].image.image_size,
                resize_mode="squash",
                # ``resample`` in their preprocessor_config.json: 2 is bilinear, 3 is bicubic.
                interpolation="bilinear" if is_second else "bicubic",
                crop_rounding="floor",
                mean=HALF,
                std=HALF,
            ),
            n_parameters=N_PARAMETERS[name],
            licence=data.LICENCES[family],
            repository=f"google/{name}",
            layout="huggingface",
            imagenet_top1=float(top1),
            imagenet_source=data.SIGLIP2_SOURCE if is_second else data.OPENCLIP_SOURCE,
        )


def _with_hashes(entries: list[CatalogEntry]) -> Iterator[CatalogEntry]:
    source, hashes = "", {}
    for url, name, file, digest in HASH.findall(data.HASHES):
        source = url or source
        if not url:
            hashes[name] = (source, {file: digest})
    for entry in entries:
        source, digests = hashes.pop(entry.name, ("", {}))
        yield replace(entry, sha256=MappingProxyType(digests), sha256_source=source)
    assert not hashes, f"digests of no model: {', '.join(hashes)}"


def _lines(table: str) -> Iterator[list[str]]:
    return (line.split() for line in table.splitlines() if line.strip())
