"""The trash of a Linux desktop: where it is, and what is written there.

After the FreeDesktop.org Trash specification 1.0: a file goes to the trash folder of its own file
system, ``files/NAME``, and ``info/NAME.trashinfo`` says where it was and when it went. File
managers show and restore it. Other systems' trash does not tell where a file has come to lie, so
that nothing could take it back.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from urllib.parse import quote

from clipcli.errors import UsageError
from clipcli.images.files import failure_reason
from clipcli.workflows.journal.changes import Changes
from clipcli.workflows.journal.filestate import FileState, RefusedError, real_path

INFO = ".trashinfo"
MODE = 0o700
NAME_BYTES = 255  # of most file systems


@dataclass(frozen=True, slots=True)
class TrashFolder:
    """A trash folder, which may be yet to be made."""

    path: str
    top: str  # of the file system; "" for the home's own, where paths are absolute

    @property
    def root(self) -> str:
        """Return the nearest folder above it that is there, or itself."""
        return _existing(self.path)

    def note(self, path: str, when: datetime) -> str:
        """Return what is written of a file that goes here, by its real path."""
        where = os.path.relpath(path, self.top) if self.top else path
        escaped = quote(os.fsencode(where), safe="/")
        return f"[Trash Info]\nPath={escaped}\nDeletionDate={when:%Y-%m-%dT%H:%M:%S}\n"


def check_trash() -> None:
    """Refuse systems whose trash does not say where a file has gone.

    Raises
    ------
    UsageError
    """
    if os.name != "posix" or sys.platform == "darwin":
        raise UsageError(
            "--trash: this system's trash does not say where it puts a file, so `clipcli undo` "
            "could not bring it back",
            hint="--move DIR puts them into a folder of yours",
        )


def trash_for(path: str) -> TrashFolder:
    """Return the trash folder for a file.

    Raises
    ------
    RefusedError
        If its file system can have none.
    """
    try:
        return _trash_for(os.path.dirname(real_path(path)))
    except OSError as error:  # the folder is gone, or one above it may not be looked into
        raise RefusedError(failure_reason(error, path)) from error


def _trash_for(folder: str) -> TrashFolder:
    device = os.stat(folder).st_dev
    home = home_trash()
    if os.stat(_existing(home)).st_dev == device:
        return _checked(TrashFolder(home, ""))
    top = folder
    while os.path.dirname(top) != top and os.stat(os.path.dirname(top)).st_dev == device:
        top = os.path.dirname(top)
    shared = os.path.join(top, ".Trash")
    if _is_shared(shared):
        return _checked(TrashFolder(os.path.join(shared, str(os.getuid())), top))
    return _checked(TrashFolder(os.path.join(top, f".Trash-{os.getuid()}"), top))


def home_trash() -> str:
    """Return the trash folder in the user's home, as the XDG base directories say.

    Raises
    ------
    RefusedError
        If there is no home.
    """
    data = os.environ.get("XDG_DATA_HOME", "")
    if not os.path.isabs(data):
        try:
            data = str(Path.home() / ".local" / "share")
        except RuntimeError as error:
            raise RefusedError("there is no trash: the user has no home folder") from error
    return os.path.join(os.path.realpath(data), "Trash")


def put(
    changes: Changes,
    trash: TrashFolder,
    path: str,
    state: FileState,
    sha256: str = "",
    now: Callable[[], datetime] = datetime.now,
) -> str:
    """Put a file into the trash; returns where it lies now.

    Raises
    ------
    RefusedError
        If it stays where it is.
    OutputError
        If the trash or the journal can take no more.
    """
    for folder in (trash.path, os.path.join(trash.path, "files"), os.path.join(trash.path, "info")):
        changes.make_folder(folder, MODE)
    path = real_path(path)
    text = trash.note(path, now())  # in local time, as the specification says
    for name in _names(os.path.basename(path)):
        target = os.path.join(trash.path, "files", name)
        info = os.path.join(trash.path, "info", name + INFO)
        if changes.trash(path, target, (info, text), state, sha256):
            return target
    raise AssertionError("there is always a free name")


def _names(name: str) -> Iterator[str]:
    """Yield a name, and others of its kind: ``a.jpg``, ``a.2.jpg``."""
    stem, ending = os.path.splitext(name)
    for number in count(1):
        mark = "" if number == 1 else f".{number}"
        room = NAME_BYTES - len(os.fsencode(mark + ending + INFO))
        while len(os.fsencode(stem)) > room:
            stem = stem[:-1]
        yield stem + mark + ending


def _existing(path: str) -> str:
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    return path


def _is_shared(folder: str) -> bool:
    """Tell whether an administrator has made a trash for all: a folder, and sticky."""
    try:
        mode = os.lstat(folder).st_mode
    except OSError:
        return False
    return stat.S_ISDIR(mode) and bool(mode & stat.S_ISVTX)


def _checked(trash: TrashFolder) -> TrashFolder:
    """Refuse a trash folder that is none, or another user's, or cannot be made."""
    root = trash.root
    status = os.lstat(root)
    is_there = root == trash.path
    if is_there and (not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid()):
        raise RefusedError(f"the trash {root} is not a folder of yours: --move DIR instead")
    if not os.access(root, os.W_OK | os.X_OK):
        raise RefusedError(f"there can be no trash on its file system ({trash.path}): --move DIR")
    return trash
