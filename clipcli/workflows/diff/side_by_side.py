"""Two runs side by side, in a temporary database: memory does not grow with the pictures.

SQLite keeps it in memory as long as it is small, spills to a file of its own where it is not, and
removes that at the end; it sorts and joins in the same bounds.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from clipcli.errors import InputError, OutputError
from clipcli.output.reader import Entry

CACHE_KB = 65_536  # of the database in memory
TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA temp_store = FILE;
CREATE TABLE first (place INTEGER PRIMARY KEY, path BLOB, said BLOB);
CREATE TABLE second (place INTEGER PRIMARY KEY, path BLOB, said BLOB);
CREATE TABLE change (kind INTEGER, weight REAL, place INTEGER, before BLOB, after BLOB);
"""
# What both say alike is no change, whatever is asked, and does not leave the database.
IN_FIRST = """
SELECT first.place, first.said, second.said FROM first LEFT JOIN second ON second.path = first.path
WHERE second.said IS NOT first.said ORDER BY first.path
"""
ONLY_IN_SECOND = """
SELECT second.place, NULL, second.said FROM second LEFT JOIN first ON first.path = second.path
WHERE first.path IS NULL
"""
IN_BOTH = "SELECT count(*) FROM first JOIN second ON second.path = first.path"


class SideBySide:
    """Entries of two runs, matched by path, and afterwards the changes in order."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(f"PRAGMA cache_size = -{CACHE_KB};{TABLES}")
        self._counts: dict[str, int] = {}

    def fill(
        self, side: str, source: str, entries: Iterable[Entry], name_of: Callable[[str], str]
    ) -> int:
        """Take all of a run; ``side`` is "first" or "second"; return how many there are.

        Raises
        ------
        InputError
            If a path appears twice.
        OutputError
            If the temporary folder is full.
        """
        assert side in ("first", "second")
        rows = ((_key(name_of(entry.path)), _packed(entry)) for entry in entries)
        with _told():
            self._database.execute("BEGIN")
            self._database.executemany(f"INSERT INTO {side} (path, said) VALUES (?, ?)", rows)  # noqa: S608
            self._database.execute("COMMIT")
            try:
                self._database.execute(f"CREATE UNIQUE INDEX {side}_path ON {side} (path)")
            except sqlite3.IntegrityError as error:
                again = f"SELECT path FROM {side} GROUP BY path HAVING count(*) > 1 LIMIT 1"  # noqa: S608
                (path,) = self._database.execute(again).fetchone()
                raise InputError(
                    f"{source}: {_path(path)!r} appears twice",
                    hint="compare one run with one other",
                ) from error
            (n,) = self._database.execute(f"SELECT count(*) FROM {side}").fetchone()  # noqa: S608
        self._counts[side] = int(n)
        return int(n)

    def n_in_both(self) -> int:
        """Count the pictures that are in both runs."""
        return int(self._database.execute(IN_BOTH).fetchone()[0])

    def differing(self) -> Iterator[tuple[int, Entry | None, Entry | None]]:
        """Yield what the runs say of each picture that they do not say the same of.

        The number is the picture's place: of the first run, behind it of the second.
        """
        for query, before in ((IN_FIRST, 0), (ONLY_IN_SECOND, self._counts["first"])):
            with _told():
                for place, first, second in self._database.execute(query):
                    yield before + place, _entry(first), _entry(second)

    def keep(self, changes: Iterable[tuple[int, float, int, Entry | None, Entry | None]]) -> None:
        """Keep changes: the number of their kind, weight, place, and what was said."""
        rows = (
            (kind, weight, place, _packed(first), _packed(second))
            for kind, weight, place, first, second in changes
        )
        with _told():
            self._database.execute("BEGIN")
            self._database.executemany("INSERT INTO change VALUES (?, ?, ?, ?, ?)", rows)
            self._database.execute("COMMIT")

    def counts(self) -> dict[int, int]:
        """Return how many changes there are, by the number of their kind."""
        return dict(self._database.execute("SELECT kind, count(*) FROM change GROUP BY kind"))

    def kept(self) -> Iterator[tuple[int, Entry | None, Entry | None]]:
        """Yield the changes by kind, then weight, then place; as often as it is asked for."""
        query = "SELECT kind, before, after FROM change ORDER BY kind, weight, place"
        with _told():
            for kind, first, second in self._database.execute(query):
                yield kind, _entry(first), _entry(second)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise OutputError(
            f"the temporary folder: {error}", hint="make room there, or set TMPDIR to another"
        ) from error


def _key(path: str) -> bytes:
    return path.encode("utf-8", "surrogatepass")


def _path(key: bytes) -> str:
    return key.decode("utf-8", "surrogatepass")


def _packed(entry: Entry | None) -> bytes | None:
    if entry is None:
        return None
    # In ASCII, since names need not be UTF-8. Not by astuple, which copies each value deeply.
    said = (entry.path, entry.reason, entry.label, entry.probability, entry.decision, entry.labels)
    return json.dumps(said).encode("ascii")


def _entry(said: bytes | None) -> Entry | None:
    if said is None:
        return None
    path, reason, label, probability, decision, labels = json.loads(said)  # as _packed wrote it
    several = None if labels is None else tuple(labels)
    return Entry(path, reason, label, probability, decision, several)
