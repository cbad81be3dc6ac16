"""This file knows about which model is meant: by a name, by a path, or where nobody says."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clipcli.errors import ModelError
from clipcli.modelstore import Installed, find_installed, installed_models
from clipcli.userconfig import read_default_model
from clipcli.weights import BUILTIN, CONFIG_NAME, ENVIRONMENT

if TYPE_CHECKING:
    from clipcli.modelsource import ModelSource


@dataclass(frozen=True, slots=True)
class Choice:
    """Which model was asked for, and who asked."""

    spec: str
    reason: str  # in a few words; empty where nobody chose


def chosen_model(spec: str | None = None) -> Choice:
    """Return which model serves: the one given, ``CLIPCLI_MODEL``, the user's default, or mini."""
    if spec:
        return Choice(spec, "asked for")
    if from_environment := os.environ.get(ENVIRONMENT):
        return Choice(from_environment, ENVIRONMENT)
    if default := read_default_model():
        return Choice(default, "your default")
    return Choice(BUILTIN, "")


def open_named(spec: str | None = None) -> ModelSource:
    """Open the model that a name, a path or nothing means, without torch.

    Raises
    ------
    ModelError
        If there is none, or it is not whole; the hint says how to get it, or what is near.
    """
    from clipcli.modelsource import open_model  # reads many formats: lists of models need none

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


def _unknown(choice: Choice, path: Path) -> ModelError:
    from clipcli.catalog import find_entry, suggest

    whence = "" if choice.reason in ("", "asked for") else f" ({choice.reason})"
    if entry := find_entry(choice.spec):
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
