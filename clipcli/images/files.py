"""Opening files that may be anything: only regular ones are ever read.

A named pipe would wait for a writer that never comes, and a device may do whatever devices do,
so a path is looked at before it is opened and again through the open file.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from clipcli.errors import ImageError

_NO_WAITING = getattr(os, "O_NONBLOCK", 0)  # where it exists: opening a pipe returns at once
_OPEN_FLAGS = os.O_RDONLY | _NO_WAITING | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)

_IRREGULAR = (
    (stat.S_ISDIR, "a folder, not a file"),
    (stat.S_ISFIFO, "a named pipe, not a file"),
    (stat.S_ISSOCK, "a socket, not a file"),
    (stat.S_ISCHR, "a device, not a file"),
    (stat.S_ISBLK, "a device, not a file"),
)
_REASONS = {
    errno.ENOENT: "no such file or folder",
    errno.ENOTDIR: "no such file or folder",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ENAMETOOLONG: "path is too long",
    errno.ELOOP: "symbolic links go in a circle",
    errno.EMFILE: "too many open files",
    errno.EIO: "cannot be read: input/output error",
}


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a regular file for reading, or raise :class:`ImageError` with the reason."""
    try:
        check_regular(status_of(path))
        descriptor = os.open(path, _OPEN_FLAGS)
    except (OSError, ValueError) as error:
        raise ImageError(failure_reason(error, path)) from error
    try:
        check_regular(os.fstat(descriptor))  # the path may have changed hands in between
    except BaseException:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def status_of(path: str | os.PathLike[str]) -> os.stat_result:
    """Return a path's status, symbolic links followed."""
    return os.stat(path)  # noqa: PTH116 - Path("") would be the current folder


def join(folder: str, name: str) -> str:
    """Return the path of a name in a folder, the folder spelt as the user typed it."""
    return os.path.join(folder, name)  # noqa: PTH118 - Path would drop a leading "./"


def check_regular(status: os.stat_result) -> None:
    """Raise :class:`ImageError` unless the status is a regular file's."""
    if stat.S_ISREG(status.st_mode):
        return
    for is_kind, reason in _IRREGULAR:
        if is_kind(status.st_mode):
            raise ImageError(reason)
    raise ImageError("not a regular file")


def failure_reason(error: OSError | ValueError, path: str | os.PathLike[str]) -> str:
    """Say in a few words why the operating system did not give us the file."""
    if not isinstance(error, OSError):
        return "not a valid path"  # a zero byte, or a character that the system cannot encode
    if error.errno == errno.ENOENT and Path(path).is_symlink():
        return "broken symbolic link"
    reason = _REASONS.get(error.errno or 0)
    return reason or (error.strerror or "cannot be read").lower()
