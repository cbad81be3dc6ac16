"""Ledgers: which files a watch has dealt with, on the disk, so that none is taken twice.

A file is known by device, inode, size and time of its last change, not by its name: one that is
renamed stays the same, one that is written to is another. A ledger is a file of JSON lines; a line
that was cut off is dropped.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal, TypeAlias

from clipcli.errors import OutputError, UsageError
from clipcli.files import locked
from clipcli.strict_json import Bounds, parse_json

# begun: a command was about to run; done: handled, whatever came of it; journal: where moves stand.
Kind: TypeAlias = Literal["begun", "done", "journal"]
LINE = Bounds(n_bytes=2**17, items=10)


class Ledger:
    """An open ledger, ours alone as long as it is open."""

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        self.path, self._stream = path, stream
        self._done: set[str] = set()
        self._aside: set[str] = set()
        self._begun: dict[str, str] = {}
        self.journal: str | None = None
        whole = 0
        for line in iter(lambda: stream.readline(LINE.n_bytes), b""):
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            self._take_in(line)
        stream.seek(whole)
        stream.truncate()

    def knows(self, key: str) -> bool:
        """Tell whether a file was dealt with, or a command was started for it."""
        return key in self._done or key in self._begun or key in self._aside

    def put_aside(self, key: str) -> None:
        """Have a file pass for known until this ledger is closed; the next watch tries it again."""
        self._aside.add(key)

    @property
    def uncertain(self) -> dict[str, str]:
        """Files whose command had begun when the watch ended, by key, with their paths."""
        return dict(self._begun)

    def write(self, kind: Kind, value: str, path: str = "", *, is_urgent: bool = True) -> None:
        """Add a line; return when it is on the disk, if that is urgent.

        Raises
        ------
        OutputError
            If it cannot be written. What it announces must not be done then.
        """
        line = json.dumps({kind: value, "path": path}).encode("ascii") + b"\n"
        try:
            self._stream.write(line)
            self._stream.flush()
            if is_urgent:
                os.fsync(self._stream.fileno())
        except OSError as error:
            raise _unwritable(self.path, error) from error
        self._take_in(line)

    def _take_in(self, line: bytes) -> None:
        try:
            record = parse_json(line, LINE)
        except ValueError:  # a damaged line; the file it told of is looked at again
            return
        if not isinstance(record, dict):
            return
        match record:
            case {"done": str(key)}:
                self._done.add(key)
                self._begun.pop(key, None)
            case {"begun": str(key), "path": str(path)}:
                self._begun[key] = path
            case {"journal": str(path)}:
                self.journal = path


@contextmanager
def open_ledger(folder: Path, watched: str, purpose: str) -> Iterator[Ledger]:
    """Yield the ledger of a watch over a folder for a purpose; it is made if there is none.

    Raises
    ------
    UsageError
        If the same watch runs already.
    OutputError
        If it cannot be written.
    """
    named = hashlib.sha256(os.fsencode(f"{watched}\0{purpose}")).hexdigest()[:16]
    path = folder / f"{named}.jsonl"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        stream = path.open("r+b")
    except OSError as error:
        raise _unwritable(path, error) from error
    with stream, locked(path.with_suffix(".lock")) as is_alone:
        if not is_alone:
            raise UsageError(
                f"{watched}: another clipcli watches it for the same purpose",
                hint="end that one first",
            )
        yield Ledger(path, stream)


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{path}: what was done cannot be noted ({error.strerror or error})",
        hint="make room, or set CLIPCLI_STATE to a folder that can be written",
    )
