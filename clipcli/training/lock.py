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

from clipcli.errors import OutputError, OutputExistsError
from clipcli.files import locked as file_lock
from clipcli.files import open_regular

NAME = "run.lock"
MAX_DIGITS = 20


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
    path = out / NAME
    try:
        out.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        raise OutputError(f"{out}: {error.strerror or error}") from error
    with file_lock(path) as is_alone:
        if not is_alone:
            who = _who(path)
            raise OutputExistsError(
                f"{out}: another training is running in it" + (f" (process {who})" if who else ""),
                hint="wait for it, or choose another --out; several processes train one model "
                "under torchrun",
            )
        with contextlib.suppress(OSError):  # a full disk: who it is is only for the message
            path.write_text(f"{os.getpid()}\n", encoding="ascii")
        yield


def _who(path: Path) -> str:
    """Return the number of the process that has the folder, if it can be read: not on Windows."""
    with contextlib.suppress(OSError), open_regular(path) as file:
        who = file.read(MAX_DIGITS).decode("ascii", "replace").strip()
        return who if who.isdecimal() else ""
    return ""
