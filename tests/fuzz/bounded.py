"""Readings in processes of their own, with bounds on memory and time."""

from __future__ import annotations

import contextlib
import os
import pickle
import resource
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipcli.errors import ClipcliError

SECONDS = 5.0
MORE_BYTES = 200 * 2**20
ROOM_BYTES = 2**30  # of addresses, beyond what is in use: where the kernel stops a reader


@dataclass(frozen=True)
class Outcome:
    """What became of a reading: ``read``, ``refused``, ``traceback``, ``slow`` or ``killed``."""

    kind: str
    words: str = ""
    seconds: float = 0.0
    more_bytes: int = 0

    @property
    def is_good(self) -> bool:
        return (
            self.kind in ("read", "refused")
            and self.seconds <= SECONDS
            and self.more_bytes <= MORE_BYTES
            and "\n" not in self.words
        )


def in_bounds(read: Callable[[Path], Any], path: Path) -> Outcome:
    """Read a file in a child process; what it imports should have been imported before."""
    return all_in_bounds(read, [path])[0]


def all_in_bounds(read: Callable[[Path], Any], paths: Sequence[Path]) -> list[Outcome]:
    """Read files one after the other in a child process, and those behind one that ends it in more.

    To fork takes longer than most readings.
    """
    outcomes: list[Outcome] = []
    while len(outcomes) < len(paths):
        outcomes += _some(read, paths[len(outcomes) :])
    return outcomes


def _some(read: Callable[[Path], Any], paths: Sequence[Path]) -> list[Outcome]:
    """Read files until all are read, or one has ended the process: at least one."""
    source, sink = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(source)
        _work(read, paths, sink)
    os.close(sink)
    outcomes: list[Outcome] = []
    with os.fdopen(source, "rb") as answers, contextlib.suppress(EOFError):
        while True:
            outcomes.append(Outcome(*pickle.load(answers)))
    _, status = os.waitpid(child, 0)
    if len(outcomes) < len(paths):
        is_slow = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM
        outcomes.append(Outcome("slow" if is_slow else "killed", f"status {status}", 2 * SECONDS))
    return outcomes


def _work(read: Callable[[Path], Any], paths: Sequence[Path], sink: int) -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process, whatever it is doing
    limit = _used_addresses() + ROOM_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with os.fdopen(sink, "wb") as answers:
        for path in paths:
            # Of the processor: on a busy machine any reading may take long by the clock.
            signal.setitimer(signal.ITIMER_REAL, 12 * SECONDS)
            before, begin = _peak_bytes(), time.process_time()
            kind, words = _outcome(read, path)
            seconds, more = time.process_time() - begin, _peak_bytes() - before
            answers.write(pickle.dumps((kind, words[-4000:], seconds, more)))
            answers.flush()
    os._exit(0)


def _outcome(read: Callable[[Path], Any], path: Path) -> tuple[str, str]:
    with contextlib.redirect_stdout(None), contextlib.redirect_stderr(None):
        try:
            read(path)
        except ClipcliError as error:
            return "refused", error.message
        except BaseException:
            return "traceback", traceback.format_exc()
    return "read", ""


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _used_addresses() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()
