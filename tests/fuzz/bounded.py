"""One reading at a time, in a process of its own with bounds on memory and time."""

from __future__ import annotations

import contextlib
import os
import pickle
import resource
import signal
import time
import traceback
from collections.abc import Callable
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
    source, sink = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(source)
        _work(read, path, sink)
    os.close(sink)
    begin = time.monotonic()
    with os.fdopen(source, "rb") as answers:
        content = answers.read()
    _, status = os.waitpid(child, 0)
    if not content:
        is_slow = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM
        return Outcome(
            "slow" if is_slow else "killed", f"status {status}", time.monotonic() - begin
        )
    return Outcome(*pickle.loads(content))


def _work(read: Callable[[Path], Any], path: Path, sink: int) -> None:
    before = _peak_bytes()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process, whatever it is doing
    signal.setitimer(signal.ITIMER_REAL, 2 * SECONDS)
    limit = _used_addresses() + ROOM_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    begin = time.process_time()
    kind, words = "read", ""
    with contextlib.redirect_stdout(None), contextlib.redirect_stderr(None):
        try:
            read(path)
        except ClipcliError as error:
            kind, words = "refused", error.message
        except BaseException:
            kind, words = "traceback", traceback.format_exc()
    more = _peak_bytes() - before
    answer = (kind, words[-4000:], time.process_time() - begin, more)
    with os.fdopen(sink, "wb") as answers:
        answers.write(pickle.dumps(answer))
    os._exit(0)


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _used_addresses() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()
