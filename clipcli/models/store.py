"""The models of this machine: the bundled one, and installed ones.

The store is a folder of folders, one for each installed model. A folder holds either a whole model
in our own layout (imported), or a pointer to files in the hub's cache (pulled), so that a download
lies on the disk once and other programs find it too. What is removed is only ever our folder.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from clipcli.errors import ModelError
from clipcli.models.folder import BUILTIN, CONFIG_NAME, builtin_model_folder

if TYPE_CHECKING:
    from clipcli.models.source import ModelSource
    from clipcli.models.store_pointer import Pointer

POINTER_NAME = "pulled.json"  # in the folder of a pulled model; see ``store_pointer``
STORE_ENVIRONMENT = "CLIPCLI_MODELS"
RACES = 5  # as often another process may be quicker
NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")


class Installed(NamedTuple):
    """A model that is here under a name."""

    name: str
    folder: Path  # what belongs to clipcli

    @property
    def is_there(self) -> bool:
        """Whether there is a model in the folder, or a pointer to one."""
        return self.is_pulled or (self.folder / CONFIG_NAME).is_file()

    @property
    def is_pulled(self) -> bool:
        """Whether the folder only says where in the hub's cache the files are."""
        return (self.folder / POINTER_NAME).is_file()

    def pointer(self) -> Pointer:
        """Read what was noted when the model was pulled.

        Raises
        ------
        ModelError
            If that cannot be read.
        """
        from clipcli.models.store_pointer import read_pointer

        return read_pointer(self.folder / POINTER_NAME)

    def find_path(self) -> Path:
        """Return where the model's files lie."""
        return self.pointer().path if self.is_pulled else self.folder

    def count_bytes(self) -> int:
        """Return how much its files take on the disk, wherever they lie."""
        if self.is_pulled:
            return sum(file.n_bytes for file in self.pointer().files)
        return folder_size(self.folder)

    def open(self) -> ModelSource:
        """Open the model under its name.

        Raises
        ------
        ModelError
            If its files are gone, or are not whole.
        """
        source = self._open()
        return source._replace(config=replace(source.config, name=self.name))

    def _open(self) -> ModelSource:
        from clipcli.models.open import open_model

        if not self.is_pulled:
            return open_model(self.folder)
        from clipcli.models.store_pointer import LOCATOR

        pointer = self.pointer()
        self.check_there(pointer)
        if pointer.kind == LOCATOR:
            raise ModelError(
                f"model {self.name!r}: finds boxes, and sorts no pictures by labels",
                hint=f"clipcli locate --model {self.name}",
            )
        return open_model(pointer.weights_path, activation=pointer.activation)

    def check_there(self, pointer: Pointer) -> None:
        """Refuse a model whose files the hub's cache has lost.

        Raises
        ------
        ModelError
        """
        if not pointer.path.is_dir():
            raise ModelError(
                f"model {self.name!r}: its files are no longer in the hub's cache: {pointer.path}",
                hint=f"`clipcli models pull {self.name}` fetches them again",
            )


def store_folder() -> Path | None:
    """Return where models are installed: ``CLIPCLI_MODELS``, or the platform's place for data.

    None where the platform has none: a user without a home folder, as in some containers.
    """
    if chosen := os.environ.get(STORE_ENVIRONMENT):
        return Path(chosen).expanduser().absolute()
    import platformdirs

    folder = platformdirs.user_data_path("clipcli", appauthor=False) / "models"
    return folder if folder.is_absolute() else None


def check_name(name: str) -> str:
    """Return a model's name if it can be one: letters, digits and ``._-``, no dot at either end.

    Raises
    ------
    ModelError
        If it cannot.
    """
    if not NAME.fullmatch(name) or name.endswith("."):
        better = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:100]
        raise ModelError(
            f"{name!r} cannot be a model's name: letters, digits and ._- only, no dot at its ends",
            hint=f"such as {better!r}" if better else None,
        )
    if name == BUILTIN:
        raise ModelError(f"{BUILTIN!r} is the name of the bundled model", hint="choose another")
    return name


