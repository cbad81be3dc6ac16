"""Bringing a foreign model into clipcli's own layout, number by number."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from clipcli.encoder.torch.load import load_model, stored_tensors
from clipcli.errors import ModelError
from clipcli.files import read_regular
from clipcli.models.config import ModelConfig, SiglipArchitecture
from clipcli.models.fingerprint import ModelFolder
from clipcli.models.folder import write_model_folder
from clipcli.models.source import ModelSource
from clipcli.models.tokenizer.vocabulary import Vocabulary, read_vocabulary


def import_model(
    source: ModelSource,
    out: Path,
    *,
    name: str | None = None,
    licence: str = "",
    origin: str = "",
    overwrite: bool = False,
) -> ModelFolder:
    """Write what ``clipcli.models.open.open_model`` opened as a model folder of our own layout.

    The numbers are those of the file, in the file's precision.

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
    model = load_model(source, dtype=None)
    config = replace(
        source.config,
        name=name or source.config.name,
        licence=licence or source.config.licence,
        source=origin or source.config.source,
    )
    tensors = stored_tensors(model.state_dict(), dtype=None)
    return write_model_folder(
        out, tensors, config, _vocabulary(source), _card(config, source), overwrite=overwrite
    )


def _vocabulary(source: ModelSource) -> Vocabulary | bytes:
    source.read_tokenizer()  # finds what is wrong with it
    if not isinstance(source.config.architecture, SiglipArchitecture):
        return read_vocabulary(source.tokenizer_path)
    return read_regular(source.tokenizer_path, ModelError)


def _card(config: ModelConfig, source: ModelSource) -> str:
    architecture, preprocessing = config.architecture, config.preprocessing
    facts = {
        "Imported from": config.source,
        "Layout there": source.layout,
        "Licence": config.licence or "not stated; see where the weights come from",
        "Activation": architecture.activation,
        "Pictures": f"{preprocessing.size} pixels, {preprocessing.resize_mode}, "
        f"{preprocessing.interpolation}",
        "Scoring": config.scoring,
    }
    lines = [f"- {key}: {value}" for key, value in facts.items()]
    return "\n".join([f"# {config.name}", "", *lines, ""])
