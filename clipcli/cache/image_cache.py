"""The image cache as a run sees it: a short cut that may fail in any way.

Whatever is wrong with the store, the run goes on without it, and :attr:`ImageCache.problem` says
why, in a line.
"""

from __future__ import annotations

import os
import re
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from clipcli.cache.device_choice import facts_of
from clipcli.cache.schema import FILE_NAME, ForeignStoreError
from clipcli.cache.text_cache import prepare_folder
from clipcli.errors import UsageError

if TYPE_CHECKING:
    from clipcli.cache.store import Store

FOLDER = "images"
LIMIT_VARIABLE = "CLIPCLI_CACHE_LIMIT"
LIMIT_BYTES = 2 * 10**9
UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
CLEAR = "`clipcli cache clear` makes a new one"

T = TypeVar("T")


def store_path(folder: Path) -> Path:
    """Return where the image store lies in a cache folder."""
    return folder / FOLDER / FILE_NAME


def parse_size(text: str, name: str) -> int:
    """Read a size such as ``500 MB`` or ``2GB``; a bare number is bytes."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Z]*)", text.strip().upper())
    if match is None or match[2] not in UNITS:
        raise UsageError(f"{name}: {text!r} is not a size", hint="write 500MB or 2GB")
    return round(float(match[1]) * UNITS[match[2]])


def limit_bytes() -> int:
    """Return how large the image store may grow: ``CLIPCLI_CACHE_LIMIT``, or 2 GB."""
    chosen = os.environ.get(LIMIT_VARIABLE)
    return parse_size(chosen, LIMIT_VARIABLE) if chosen else LIMIT_BYTES


class ImageCache:
    """Vectors of pictures under a folder; ``None`` as the folder makes one that holds nothing."""

    def __init__(self, folder: Path | None, limit: int | None = None) -> None:
        self.problem: str | None = None
        self.precision = ""  # of the vectors that were looked up last
        self.limit_bytes = limit_bytes() if limit is None else limit
        self._path = None if folder is None else store_path(folder)
        self._store: Store | None = None
        self._opening = threading.Lock()
        self._noted: set[tuple[str, ...]] = set()
        self._facts: dict[tuple[str, ...], str] = {}  # which stay as they are for a run

    @property
    def is_off(self) -> bool:
        """Whether there is nothing to be had, now and later."""
        return self._path is None

    def ask(self, question: Callable[[Store], T], otherwise: T) -> T:
        """Put a question to the store; the first failure is kept for a note, and ends its use."""
        path, store = self._path, None
        if path is None:
            return otherwise
        try:
            store = self._open(path)
            return question(store)
        except (sqlite3.Error, OSError) as error:
            # Subtle: another thread may have closed the store in the middle of the question, at
            # the end of the run or because of a failure that it has noted already.
            if store is None or store is self._store:
                self.problem = f"{path}: {in_words(error)}; going on without the cache"
                self._path = None
                self.close()
            return otherwise

    def choice(self, asked: Sequence[str]) -> tuple[str, str] | None:
        """Return the device and precision that torch chose here for what is asked, if noted."""
        if self.is_off:
            return None
        facts = self._facts_of(asked)
        return self.ask(lambda store: store.choice(facts), None)

    def note_choice(self, asked: Sequence[str], device: str, precision: str) -> None:
        """Note what torch has chosen; once is enough for a run."""
        choice = (*asked, device, precision)
        if not self.is_off and choice not in self._noted:
            self._noted.add(choice)
            facts = self._facts_of(asked)
            self.ask(lambda store: store.note_choice(facts, device, precision), None)

    def _facts_of(self, asked: Sequence[str]) -> str:
        key = tuple(asked)
        if key not in self._facts:
            self._facts[key] = facts_of(asked)
        return self._facts[key]

    def knows_model(self, fingerprint: str) -> bool:
        """Say whether there may be vectors of a model."""
        if self._path is not None and not self._path.exists():
            return False
        return self.ask(lambda store: store.knows_model(fingerprint), False)

    def _open(self, path: Path) -> Store:
        from clipcli.cache.store import Store

        with self._opening:
            if self._store is None:
                prepare_folder(path.parent)
                self._store = Store(path)
            return self._store

    def close(self) -> None:
        """Close the store; another question opens it again."""
        store, self._store = self._store, None
        if store is not None:
            try:
                store.close()
            except sqlite3.Error as error:
                self.problem = self.problem or in_words(error)


def in_words(error: Exception) -> str:
    """Say what is wrong with a store, and what to do about it."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, ForeignStoreError):
        return f"{error}, {CLEAR}"
    said = str(error)
    if isinstance(error, sqlite3.OperationalError):
        return "no space left" if "full" in said else said
    return f"damaged ({said}), {CLEAR}"
