"""How much of the processor is ours."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

CPU_INFO_CHARACTERS = (
    8192  # the first processor's part; the whole is slow to make on large machines
)


class _Share:
    """How many cores this process was told to make do with; belongs to the process."""

    n_cores: int | None = None


def share_cores(n_cores: int) -> None:
    """Make do with so many cores: others work on this machine, too."""
    _Share.n_cores = max(1, n_cores)


def usable_cores() -> int:
    """Count the processor cores that this process may use."""
    if _Share.n_cores is not None:
        return min(_Share.n_cores, _cores())
    return _cores()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor_features() -> frozenset[str]:
    """Name what the processor can do, as Linux spells it (``avx2``, ``amx_bf16``)."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:  # noqa: PTH123
            start = file.read(CPU_INFO_CHARACTERS)
    except OSError:  # other systems do not say
        return frozenset()
    lines = (line.partition(":") for line in start.split("\n"))
    names = ("flags", "Features")
    features = next((text for name, _, text in lines if name.strip() in names), "")
    return frozenset(features.split())


class _Gate:
    """How deep we are in writing, and whether somebody knocked; signals belong to the process."""

    depth = 0
    is_pending = False


def take_over() -> None:
    """Let the signals that ask a program to end raise KeyboardInterrupt, outside of :func:`held`.

    Called by the command line, never by the library. A process that ignores a signal (``nohup``,
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
