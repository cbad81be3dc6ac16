"""Bringing a model into the store under a name, with its expectations."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

from clipcli.encoder import selfcheck
from clipcli.errors import ModelError, OutputError
from clipcli.models.catalog.catalog import find_entry
from clipcli.models.config import Activation
from clipcli.models.open import open_model
from clipcli.models.source import ModelSource
from clipcli.models.store import Installed, check_name, new_folder, prepare_store, store_folder


def import_named(
    path: Path,
    *,
    name: str | None = None,
    activation: str | None = None,
    vocabulary: Path | None = None,
    preprocessing: str | None = None,
) -> Installed:
    """Copy a model of any layout into the store; it appears whole or not at all.

    Raises
    ------
    ModelError
        If it cannot be read or does not fit, or the name is taken or cannot be one.
    """
    from clipcli.encoder.torch.convert import import_model

    path = path.expanduser()
    name = check_name(name or default_name(path))
    prepare_store()
    source = open_model(
        path,
        name=name,
        activation=cast("Activation | None", activation),
        vocabulary=vocabulary,
        preprocessing=preprocessing,
    )
    with new_folder(name) as folder:
        place = folder / "model"
        origin = source.config.source or str(path)
        try:
            import_model(source, place, name=name, licence=_licence(name, source), origin=origin)
        except OutputError as error:
            raise ModelError(error.message) from error
        selfcheck.write_selfcheck(place)
        for file in place.iterdir():
            file.replace(folder / file.name)
        place.rmdir()
    store = store_folder()
    assert store is not None
    return Installed(name, store / name)


def default_name(path: Path) -> str:
    """Return the name that a folder or file suggests."""
    path = path.resolve()
    bare = path.name if path.is_dir() else path.stem
    return re.sub(r"[^A-Za-z0-9._-]+", "-", bare).strip(".-")


def _licence(name: str, source: ModelSource) -> str:
    """Return the licence that the files say, or that the catalogue has for a model of that name."""
    entry = find_entry(name)
    is_same = entry is not None and entry.architecture == source.config.architecture
    return source.config.licence or (entry.licence if entry is not None and is_same else "")
