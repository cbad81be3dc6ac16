"""Replacing a file whole: what is new lies beside it first, then takes its name.

Readers see the old file or the new one, and never half of either. What was begun and did not come
to its end has a name of its own (``.clipcli-`` and 16 digits), which the journal knows.
"""

from __future__ import annotations

import contextlib
import os
import secrets

from clipcli.workflows.journal import transfer
from clipcli.workflows.journal.filestate import FileState, check_unchanged, look, sync_folder

_NEW_MODE = 0o666  # less what the user's umask takes away


def new_temporary() -> str:
    """Return a name that no file has; a record of the journal takes it."""
    return f".clipcli-{secrets.token_hex(8)}"


def beside(path: str, temporary: str) -> str:
    """Return the path of a temporary file beside another."""
    return os.path.join(os.path.dirname(path), temporary)


def rewrite(path: str, content: bytes, state: FileState | None, temporary: str) -> None:
    """Give a file another content and the time of now, or make one where there is none.

    Raises
    ------
    FileExistsError
        If there was to be no file, and there is one; nothing has happened then.
    RefusedError
        If the file is not what it was.
    OSError
        If the place cannot take it; the file is as it was then.
    """
    new = beside(path, temporary)
    try:
        if state is None:
            transfer.write_new(new, content, _NEW_MODE)
            os.close(os.open(path, transfer.CLAIM_FLAGS, transfer.CLAIM_MODE))
            try:
                os.replace(new, path)
            except OSError:
                os.unlink(path)
                raise
        else:
            transfer.write_new(new, content)
            transfer.keep_metadata(path, new)
            os.utime(new)
            check_unchanged(path, state)
            os.replace(new, path)
        sync_folder(os.path.dirname(path))
    finally:
        _discard(new)


def relink(path: str, kept: str, state: FileState, kept_state: FileState, temporary: str) -> None:
    """Replace a file by a hard link to another; raises as :func:`rewrite` does."""
    new = beside(path, temporary)
    try:
        os.link(kept, new)
        check_unchanged(kept, kept_state)
        check_unchanged(path, state)
        os.replace(new, path)
        sync_folder(os.path.dirname(path))
    finally:
        _discard(new)


def restore(path: str, content: str, sha256: str, state: FileState, temporary: str) -> None:
    """Make a file what it was: the content of another, its own time and permissions.

    ``content`` may be the file itself: then it is no link to others any more.
    """
    new = beside(path, temporary)
    current = look(path)
    try:
        transfer.copy(content, new, look(content), sha256)
        with contextlib.suppress(OSError):  # a file system without permissions
            os.chmod(new, state.mode)
        with contextlib.suppress(OSError, OverflowError):  # a time that this file system has not
            os.utime(new, ns=(os.lstat(new).st_atime_ns, state.mtime_ns))
        check_unchanged(path, current)
        os.replace(new, path)
        sync_folder(os.path.dirname(path))
    finally:
        _discard(new)


def sweep(path: str, temporary: str) -> None:
    """Remove what a run that was killed had begun to write beside a file."""
    _discard(beside(path, temporary))


def _discard(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
