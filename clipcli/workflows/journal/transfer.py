"""Getting one file to its new place without ever writing over another.

A name is claimed by making an empty file that must not exist before; only then is something renamed
onto it. What is copied is on the disk and compared before its original may go.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil

from clipcli.images.files import failure_reason
from clipcli.workflows.journal.filestate import (
    BLOCK_BYTES,
    FileState,
    RefusedError,
    check_unchanged,
    digest,
    open_file,
    sync_folder,
)

CLAIM_MODE = 0o600  # nobody else reads what is half there
CLAIM_FLAGS = (
    os.O_CREAT
    | os.O_EXCL
    | os.O_WRONLY
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
)


def move(source: str, target: str, state: FileState, sha256: str) -> None:
    """Move a file to a name that is free.

    Raises
    ------
    FileExistsError
        If the name is taken; nothing has happened then.
    RefusedError
        If the file is not what it was, or cannot be read.
    OSError
        If the place cannot take it; what was begun is removed.
    """
    with _Claim(target, source) as claim:
        check_unchanged(source, state)
        try:
            os.replace(source, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            claim.fill(source, sha256)
            check_unchanged(source, state)
            os.unlink(source)
        claim.is_kept = True


def copy(source: str, target: str, state: FileState, sha256: str) -> None:
    """Copy a file, with its times and permissions, to a name that is free; raises like move."""
    with _Claim(target, source) as claim:
        claim.fill(source, sha256)
        check_unchanged(source, state)
        claim.is_kept = True


class _Claim:
    """A name that is ours; unless it is to be kept, the file under it goes again."""

    def __init__(self, path: str, source: str) -> None:
        self._path, self._source = path, source
        self._handle = os.open(path, CLAIM_FLAGS, CLAIM_MODE)
        self._empty: os.stat_result | None = os.fstat(self._handle)  # None: it has been written to
        self.is_kept = False

    def __enter__(self) -> _Claim:
        os.close(self._handle)  # Windows renames nothing onto a file that is open
        return self

    def __exit__(self, *_: object) -> None:
        # However it came about: what may be the only one is not removed. A file that is empty as it
        # was made is no one's: the source went elsewhere, by another program's doing.
        with contextlib.suppress(OSError):
            if not self.is_kept and (os.path.lexists(self._source) or self._is_as_made()):
                os.unlink(self._path)

    def _is_as_made(self) -> bool:
        return self._empty is not None and os.path.samestat(self._empty, os.lstat(self._path))

    def fill(self, source: str, sha256: str) -> None:
        """Write the source's content, metadata last, and compare what came to lie on the disk."""
        self._empty = None
        handle = os.open(self._path, os.O_WRONLY | getattr(os, "O_BINARY", 0))
        try:
            copied = _pour(source, handle)
            os.fsync(handle)
        finally:
            os.close(handle)
        if copied != sha256:
            raise RefusedError("changed while it was being copied")
        if digest(self._path) != sha256:
            raise OSError(errno.EIO, "what was written is not what was read")
        keep_metadata(source, self._path)
        sync_folder(os.path.dirname(self._path))


def keep_metadata(source: str, target: str) -> None:
    """Give a copy the owner, times, permissions and attributes of its original."""
    status = os.lstat(source)
    if hasattr(os, "chown"):
        with contextlib.suppress(OSError):  # only who may do everything gives files away
            os.chown(target, status.st_uid, status.st_gid)
    with contextlib.suppress(OSError):  # a file system without permissions or attributes
        shutil.copystat(source, target, follow_symlinks=False)
    with contextlib.suppress(OSError):
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def _pour(source: str, handle: int) -> str:
    """Copy a file's content into an open one; returns its sha256."""
    hasher = hashlib.sha256()
    with open_file(source) as file:
        while block := _read(file.fileno(), source):
            hasher.update(block)
            write_all(handle, block)
    return hasher.hexdigest()


def write_new(path: str, content: bytes, mode: int = CLAIM_MODE) -> None:
    """Write a file that must not be there; return when it is on the disk.

    Raises
    ------
    OSError
        Then nothing of ours is left there.
    """
    handle = os.open(path, CLAIM_FLAGS, mode)
    try:
        try:
            write_all(handle, content)
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError:
        os.unlink(path)
        raise


def write_all(handle: int, content: bytes) -> None:
    """Write to an open file until all is written."""
    view = memoryview(content)
    while view:
        view = view[os.write(handle, view) :]


def _read(handle: int, path: str) -> bytes:
    try:
        return os.read(handle, BLOCK_BYTES)
    except OSError as error:  # of the source, not of the place that it goes to
        raise RefusedError(failure_reason(error, path)) from error
