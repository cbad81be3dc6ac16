"""The tables of the image store, and how its file is opened.

It is one SQLite file in write-ahead mode. What spoke for it: readers never wait for writers, a
killed process leaves a whole file behind, a thousand look-ups are one query of a few milliseconds,
and Python brings it along. Memory-mapped arrays would be read faster still, but would need a lock,
an index and a repair of their own. LMDB has those, but is one more dependency and cannot shrink.

* ``file``: what the system says of a file -> its content. Only ever a short cut.
* ``content``: the hash of bytes -> a small number, given in the order of arrival, so that the
  pictures of a folder lie side by side.
* ``setting``: all that a vector or a reason depends on besides the picture.
* ``entry``: (setting, content) -> value; both numbers share the row's key.
* ``chunk``: when each 64 neighbours of a setting were last used. Keeping count of single entries
  would turn each warm run into fifty thousand writes.
* ``choice``: the device and precision that torch chose on this machine; see ``choices``.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

VERSION = 1
FILE_NAME = f"vectors-{VERSION}.sqlite"
BUSY_S = 3.0  # how long another process may hold the file; its writes take milliseconds
PAGE_BYTES = 16384  # 15 vectors of 512 halves; the usual 4096 would leave a quarter of it empty
WAL_BYTES = 16 * 2**20  # that the write-ahead file keeps on disk
CONTENT_BITS = 40
CHUNK_BITS = 6
SETTING_BITS = 63 - CONTENT_BITS

TABLES = """
CREATE TABLE file (device INTEGER, place INTEGER, size INTEGER, mtime INTEGER, ctime INTEGER,
    content INTEGER, tag INTEGER, PRIMARY KEY (device, place)) WITHOUT ROWID;
CREATE TABLE content (id INTEGER PRIMARY KEY AUTOINCREMENT, hash BLOB UNIQUE);
CREATE TABLE setting (id INTEGER PRIMARY KEY AUTOINCREMENT, facts TEXT UNIQUE,
    model TEXT, fingerprint TEXT);
CREATE TABLE entry (id INTEGER PRIMARY KEY, value BLOB);
CREATE TABLE chunk (content INTEGER, setting INTEGER, used INTEGER,
    PRIMARY KEY (content, setting)) WITHOUT ROWID;
CREATE TABLE choice (facts TEXT PRIMARY KEY, device TEXT, precision TEXT) WITHOUT ROWID;
"""


class ForeignStoreError(sqlite3.DatabaseError):
    """The file was made by another version, or by another program."""


class DamagedStoreError(sqlite3.DatabaseError):
    """The file is a store, but a row in it is none of ours."""


def checked_row(row: Sequence[Any], *kinds: type | tuple[type, ...]) -> tuple[Any, ...]:
    """Return a row's values if each is of its type: SQLite keeps any type in any column.

    Raises
    ------
    DamagedStoreError
    """
    if len(row) != len(kinds) or not all(map(isinstance, row, kinds)):
        raise DamagedStoreError("a value of another type")
    return tuple(row)


def checked_number(value: Any, bits: int) -> int:
    """Return a number of a setting, a content or a chunk, which is made into a key.

    Raises
    ------
    DamagedStoreError
        If it is no number, or a key of it would not fit.
    """
    if not isinstance(value, int) or not 0 <= value < 1 << bits:
        raise DamagedStoreError("a number out of bounds")
    return value


def connect(path: Path) -> sqlite3.Connection:
    """Open the store, and make it if it is not there.

    Raises
    ------
    sqlite3.Error, OSError
    """
    # A named pipe would keep SQLite waiting, and a view or trigger could do so with any query.
    if path.exists() and not path.is_file():
        raise ForeignStoreError("not a file")
    connection = sqlite3.connect(
        path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
    )
    try:
        for pragma in (
            f"page_size = {PAGE_BYTES}",
            "auto_vacuum = INCREMENTAL",
            "synchronous = NORMAL",  # after a power cut the last seconds may be missing, no more
            f"journal_size_limit = {WAL_BYTES}",
            "trusted_schema = OFF",
            "cell_size_check = ON",
            "cache_size = -4000",
        ):
            connection.execute(f"PRAGMA {pragma}")
        _turn_on_wal(connection)
        if _version(connection) == 0:
            _make_tables(connection)
        if _version(connection) != VERSION:
            raise ForeignStoreError("made by another version of clipcli")
        others = "SELECT count(*) FROM sqlite_master WHERE type IN ('view', 'trigger')"
        if connection.execute(others).fetchone()[0]:
            raise ForeignStoreError("changed by another program")
    except BaseException:
        connection.close()
        raise
    return connection


def _turn_on_wal(connection: sqlite3.Connection) -> None:
    """Choose write-ahead mode; where the file system has no shared memory, the older one serves.

    Subtle: SQLite does not wait here when another process does the same just now.
    """
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.02)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _make_tables(connection: sqlite3.Connection) -> None:
    with closing(connection.cursor()) as cursor:
        cursor.execute("BEGIN IMMEDIATE")
        try:
            if _version(connection) == 0:  # another process may have been quicker
                for statement in TABLES.split(";"):
                    cursor.execute(statement)
                cursor.execute(f"PRAGMA user_version = {VERSION}")
            cursor.execute("COMMIT")
        except BaseException:
            cursor.execute("ROLLBACK")
            raise
