"""Journals: what a command is about to do to files, on the disk before it does it.

A journal is a file of JSON lines. The first says what is sorted where, or which command is about
to change files under which folders. Each step is recorded before it is taken (``step``) and after
(``done``, or ``void`` where its name was taken); an undo says how it is about to take steps back
(``undo``), and when all are (``undone``). So whenever a run ends, one step at most is uncertain,
and the disk shows which way it went. A line that was cut off is that of a step that was never
taken.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clipcli.errors import InputError, OutputError, UsageError
from clipcli.files import locked
from clipcli.workflows.journal.filestate import sync_folder
from clipcli.workflows.journal.records import (
    MAGIC,
    OF_A_SORT,
    OF_CHANGES,
    Action,
    Log,
    Places,
    parse,
    store_of,
)

STATE_ENVIRONMENT = "CLIPCLI_STATE"
MAX_BYTES = 2 * 1024**3  # of four million files
_OPEN_FLAGS = os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class Journal:
    """An open journal, ours alone as long as it is open."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path, self._handle = path, handle

    def write(self, *records: Mapping[str, Any], is_urgent: bool = True) -> None:
        """Append records; return when they are on the disk, if that is urgent.

        Raises
        ------
        OutputError
            If the journal cannot take them. What they announce must not be done then.
        """
        lines = "".join(json.dumps(record) + "\n" for record in records).encode("ascii")
        try:
            while lines:
                lines = lines[os.write(self._handle, lines) :]
            if is_urgent:
                os.fsync(self._handle)
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def read(self) -> Log:
        """Read all of it, and drop a line at the end that was cut off.

        Raises
        ------
        InputError
            If it is no journal.
        """
        if os.fstat(self._handle).st_size > MAX_BYTES:
            raise InputError(f"{self.path}: is larger than any journal")
        os.lseek(self._handle, 0, os.SEEK_SET)
        with open(self._handle, "rb", closefd=False) as stream:
            content = stream.read()
        whole = content[: content.rfind(b"\n") + 1]
        log = parse(self.path, whole.splitlines())
        if len(whole) < len(content):
            os.ftruncate(self._handle, len(whole))
            os.lseek(self._handle, 0, os.SEEK_END)
        return log

    @property
    def store(self) -> str:
        """Return the folder, for its owner alone, where old contents of files are kept."""
        return store_of(self.path)

    def kept(self, number: int) -> str:
        """Return where what a file held before a step is kept."""
        return os.path.join(self.store, str(number))

    def open_store(self) -> None:
        """Make the folder for what is kept.

        Raises
        ------
        OutputError
            If it cannot be made.
        """
        try:
            os.mkdir(self.store, 0o700)
        except FileExistsError:
            return
        except OSError as error:
            raise _unwritable(self.path, error) from error
        sync_folder(str(self.path.parent))

    def drop_store(self) -> None:
        """Remove what is kept, once nothing can need it."""
        with contextlib.suppress(OSError):  # there is none
            for name in os.listdir(self.store):
                if name.isdecimal():
                    os.unlink(os.path.join(self.store, name))
            os.rmdir(self.store)

    def modified_ns(self) -> int:
        """Return when something was last written to it."""
        return os.fstat(self._handle).st_mtime_ns


def journal_folder() -> Path:
    """Return where journals live: in ``CLIPCLI_STATE``, or the platform's own place for state.

    Raises
    ------
    OutputError
        If the platform has none: a user without a home folder, as in some containers.
    """
    import platformdirs

    chosen = os.environ.get(STATE_ENVIRONMENT)
    folder = Path(chosen or platformdirs.user_state_path("clipcli", appauthor=False))
    if not chosen and not folder.is_absolute():
        raise OutputError(
            "there is no place for journals: the user has no home folder",
            hint=f"set {STATE_ENVIRONMENT} to a folder",
        )
    return folder.absolute() / "sorts"


def is_ours(path: Path) -> bool:
    """Tell whether a journal lies where clipcli puts them, in a folder of the user's alone."""
    try:
        return path.resolve().parent == journal_folder().resolve()
    except (OSError, OutputError):
        return False


def journals() -> list[Path]:
    """Return all journals, the oldest first."""
    folder = journal_folder()
    try:
        return sorted(folder.glob("*.jsonl"))
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror or error}") from error


@contextmanager
def new_journal(places: Places, action: Action, folders: Mapping[str, int]) -> Iterator[Journal]:
    """Yield a journal for a sort that is about to begin.

    Raises
    ------
    OutputError
        If there can be none; nothing may be moved without one.
    """
    facts = {"source": places.source, "into": places.into, "action": action}
    with _begun({"version": OF_A_SORT} | facts | {"folders": dict(folders)}) as journal:
        yield journal


@contextmanager
def new_journal_of(command: str, roots: Sequence[str]) -> Iterator[Journal]:
    """Yield a journal for another command's changes under some folders, given by real paths.

    Raises
    ------
    OutputError
        If there can be none; nothing may be changed without one.
    """
    with _begun({"version": OF_CHANGES, "command": command, "roots": list(roots)}) as journal:
        yield journal


@contextmanager
def _begun(facts: Mapping[str, Any]) -> Iterator[Journal]:
    folder = journal_folder()
    started = datetime.now(UTC)
    path = folder / f"{started:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(3)}.jsonl"
    try:
        prepare_folder(folder)
        handle = os.open(path, _OPEN_FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise _unwritable(path, error) from error
    with _held_open(path, handle) as journal:
        journal.write({"journal": MAGIC, "started": started.isoformat()} | dict(facts))
        sync_folder(str(folder))
        yield journal


@contextmanager
def open_journal(path: Path) -> Iterator[Journal]:
    """Yield a journal that is there.

    Raises
    ------
    InputError
        If it cannot be opened.
    UsageError
        If another process is at work on it.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError(f"{path}: is not a journal of clipcli")
        handle = os.open(path, _OPEN_FLAGS | os.O_APPEND)
    except OSError as error:
        raise InputError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    with _held_open(path, handle) as journal:
        yield journal


@contextmanager
def _held_open(path: Path, handle: int) -> Iterator[Journal]:
    try:
        with locked(path.with_suffix(".lock")) as is_alone:
            if not is_alone:
                raise UsageError(
                    f"{path}: another clipcli is at work on this journal",
                    hint="wait until it has ended",
                )
            yield Journal(path, handle)
    finally:
        os.close(handle)


def prepare_folder(folder: Path) -> None:
    """Make the folder, for its owner alone; refuse one that belongs to somebody else."""
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    if hasattr(os, "getuid"):  # Windows has no owners in this sense
        status = folder.lstat()
        if status.st_uid != os.getuid():
            raise PermissionError(errno.EPERM, "belongs to another user")
        if stat.S_IMODE(status.st_mode) & 0o077 and not stat.S_ISLNK(status.st_mode):
            folder.chmod(0o700)


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{path}: the journal could not be written ({error.strerror or error})",
        hint=f"make room, or set {STATE_ENVIRONMENT} to a folder that can be written",
    )
