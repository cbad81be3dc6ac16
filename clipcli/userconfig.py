"""This file knows about the user's configuration: a small JSON file with the default model."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from clipcli.errors import ModelError

FILE_NAME = "config.json"
MODEL_KEY = "model"


def config_path() -> Path:
    """Return where the configuration is kept: the platform's own place for it."""
    import platformdirs

    return platformdirs.user_config_path("clipcli", appauthor=False) / FILE_NAME


def read_default_model() -> str | None:
    """Return the model that the user made the default, or None.

    Raises
    ------
    ModelError
        If the file cannot be read or is not what clipcli writes.
    """
    path = config_path()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(path, getattr(error, "strerror", None) or "not UTF-8 text") from error
    try:
        told = json.loads(text)
    except ValueError as error:
        raise _damaged(path, "not JSON") from error
    model = told.get(MODEL_KEY) if isinstance(told, dict) else told
    if model is not None and not (isinstance(model, str) and model):
        raise _damaged(path, f"{MODEL_KEY}: expected a name")
    return model


def write_default_model(model: str | None) -> Path:
    """Make ``model`` the default, or no model; other keys of the file stay. Returns the file.

    Raises
    ------
    ModelError
        If the file cannot be written.
    """
    path = config_path()
    told = _other_keys(path)
    if model is not None:
        told[MODEL_KEY] = model
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(json.dumps(told, indent=2) + "\n")
        Path(temporary).replace(path)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error
    return path


def _other_keys(path: Path) -> dict[str, object]:
    """Return what else the file says; one that makes no sense is written anew."""
    try:
        told = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return {}
    if not isinstance(told, dict):
        return {}
    return {key: value for key, value in told.items() if key != MODEL_KEY}


def _damaged(path: Path, fact: str) -> ModelError:
    return ModelError(f"{path}: {fact}", hint="`clipcli models default NAME` writes it anew")
