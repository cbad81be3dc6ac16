"""One run a folder: a second one is kept out while the first lives.

The lock is the operating system's, on an open file, so it ends with the process, however that
ends; the file itself stays and says who had it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from clipcli.errors import OutputError, OutputExistsError

NAME = "run.lock"
FAR = 2**30  # Windows locks bytes and lets nobody read them: one that the file never has


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Keep other runs out of a folder.

    Raises
    ------
    OutputExistsError
        If another run is in it.
    OutputError
        If the folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        file = (out / NAME).open("a+b")
    except OSError as error:
        raise OutputError(f"{out}: {error.strerror or error}") from error
    with file:
        if not _try_lock(file):
            file.seek(0)
            who = file.read().decode("ascii", "replace").strip()
            raise OutputExistsError(
                f"{out}: another training is running in it" + (f" (process {who})" if who else ""),
                hint="wait for it, or choose another --out; several processes train one model "
                "under torchrun",
            )
        with contextlib.suppress(OSError):  # a full disk: who it is is only for the message
            file.truncate(0)
            file.write(f"{os.getpid()}\n".encode("ascii"))
            file.flush()
        yield


def _try_lock(file: BinaryIO) -> bool:
    """Take the lock and tell whether that went well; so it did where nothing can be locked."""
    try:
        import fcntl
    except ImportError:
        return _try_lock_on_windows(file)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network file systems have no locks
        return True
    return True


def _try_lock_on_windows(file: BinaryIO) -> bool:
    import msvcrt

    file.seek(FAR)
    try:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
    except OSError:
        return False
    return True
