"""Models in whatever layout they come: our own folder, or somebody else's.

:func:`open_model` looks at files without torch and says all that can be known before the weights
are loaded; what it cannot establish, it does not guess.
"""

from __future__ import annotations

from pathlib import Path

from clipcli.errors import ModelError
from clipcli.models.config import Activation
from clipcli.models.folder import CONFIG_NAME, open_model_folder
from clipcli.models.formats.huggingface import WEIGHTS_NAMES, is_huggingface
from clipcli.models.formats.json_reader import read_object
from clipcli.models.source import ModelSource, check_activation, source_of


def open_model(
    path: Path,
    *,
    name: str | None = None,
    activation: Activation | None = None,
    vocabulary: Path | None = None,
    preprocessing: str | None = None,
) -> ModelSource:
    """Open a model folder or checkpoint file in any layout that clipcli reads, without torch.

    Parameters
    ----------
    path
        Our own folder, a Hugging Face or OpenCLIP folder, or a checkpoint file (``.safetensors``,
        ``.bin``, ``.pt``, ``.pth``).
    name
        What results call the model; None: the folder's or file's name.
    activation
        Needed where the files do not say it; refused where they say otherwise.
    vocabulary
        A merges file or ``tokenizer.json``, where none lies beside the weights.
    preprocessing
        ``"clip"`` (as OpenAI released it) or a ``preprocessor_config.json``, where the files do
        not say it.

    Raises
    ------
    ModelError
        If something is missing, unreadable, contradicts itself, or cannot be established.
    """
    try:
        if not path.exists():
            raise ModelError(f"{path}: no such file or folder")
        folder = _own_folder(path)
        if folder is None:
            from clipcli.models.foreign import Given, open_foreign  # many formats; ours needs none

            return open_foreign(path, Given(name, activation, vocabulary, preprocessing))
        own = open_model_folder(folder)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error
    check_activation(activation, own.config.architecture.activation, folder / CONFIG_NAME)
    if vocabulary or preprocessing:
        raise ModelError(f"{folder}: is a model of clipcli's, which has all it needs")
    return source_of(own)


def _own_folder(path: Path) -> Path | None:
    """Return the model folder of ours that a folder is, or that a file of weights lies in."""
    folder = path if path.is_dir() else path.parent
    if folder is not path and path.name not in WEIGHTS_NAMES:
        return None
    config = folder / CONFIG_NAME
    is_own = config.is_file() and not is_huggingface(read_object(config))
    return folder if is_own else None
