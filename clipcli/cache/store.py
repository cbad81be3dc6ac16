"""The image store's database: looking vectors up and writing them.

Whatever goes wrong comes out as ``sqlite3.Error`` or ``OSError``; who asks decides what that means.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from clipcli.cache.codec import tag_of
from clipcli.cache.eviction import evict, used_bytes
from clipcli.cache.identity import Identity
from clipcli.cache.schema import (
    CHUNK_BITS,
    CONTENT_BITS,
    SETTING_BITS,
    checked_number,
    checked_row,
    connect,
)

if TYPE_CHECKING:
    import sqlite3

# json_each keeps the query text the same however many files are asked for, and CROSS JOIN the
# order of the joins: files by inode, then entries in the order in which they lie in the file.
FIND_FILES = """
SELECT asked.key, file.size, file.mtime, file.ctime, file.content, file.tag, vector.value,
    reason.value
FROM json_each(:places) AS asked
CROSS JOIN file ON file.device = :device AND file.place = asked.value
LEFT JOIN entry AS vector ON vector.id = :vectors + file.content
LEFT JOIN entry AS reason ON reason.id = :reasons + file.content
"""
FIND_CONTENT = """
SELECT content.id, vector.value, reason.value FROM content
LEFT JOIN entry AS vector ON vector.id = :vectors + content.id
LEFT JOIN entry AS reason ON reason.id = :reasons + content.id
WHERE content.hash = :hash
"""
NOWHERE = -1  # a setting that has no entries
VALUE = (bytes, type(None))
ROW_TYPES = (int, int, int, int, int, int, VALUE, VALUE)  # of FIND_FILES


class Found(NamedTuple):
    """What the store has for a picture; one of the two values, or none, is there."""

    content: int
    tag: int
    vector: bytes | None
    reason: bytes | None


class Kept(NamedTuple):
    """What is to be stored of a picture; without a value, only where its content is known."""

    setting: int
    content: bytes  # hash
    identity: Identity | None
    value: bytes | None


class VectorSetting(NamedTuple):
    """All that a value depends on besides the picture, and words for those who look at it."""

    facts: str
    model: str = ""
    fingerprint: str = ""


class Store:
    """An open store; any thread may ask."""

    def __init__(self, path: Path) -> None:
        self._connection = connect(path)
        self._lock = threading.RLock()

    def close(self) -> None:
        """Close the file; the last process to do so folds the write-ahead file in."""
        with self._lock:
            self._connection.close()

    def find_files(
        self, identities: Sequence[Identity | None], vectors: int | None, reasons: int | None
    ) -> list[Found | None]:
        """Return what is stored for each file whose identity is as it was."""
        answers: list[Found | None] = [None] * len(identities)
        for device in {identity.device for identity in identities if identity}:
            asked = [i for i, own in enumerate(identities) if own and own.device == device]
            places = [identities[i].place for i in asked]  # type: ignore[union-attr]
            for row in self._find(device, places, vectors, reasons):
                key, *facts = checked_row(row, *ROW_TYPES)
                identity = identities[asked[key]]
                if identity is not None and identity[2:] == tuple(facts[:3]):
                    answers[asked[key]] = Found(*facts[3:])
        return answers

    def _find(
        self, device: int, places: list[int], vectors: int | None, reasons: int | None
    ) -> list[tuple[Any, ...]]:
        values = {"device": device, "places": json.dumps(places), **_starts(vectors, reasons)}
        with self._lock:
            return self._connection.execute(FIND_FILES, values).fetchall()

    def find_content(
        self, content: bytes, vectors: int | None, reasons: int | None
    ) -> Found | None:
        """Return what is stored for a picture by the hash of its bytes."""
        values = {"hash": content, **_starts(vectors, reasons)}
        with self._lock:
            row = self._connection.execute(FIND_CONTENT, values).fetchone()
        if row is None:
            return None
        number, vector, reason = checked_row(row, int, VALUE, VALUE)
        return Found(number, tag_of(content), vector, reason)

    def setting(self, setting: VectorSetting, *, make: bool = False) -> int | None:
        """Return the number of a setting; ``make`` gives it one."""
        query = "SELECT id FROM setting WHERE facts = ?"
        with self._lock:
            row = self._connection.execute(query, (setting.facts,)).fetchone()
            if row is None and make:
                self._connection.execute(
                    "INSERT OR IGNORE INTO setting (facts, model, fingerprint) VALUES (?, ?, ?)",
                    setting,
                )
                row = self._connection.execute(query, (setting.facts,)).fetchone()
        return checked_number(row[0], SETTING_BITS) if row else None

    def knows_model(self, fingerprint: str) -> bool:
        """Say whether there may be vectors of a model."""
        query = "SELECT 1 FROM setting WHERE fingerprint = ? LIMIT 1"
        with self._lock:
            return self._connection.execute(query, (fingerprint,)).fetchone() is not None

    def choice(self, facts: str) -> tuple[str, str] | None:
        """Return the device and precision noted for these facts."""
        query = "SELECT device, precision FROM choice WHERE facts = ?"
        with self._lock:
            row = self._connection.execute(query, (facts,)).fetchone()
        if row is None:
            return None
        device, precision = checked_row(row, str, str)
        return device, precision

    def note_choice(self, facts: str, device: str, precision: str) -> None:
        """Note which device and precision were chosen."""
        query = "INSERT OR REPLACE INTO choice VALUES (?, ?, ?)"
        with self._lock:
            self._connection.execute(query, (facts, device, precision))

    def write(self, kept: Iterable[Kept], used: Iterable[tuple[int, int]], now: int) -> None:
        """Store values, and that chunks (content, setting) were used, all or nothing."""
        used = set(used)
        with self.transaction():
            for item in kept:
                number = self._content(item.content)
                if item.identity is not None:
                    self._put_file(item.identity, number, tag_of(item.content))
                if item.value is not None:
                    key = (item.setting << CONTENT_BITS) + number
                    self._connection.execute(
                        "INSERT OR REPLACE INTO entry VALUES (?, ?)", (key, item.value)
                    )
                used.add((number >> CHUNK_BITS, item.setting))
            self._connection.executemany(
                "INSERT OR REPLACE INTO chunk VALUES (?, ?, ?)", [(*which, now) for which in used]
            )

    def _content(self, content: bytes) -> int:
        self._connection.execute("INSERT OR IGNORE INTO content (hash) VALUES (?)", (content,))
        query = "SELECT id FROM content WHERE hash = ?"
        row = self._connection.execute(query, (content,)).fetchone()
        return checked_number(row and row[0], CONTENT_BITS)

    def _put_file(self, identity: Identity, number: int, tag: int) -> None:
        query = "INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?, ?)"
        self._connection.execute(query, (*identity, number, tag))

    def used_bytes(self) -> int:
        """Return how much of the file is in use."""
        with self._lock:
            return used_bytes(self._connection)

    def shrink(self, limit_bytes: int) -> int:
        """Throw away what was used longest ago until the store fits; return how many entries."""
        with self.transaction() as connection:
            n_gone = evict(connection, limit_bytes)
        if n_gone:
            self.give_back()
        return n_gone

    def give_back(self) -> None:
        """Return the pages that are free to the file system."""
        with self._lock:
            # Subtle: one step gives back one page, and execute() takes a single step here.
            self._connection.executescript("PRAGMA incremental_vacuum")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Let several changes come true together or not at all."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                # A full disk may have rolled it back already.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


def _starts(vectors: int | None, reasons: int | None) -> dict[str, int]:
    """Return the first keys of two settings' entries."""
    return {
        "vectors": (NOWHERE if vectors is None else vectors) << CONTENT_BITS,
        "reasons": (NOWHERE if reasons is None else reasons) << CONTENT_BITS,
    }
