"""Journals: what a sort is about to do, on the disk before it does it.

A journal is a file of JSON lines. The first says what is sorted where. Each step is recorded before
it is taken (``step``) and after (``done``, or ``void`` where its name was taken); an undo says how
it is about to take steps back (``undo``), and when all are (``undone``). So whenever a sort ends,
one step at most is uncertain, and the disk shows which way it went. A line that was cut off is that
of a step that was never taken.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clipcli.errors import InputError, OutputError, UsageError
from clipcli.files import locked
from clipcli.workflows.journal.filestate import sync_folder
from clipcli.workflows.journal.records import MAGIC, VERSION, Action, Log, Places, parse

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
    folder = journal_folder()
    started = datetime.now(UTC)
    path = folder / f"{started:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(3)}.jsonl"
    try:
        prepare_folder(folder)
        handle = os.open(path, _OPEN_FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise _unwritable(path, error) from error
    with _held_open(path, handle) as journal:
        header = {"journal": MAGIC, "version": VERSION, "started": started.isoformat()}
        facts = {"source": places.source, "into": places.into, "action": action}
        journal.write(header | facts | {"folders": dict(folders)})
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
