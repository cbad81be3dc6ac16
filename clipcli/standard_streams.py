"""Standard streams that are closed, full or broken: results are never lost without a word."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Any

from clipcli.errors import OutputError

STANDARD = (0, 1, 2)  # the descriptors of input, output and error


def secure() -> None:
    """Make all three streams safe to use, before anything is opened.

    Subtle: the first file that is opened gets the lowest free number. With standard error closed
    (``2>&-``), a result file would be number 2, and libraries would write their messages into it.
    """
    for number in STANDARD:
        try:
            os.fstat(number)
        except OSError:
            _fill(number)
    if sys.stdout is None:
        sys.stdout = io.TextIOWrapper(ClosedOutput(), encoding="utf-8", write_through=True)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - to the end
    else:
        _forgive_standard_error()


def release() -> None:
    """Drop what cannot be written, which was reported: at its end Python would try again."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, OutputError):
            with contextlib.suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())


def _fill(number: int) -> None:
    """Put the null device in the place of a closed descriptor."""
    with contextlib.suppress(OSError):
        opened = os.open(os.devnull, os.O_RDWR)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)


class ClosedOutput(io.BufferedIOBase):
    """Standard output that the shell closed: writing to it is an error, as it is to a full disk."""

    def writable(self) -> bool:
        """Tell that writing can be tried."""
        return True

    def write(self, _content: Any) -> int:
        """Refuse.

        Raises
        ------
        OutputError
        """
        raise OutputError("standard output: closed", hint="leave it open, or use -o FILE")


class Forgiving(io.RawIOBase):
    """Standard error that may be full or gone: notes are lost then, and nothing else is."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def writable(self) -> bool:
        """Tell that it can be written to."""
        return True

    def isatty(self) -> bool:
        """Tell whether a person reads it."""
        return bool(self._raw.isatty())

    def fileno(self) -> int:
        """Return the descriptor."""
        return int(self._raw.fileno())

    def write(self, content: Any) -> int:
        """Write, or let go of what cannot be written."""
        with contextlib.suppress(OSError):
            written = self._raw.write(content)
            return len(content) if written is None else int(written)
        return len(content)


def _forgive_standard_error() -> None:
    stream: Any = sys.stderr
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)  # without buffering there is none in between
    if not isinstance(raw, io.RawIOBase):  # somebody has put something else there
        return
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(Forgiving(raw)),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=True,
    )
