"""This file knows about bringing a foreign model into clipcli's own layout, number by number."""

from __future__ import annotations

from pathlib import Path

from clipcli.modelsource import ModelSource
from clipcli.weights import ModelFolder


def import_model(
    source: ModelSource,
    out: Path,
    *,
    name: str | None = None,
    licence: str = "",
    origin: str = "",
    overwrite: bool = False,
) -> ModelFolder:
    """Write what ``clipcli.modelsource.open_model`` opened as a model folder of our own layout.

    Parameters
    ----------
    source
        The opened model; what had to be given to open it is recorded in ``config.json``.
    out
        The folder to write; it appears whole or not at all.
    name
        What results call the model; None: the source's name.
    licence, origin
        A line each for the card: terms of the weights, and where they come from.
    overwrite
        Replace ``out`` if it is a model folder.

    Raises
    ------
    ModelError
        If the weights do not fit the architecture exactly.
    OutputExistsError, OutputError
        If ``out`` is there already, or cannot be written.
    """
    raise NotImplementedError
