"""What a cache folder holds, and clearing it: pictures, labels, fingerprints, exported models."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from clipcli.cache.eviction import delete_chunk, evict, forget_files, used_bytes
from clipcli.cache.file_hashes import FOLDER as FINGERPRINTS
from clipcli.cache.image_cache import in_words, store_path
from clipcli.cache.kept_bytes import KINDS
from clipcli.cache.schema import CONTENT_BITS, DamagedStoreError, checked_row
from clipcli.cache.store import Store
from clipcli.errors import OutputError
from clipcli.strict_json import parse_json

TEXTS = "text"
EXPORTS = "backends"
NOTES = ("engines.json", "advice.txt")
DAY_S = 86400.0
# The folder may be anybody's, and so may one of these names in it: only what is called as clipcli
# calls its own files, or its unfinished ones, is looked at.
_UNFINISHED = r"\.new-\w+"
_OWN = {
    TEXTS: re.compile(rf"[0-9a-f]{{2}}/(?:[0-9a-f]{{62}}|{_UNFINISHED})"),
    FINGERPRINTS: re.compile(rf"[0-9a-f]{{64}}|{_UNFINISHED}"),
    EXPORTS: re.compile(rf"(?:[0-9a-f]{{40}}|{_UNFINISHED})/.+"),
}


@dataclass(frozen=True, slots=True)
class Contents:
    """What a cache folder holds."""

    images: tuple[Held, ...]
    images_bytes: int
    n_texts: int
    texts_bytes: int
    n_exports: int = 0
    exports_bytes: int = 0


def look(folder: Path) -> Contents:
    """Count what is in a cache folder; one that is not there is empty."""
    images, images_bytes = look_into(folder)
    sizes = [status.st_size for _, status in _files(folder, TEXTS)]
    exports = [(path, status.st_size) for path, status in _files(folder, EXPORTS)]
    n_exports = len({path.relative_to(folder / EXPORTS).parts[0] for path, _ in exports})
    exports_bytes = sum(size for _, size in exports)
    return Contents(tuple(images), images_bytes, len(sizes), sum(sizes), n_exports, exports_bytes)


def clear(folder: Path) -> int:
    """Delete all that clipcli put there, and nothing else; return how many entries.

    The folder itself may be anybody's: ``CLIPCLI_CACHE`` names it.
    """
    n_gone = clear_images(folder)
    n_gone += sum(_remove(path) for path, _ in _files(folder, TEXTS))
    exports = {path.relative_to(folder / EXPORTS).parts[0] for path, _ in _files(folder, EXPORTS)}
    for name in exports:
        shutil.rmtree(folder / EXPORTS / name, ignore_errors=True)
        n_gone += not (folder / EXPORTS / name).exists()
    for path in (*(path for path, _ in _files(folder, FINGERPRINTS)), *map(folder.joinpath, NOTES)):
        _remove(path)
    return n_gone


def prune(
    folder: Path,
    *,
    most_bytes: int | None = None,
    older_than_days: float | None = None,
    keep_models: Collection[str] | None = None,
) -> int:
    """Delete what was not used for long or is too much; return how many entries.

    Label rows do not tell when they were used, only when they were made; they are few and quickly
    made again, so they count first, and pictures get what they leave.
    """
    since = None if older_than_days is None else time.time() - older_than_days * DAY_S
    texts = sorted(_files(folder, TEXTS), key=lambda entry: entry[1].st_mtime, reverse=True)
    n_gone = total = 0
    for path, status in texts:  # the newest first
        total += status.st_size
        is_old = since is not None and status.st_mtime < since
        if is_old or (most_bytes is not None and total > most_bytes):
            n_gone += _remove(path)
            total -= status.st_size
    left = None if most_bytes is None else max(0, most_bytes - total)
    return n_gone + prune_images(
        folder, limit_bytes=left, unused_since=since, keep_models=keep_models
    )


def _files(folder: Path, part: str) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield clipcli's own files in a part of a cache folder; links are not followed."""
    top = folder / part
    if top.is_symlink():
        return
    for parent, _, names in os.walk(top):
        for name in names:
            path = Path(parent, name)
            if not _OWN[part].fullmatch(path.relative_to(top).as_posix()):
                continue
            try:
                yield path, path.lstat()
            except OSError:
                continue


def _remove(path: Path) -> int:
    try:
        path.unlink()
    except OSError:  # another process was quicker, or it is not ours
        return 0
    return 1


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
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
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
    return [_held(*checked_row(row, str, str, str, int, int)) for row in rows], size


def _held(facts: str, model: str, fingerprint: str, n: int, n_bytes: int) -> Held:
    try:
        named = parse_json(facts)
        is_reason = named[0] not in ("vector", *KINDS)
        precision, exact = ("", named[2]) if is_reason else (named[2], named[4])
    except (ValueError, LookupError, TypeError) as error:
        raise DamagedStoreError("a setting that makes no sense") from error
    checked_row((precision, exact), str, (bool, int))
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
