"""This file knows about looking after the image store: what is in it, and throwing some of it out.

Without numpy: who wants to know what is cached should not wait for it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from clipcli.errors import OutputError
from clipcli.imagecache.cache import in_words, store_path
from clipcli.imagecache.eviction import delete_chunk, evict, forget_files, used_bytes
from clipcli.imagecache.schema import CONTENT_BITS
from clipcli.imagecache.store import Store

COUNT = """
SELECT facts, model, fingerprint, n, bytes FROM setting JOIN (
    SELECT id >> ? AS place, count(*) AS n, sum(length(value)) AS bytes FROM entry GROUP BY place
) ON place = setting.id ORDER BY model, fingerprint, bytes DESC
"""
OLD = "SELECT content, setting FROM chunk WHERE used < ?"
GONE = """
SELECT chunk.content, chunk.setting FROM chunk JOIN setting ON setting.id = chunk.setting
WHERE fingerprint != '' AND fingerprint NOT IN (SELECT value FROM json_each(?))
"""
CLEAR = (
    "DELETE FROM entry",
    "DELETE FROM chunk",
    "DELETE FROM file",
    "DELETE FROM content",
    "DELETE FROM setting",
    "DELETE FROM choice",
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Held:
    """How much is held under one setting; no model's name where it is reasons of skipped files."""

    model: str
    fingerprint: str
    precision: str
    exact: bool
    n_entries: int
    n_bytes: int


def look_into(folder: Path) -> tuple[list[Held], int]:
    """Return what the image store of a cache folder holds, and how large it is."""
    nothing: tuple[list[Held], int] = ([], 0)
    return _ask(folder, _count, nothing)


def clear_images(folder: Path) -> int:
    """Throw out all entries; return how many. What cannot be opened as a store is deleted.

    Subtle: a sound store is emptied and not deleted, since other processes may have it open: they
    would delete the next one's write-ahead file, which has the same name, when they close.
    """
    path = store_path(folder)
    try:
        return _ask(folder, _clear, 0)
    except OutputError:
        _unlink(path)
        return 0


def _unlink(path: Path) -> None:
    try:
        for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
            path.with_name(name).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: {in_words(error)}") from error


def prune_images(
    folder: Path,
    *,
    limit_bytes: int | None = None,
    unused_since: float | None = None,
    keep_models: Collection[str] | None = None,
) -> int:
    """Throw out what is over the limit, was last used long ago, or is of models not to be kept.

    ``unused_since`` is a time in seconds, ``keep_models`` are fingerprints. Returns the number of
    entries that went.
    """

    def prune(store: Store) -> int:
        n_gone = 0
        with store.transaction() as connection:
            if unused_since is not None:
                n_gone += _delete(connection, OLD, unused_since)
            if keep_models is not None:
                n_gone += _delete(connection, GONE, json.dumps(list(keep_models)))
            if limit_bytes is not None:
                n_gone += evict(connection, limit_bytes)
            forget_files(connection)
        store.give_back()
        return n_gone

    return _ask(folder, prune, 0)


def _ask(folder: Path, question: Callable[[Store], T], otherwise: T) -> T:
    """Put a question to a store that is there; errors name its file."""
    path = store_path(folder)
    if not path.exists():
        return otherwise
    try:
        store = Store(path)
        try:
            return question(store)
        finally:
            store.close()
    except (sqlite3.Error, OSError) as error:
        raise OutputError(f"{path}: {in_words(error)}") from error


def _count(store: Store) -> tuple[list[Held], int]:
    with store.transaction() as connection:
        rows = connection.execute(COUNT, (CONTENT_BITS,)).fetchall()
        size = used_bytes(connection)
    return [_held(*row) for row in rows], size


def _held(facts: str, model: str, fingerprint: str, n: int, n_bytes: int) -> Held:
    told = json.loads(facts)
    precision, exact = (told[2], told[4]) if told[0] == "vector" else ("", told[2])
    return Held(model, fingerprint, precision, bool(exact), n, n_bytes)


def _delete(connection: sqlite3.Connection, query: str, value: float | str) -> int:
    """Delete the chunks that a query finds; return how many entries."""
    chunks = connection.execute(query, (value,)).fetchall()
    return sum(delete_chunk(connection, content, setting) for content, setting in chunks)


def _clear(store: Store) -> int:
    with store.transaction() as connection:
        n_entries = int(connection.execute("SELECT count(*) FROM entry").fetchone()[0])
        for statement in CLEAR:
            connection.execute(statement)
    store.give_back()
    return n_entries
