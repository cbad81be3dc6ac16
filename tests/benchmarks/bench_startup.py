"""How long each command takes to say something, against Python that does nothing.

Run by hand: ``python tests/benchmarks/bench_startup.py``; half a minute. All commands run in turns,
so that a busy moment of the machine meets all of them. Promised: no command's ``--help``, and
none of the lists, takes more than 120 ms longer than bare Python.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

ROUNDS = 5
PROMISED_MS = 120
LISTS = (["labels", "list"], ["models", "list"], ["cache", "info"])


def all_commands() -> Iterator[list[str]]:
    """Yield every command's request for help, and the lists."""
    import typer

    from clipcli.cli.app import app

    yield ["--help"]
    for name in _names(typer.main.get_command(app)):
        yield [name, "--help"]
    yield from LISTS


def _names(group: Any) -> list[str]:
    return list(group.commands)


def milliseconds(arguments: list[str], environment: dict[str, str]) -> float:
    """Return how long a Python process with these arguments lives."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments], env=environment, check=True, stdout=subprocess.DEVNULL
    )
    return (time.perf_counter() - start) * 1000


def markdown() -> str:
    """Measure, and return a table for RESULTS.md."""
    commands = list(all_commands())
    bare: list[float] = []
    beyond: list[list[float]] = [[] for _ in commands]
    with tempfile.TemporaryDirectory() as scratch:
        environment = os.environ | {"CLIPCLI_CACHE": scratch, "CLIPCLI_MODELS": scratch}
        for _ in range(ROUNDS):
            bare.append(milliseconds(["-c", "pass"], environment))
            for command, times in zip(commands, beyond, strict=True):
                took = milliseconds(["-m", "clipcli", *command], environment)
                times.append(took - bare[-1])
    rows = [
        f"| `clipcli {' '.join(command)}` | {statistics.median(times):.0f} "
        f"({min(times):.0f} to {max(times):.0f}) | "
        f"{'yes' if statistics.median(times) <= PROMISED_MS else 'no'} |"
        for command, times in zip(commands, beyond, strict=True)
    ]
    head = f"| bare Python: {statistics.median(bare):.0f} ms | beyond it, ms (median, least, most) "
    return "\n".join([f"{head}| at most {PROMISED_MS} |", "|---|---|---|", *rows])


if __name__ == "__main__":
    print(markdown())
