"""Whether a file is still what it was: its state, its content, its place."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from dataclasses import dataclass
from io import BufferedReader
from pathlib import PurePath

from clipcli.errors import ClipcliError, ExitCode
from clipcli.images.files import failure_reason

BLOCK_BYTES = 2**20
_READ_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a pipe that took the file's place does not keep us waiting
)


class RefusedError(ClipcliError):
    """One file that stays where it is; the message is the bare reason."""

    exit_code = ExitCode.SKIPPED


@dataclass(frozen=True, slots=True)
class FileState:
    """What a file's status says of it; times to the nanosecond, as the file system keeps them."""

    size: int
    mtime_ns: int
    mode: int
    device: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> FileState:
        """Take what counts from a status."""
        mode = stat.S_IMODE(status.st_mode)
        return cls(status.st_size, status.st_mtime_ns, mode, status.st_dev, status.st_ino)

    def is_same(self, other: FileState) -> bool:
        """Tell whether this is the same file, unwritten; its permissions may have changed."""
        mine = (self.size, self.mtime_ns, self.device, self.inode)
        return mine == (other.size, other.mtime_ns, other.device, other.inode)


def look(path: str) -> FileState:
    """Return the state of a regular file; a link is not followed.

    Raises
    ------
    RefusedError
        If there is no regular file.
    """
    try:
        status = os.lstat(path)
    except OSError as error:
        raise RefusedError(failure_reason(error, path)) from error
    if stat.S_ISLNK(status.st_mode):
        raise RefusedError("a symbolic link")
    if not stat.S_ISREG(status.st_mode):
        raise RefusedError("not a regular file")
    return FileState.of(status)


def n_links(path: str) -> int:
    """Return how many names a file has; raise :class:`RefusedError` where there is none."""
    try:
        return os.lstat(path).st_nlink
    except OSError as error:
        raise RefusedError(failure_reason(error, path)) from error


def check_unchanged(path: str, state: FileState) -> None:
    """Raise :class:`RefusedError` unless a file is as it was."""
    if not look(path).is_same(state):
        raise RefusedError("changed since it was looked at")


def open_file(path: str) -> BufferedReader:
    """Open a regular file for reading; raise :class:`RefusedError` where there is none."""
    look(path)
    try:
        return open(os.open(path, _READ_FLAGS), "rb")
    except OSError as error:
        raise RefusedError(failure_reason(error, path)) from error


def digest(path: str) -> str:
    """Return the sha256 of a file's content, in hex."""
    with open_file(path) as file:
        try:
            return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise RefusedError(failure_reason(error, path)) from error


def is_beginning(path: str, of: str) -> bool:
    """Tell whether all that a file holds is the beginning of another's content, or all of it."""
    with open_file(path) as part, open_file(of) as whole:
        while block := part.read(BLOCK_BYTES):
            if whole.read(len(block)) != block:
                return False
    return True


def is_relative(path: str) -> bool:
    """Tell whether a path leads down from where it starts, and nowhere else."""
    pure = PurePath(path)
    return not pure.anchor and not pure.drive and ".." not in pure.parts and "\0" not in path


def real_path(path: str) -> str:
    """Return an absolute path without links in the folders above it; what it names may be one."""
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.join(os.path.realpath(folder), name)


def is_within(path: str, folder: str) -> bool:
    """Tell whether a normal path is a folder's, or of something in it."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def place(root: str, relative: str) -> str:
    """Return the path of what lies under a root; no link leads out of it on the way there.

    Raises
    ------
    RefusedError
        If one of the folders on the way is a link now.
    """
    assert is_relative(relative)
    path = os.path.normpath(os.path.join(root, relative))
    folder = path if path == root else os.path.dirname(path)
    if os.path.realpath(folder) != folder:
        raise RefusedError("a folder above it is a symbolic link now")
    return path


def sync_folder(path: str) -> None:
    """Have the names in a folder on the disk, where the system can do that."""
    with contextlib.suppress(OSError):  # Windows opens no folders
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
