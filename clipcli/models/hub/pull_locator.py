"""Pulling a model that locates: its files, the vocabulary that some lack, and what is noted."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from clipcli.errors import ModelError
from clipcli.models.catalog.locators import VOCABULARY, LocatorEntry
from clipcli.models.hub.pull import HubModel, Say, fetch_chosen
from clipcli.models.locators.source import LocatorSource, open_locator
from clipcli.models.store import Installed, install_pointer, prepare_store
from clipcli.models.store_pointer import LOCATOR, Pointer


def pull_locator(
    entry: LocatorEntry, *, say: Say = lambda _: None, is_quiet: bool = False
) -> Installed:
    """Download what is missing of a model that locates, check it, and install a pointer to it.

    Raises
    ------
    ModelError
        If anything goes wrong; then nothing is installed, and what came is kept for next time.
    """
    prepare_store()
    model = HubModel(entry.name, entry.repository)
    vocabulary: Path | None = None
    if entry.vocabulary_repository:
        other = HubModel(f"{entry.name}'s vocabulary", entry.vocabulary_repository)
        beside = fetch_chosen(other, lambda names: _only(other, names), say, is_quiet=is_quiet)
        vocabulary = beside.path / VOCABULARY
    found = fetch_chosen(model, entry.choose_files, say, is_quiet=is_quiet)
    pointer = Pointer(
        name=entry.name,
        repository=entry.repository,
        revision=found.commit,
        path=found.path,
        files=found.files,
        fingerprint="",
        licence=entry.licence,
        kind=LOCATOR,
        vocabulary=str(vocabulary or ""),
    )
    source = open_locator(pointer.locator_path, vocabulary)
    _check(entry, source)
    return install_pointer(replace(pointer, fingerprint=source.fingerprint))


def _only(model: HubModel, names: list[str]) -> tuple[str, ...]:
    if VOCABULARY not in names:
        raise ModelError(f"{model.repository}: {VOCABULARY} is missing from its files")
    return (VOCABULARY,)


def _check(entry: LocatorEntry, source: LocatorSource) -> None:
    """Refuse a model that is not what the catalogue says about it."""
    n = sum(math.prod(part.place.shape) for one in source.plan.values() for part in one.parts)
    for what, expected, found in (
        ("kind", entry.kind, source.kind),
        ("number of parameters", entry.n_parameters, n),
    ):
        if found != expected:
            raise ModelError(
                f"{entry.repository}: its {what} is not the one in the catalogue: "
                f"{found}, not {expected}"
            )