def installed_models() -> dict[str, Installed]:
    """Return all models that are here, by name, the bundled one first."""
    found = {BUILTIN: Installed(BUILTIN, builtin_model_folder())}
    store = store_folder()
    try:
        names = sorted((p.name for p in store.iterdir()), key=str.casefold) if store else []
    except OSError:  # there is none, or not for us: then there is nothing in it for us either
        names = []
    for name in names:
        model = Installed(name, _place(name))
        if NAME.fullmatch(name) and name != BUILTIN and model.is_there:
            found[name] = model
    return found


def find_installed(spec: str) -> Installed | None:
    """Return the installed model that a name means: its own, in any spelling, or a catalogue's."""
    from clipcli.models.catalog.catalog import find_entry, normalise
    from clipcli.models.catalog.locators import find_locator_entry

    models = installed_models()
    if spec in models:
        return models[spec]
    by_key = {normalise(name): model for name, model in models.items()}
    entry = find_entry(spec) or find_locator_entry(spec)
    return by_key.get(normalise(spec)) or (models.get(entry.name) if entry else None)


@contextmanager
def new_folder(name: str, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield an empty folder; it becomes the model's in the store if nothing goes wrong.

    Raises
    ------
    ModelError
        If the name is taken or cannot be one, or the store cannot be written.
    """
    store, place = prepare_store(), _place(check_name(name))
    if os.path.lexists(place) and not overwrite:
        raise ModelError(
            f"there is a model {name!r} already",
            hint=f"choose another name, or `clipcli models rm {name}` first",
        )
    try:
        with tempfile.TemporaryDirectory(prefix=".new-", dir=store) as scratch:
            new = Path(scratch) / "new"
            new.mkdir()
            yield new
            _put_in_place(new, place, Path(scratch) / "old", overwrite=overwrite)
    except OSError as error:
        raise ModelError(f"{place}: {error.strerror or error}") from error


def prepare_store() -> Path:
    """Make the store where it is missing, and make sure that it can be written.

    Raises
    ------
    ModelError
        If it cannot.
    """
    store = store_folder()
    if store is None:
        raise ModelError(
            "there is no place for models: the user has no home folder",
            hint=f"set {STORE_ENVIRONMENT} to a folder",
        )
    try:
        store.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=store):
            return store
    except OSError as error:
        raise ModelError(
            f"{store}: models cannot be installed there: {error.strerror or error}",
            hint=f"set {STORE_ENVIRONMENT} to a folder that can be written",
        ) from error


def install_pointer(pointer: Pointer) -> Installed:
    """Note where a pulled model's files lie, in place of what was noted before."""
    from clipcli.models.store_pointer import write_pointer

    with new_folder(pointer.name, overwrite=True) as folder:
        write_pointer(pointer, folder / POINTER_NAME)
    return Installed(pointer.name, _place(pointer.name))


def remove(model: Installed) -> None:
    """Remove what clipcli wrote for a model; what lies in the hub's cache stays.

    Raises
    ------
    ModelError
        If it is the bundled one, or cannot be removed.
    """
    if model.name == BUILTIN:
        raise ModelError(f"{BUILTIN!r} comes with clipcli and stays")
    store = prepare_store()
    try:
        with tempfile.TemporaryDirectory(prefix=".old-", dir=store) as scratch:
            model.folder.replace(Path(scratch) / "old")  # gone at once, however long it takes
    except OSError as error:
        raise ModelError(f"{model.folder}: {error.strerror or error}") from error


def folder_size(folder: Path) -> int:
    """Return how many bytes the files under a folder have; links are not followed."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size  # noqa: PTH118 - many files
            except OSError:
                continue
    return total


def free_bytes(folder: Path) -> int | None:
    """Return how much room there is where a folder is or will be, or None if nobody knows."""
    for place in (folder, *folder.parents):
        try:
            return shutil.disk_usage(place).free
        except OSError:
            continue
    return None


def _put_in_place(new: Path, place: Path, old: Path, *, overwrite: bool) -> None:
    """Move ``new`` to its place; of two that do so at once, the later one stays."""
    for attempt in range(RACES):
        try:
            if overwrite and os.path.lexists(place):
                place.replace(old.with_name(f"{old.name}{attempt}"))
            new.replace(place)
        except OSError:
            if not overwrite or attempt == RACES - 1:
                raise
        else:
            return


def _place(name: str) -> Path:
    store = store_folder()
    assert store is not None
    return store / name
