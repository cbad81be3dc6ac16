"""This file knows about Ctrl-C: it ends a run between two results, never in the middle of one.

Python raises KeyboardInterrupt wherever it happens to be, also between the two halves of a record.
Whoever writes does so inside :func:`held`; an interrupt that comes meanwhile is raised at its end.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class _Gate:
    """How deep we are in writing, and whether somebody knocked; signals belong to the process."""

    depth = 0
    is_pending = False


def take_over() -> None:
    """Let the signals that ask a program to end raise KeyboardInterrupt, outside of :func:`held`.

    Called by the command line, never by the library. What was told to ignore a signal (``nohup``,
    a shell's background job) keeps ignoring it.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) in (
            signal.SIG_DFL,
            signal.default_int_handler,
        ):
            signal.signal(number, _knock)


def _knock(number: int, frame: FrameType | None) -> None:
    # The second knock comes in: a write may hang, on a pipe that nobody reads.
    if _Gate.depth and not _Gate.is_pending:
        _Gate.is_pending = True
        return
    _Gate.is_pending = False
    raise KeyboardInterrupt


@contextmanager
def held() -> Iterator[None]:
    """Keep interrupts waiting until the block is done."""
    _Gate.depth += 1
    try:
        yield
    finally:
        _Gate.depth -= 1
    if _Gate.is_pending and not _Gate.depth:
        _Gate.is_pending = False
        raise KeyboardInterrupt
