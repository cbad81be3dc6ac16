"""Which model is meant: by a name, by a path, or where nobody says."""

from __future__ import annotations

import difflib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from clipcli.errors import ModelError
from clipcli.files import write_atomically
from clipcli.models.folder import BUILTIN, CONFIG_NAME, ENVIRONMENT
from clipcli.models.store import Installed, find_installed, installed_models
from clipcli.strict_json import read_json

if TYPE_CHECKING:
    from clipcli.models.source import ModelSource


class ModelChoice(NamedTuple):
    """Which model was asked for, and who asked."""

    spec: str
    reason: str  # in a few words; empty where nobody chose


def chosen_model(spec: str | None = None) -> ModelChoice:
    """Return which model serves: the one given, ``CLIPCLI_MODEL``, the user's default, or mini."""
    if spec:
        return ModelChoice(spec, "asked for")
    if from_environment := os.environ.get(ENVIRONMENT):
        return ModelChoice(from_environment, ENVIRONMENT)
    if default := read_default_model():
        return ModelChoice(default, "your default")
    return ModelChoice(BUILTIN, "")


def open_named(spec: str | None = None) -> ModelSource:
    """Open the model that a name, a path or nothing means, without torch.

    Raises
    ------
    ModelError
        If there is none, or it is not whole; the hint says how to get it, or what is near.
    """
    from clipcli.models.open import open_model  # reads many formats: lists of models need none

    found = find_model(spec)
    return found.open() if isinstance(found, Installed) else open_model(found)


def resolve_model(spec: str | None = None) -> Path:
    """Return the folder or file that a name, a path or nothing means; see :func:`open_named`."""
    found = find_model(spec)
    return found.find_path() if isinstance(found, Installed) else found


def find_model(spec: str | None = None) -> Installed | Path:
    """Return the installed model or the path that is meant.

    An installed model's exact name comes first, then what is on the disk, then other spellings.
    """
    choice = chosen_model(spec)
    path = Path(choice.spec).expanduser()
    exact = installed_models().get(choice.spec)
    if exact or _is_there(path):
        return exact or path
    if model := find_installed(choice.spec):
        return model
    raise _unknown(choice, path)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long to be a path
        return False


def _unknown(choice: ModelChoice, path: Path) -> ModelError:
    from clipcli.models.catalog.catalog import find_entry, suggest
    from clipcli.models.catalog.locators import find_locator_entry

    whence = "" if choice.reason in ("", "asked for") else f" ({choice.reason})"
    if entry := find_entry(choice.spec) or find_locator_entry(choice.spec):
        return ModelError(
            f"model {choice.spec!r}{whence} is known but not installed",
            hint=f"clipcli models pull {entry.name}",
        )
    names = [*installed_models(), *_neighbours(path)]
    near = difflib.get_close_matches(choice.spec, names, n=2) or suggest(choice.spec, n=2)
    meant = " or ".join(map(repr, near))
    return ModelError(
        f"model {choice.spec!r}{whence} is neither a known name nor a path",
        hint=f"did you mean {meant}?" if near else "see `clipcli models list`; or name a folder",
    )


def _neighbours(path: Path) -> list[str]:
    """Return the model folders beside a missing path, spelt as the path was."""
    try:
        return [str(other.parent) for other in path.parent.glob(f"*/{CONFIG_NAME}")]
    except (OSError, ValueError):
        return []


FILE_NAME = "config.json"
MODEL_KEY = "model"
WRITE_ANEW = "`clipcli models default NAME` writes it anew"


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
    if not path.exists():
        return None
    try:
        data = read_json(path, ModelError)
    except ModelError as error:
        raise ModelError(error.message, hint=WRITE_ANEW) from error
    model = data.get(MODEL_KEY) if isinstance(data, dict) else data
    if model is not None and not (isinstance(model, str) and model):
        raise ModelError(f"{path}: {MODEL_KEY}: expected a name", hint=WRITE_ANEW)
    return model


def write_default_model(model: str | None) -> Path:
    """Make ``model`` the default, or no model; other keys of the file stay. Returns the file.

    Raises
    ------
    ModelError
        If the file cannot be written.
    """
    path = config_path()
    data = _other_keys(path)
    if model is not None:
        data[MODEL_KEY] = model
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(data, indent=2) + "\n")
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error
    return path


def _other_keys(path: Path) -> dict[str, object]:
    """Return what else the file says; one that makes no sense is written anew."""
    try:
        data = read_json(path, ModelError)
    except ModelError:
        return {}
    if not isinstance(data, dict):
        return {}
    return {key: value for key, value in data.items() if key != MODEL_KEY}
