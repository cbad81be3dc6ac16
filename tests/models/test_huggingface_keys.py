"""Every tensor of the published models has its place in ours, by the golden lists of keys."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clipcli.models.catalog.catalog import catalog
from clipcli.models.catalog.entry import CatalogEntry
from clipcli.models.config import Architecture, SiglipArchitecture
from clipcli.models.formats.huggingface_keys import huggingface_clip, huggingface_siglip

GOLDEN = Path(__file__).parents[1] / "golden" / "catalog"


def golden_names(path: Path) -> list[str]:
    """Return a list's names; ``layers.{0..11}`` stands for twelve of them."""
    names = []
    for line in path.read_text(encoding="utf-8").splitlines():
        name = line.split(" ")[0]
        if found := re.search(r"\{(\d+)\.\.(\d+)\}", name):
            numbers = range(int(found[1]), int(found[2]) + 1)
            names += [name.replace(found[0], str(number)) for number in numbers]
        else:
            names.append(name)
    return names


def lists_of(entry: CatalogEntry) -> list[Path]:
    names = (entry.name, *entry.aliases)
    return [GOLDEN / f"{n}.txt" for n in names if "/" not in n and (GOLDEN / f"{n}.txt").exists()]


ENTRIES = [entry for entry in catalog() if lists_of(entry)]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_names_cover_the_published_model(entry: CatalogEntry) -> None:
    theirs = golden_names(lists_of(entry)[0])
    if not any(name.startswith("vision_model.") for name in theirs):
        pytest.skip("a list in OpenAI's layout, which is ours")

    if isinstance(entry.architecture, SiglipArchitecture):
        wanted = huggingface_siglip(entry.architecture)
    else:
        assert isinstance(entry.architecture, Architecture)
        wanted = huggingface_clip(entry.architecture)

    assert sorted(name for want in wanted.values() for name in want.names) == sorted(theirs)
