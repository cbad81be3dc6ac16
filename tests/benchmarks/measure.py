"""Timing of whole programs: contenders take turns, so a busy machine disturbs all alike.

A ratio is the median of the rounds' ratios, and its spread is their least and greatest.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CLIPCLI = (sys.executable, "-m", "clipcli")
PEERS = ROOT / "tests" / "benchmarks" / "peers"


@dataclass(frozen=True)
class Finished:
    """What a program needed, and what it said."""

    seconds: float
    processor_s: float  # of it and all that it started
    peak_mb: float  # resident, of the process itself
    output: str
    notes: str


def run(command: Sequence[object], **environment: str) -> Finished:
    """Run a program to its end; it must succeed, or have skipped some inputs (5)."""
    # A peer may lie in a folder of its own (PEERS_PATH): no part of what we install.
    paths = [str(ROOT), *filter(None, [os.environ.get("PEERS_PATH")])]
    settings = os.environ | {"PYTHONPATH": os.pathsep.join(paths)} | environment
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as notes:
        start = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command], stdout=output, stderr=notes, env=settings, cwd=ROOT
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        notes.seek(0)
        told = output.read().decode(), notes.read().decode()
    if process.returncode not in (0, 5):
        raise SystemExit(f"{command} failed with {process.returncode}:\n{told[1][-2000:]}")
    return Finished(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, *told)


Rounds = list[dict[str, float]]  # each contender's figure
PROCESSOR = ", processor"  # after a name: processor seconds, which a busy machine disturbs less


def rounds(
    contenders: Mapping[str, Callable[[], float | Finished]],
    n: int,
    kept: Path | None = None,
    most_s: float = float("inf"),
) -> Rounds:
    """Let everybody run once a round; earlier rounds that are kept in a file count as well.

    After the first round, none begins that would go on for longer than ``most_s`` in all.
    """
    done: Rounds = []
    if kept is not None and kept.exists():
        done = json.loads(kept.read_text(encoding="utf-8"))
    start = time.perf_counter()
    for i in range(1, n + 1):
        done.append(_one_round(contenders))
        if kept is not None:
            kept.write_text(json.dumps(done), encoding="utf-8")
        if (time.perf_counter() - start) * (i + 1) / i > most_s:
            break
    return done


def _one_round(contenders: Mapping[str, Callable[[], float | Finished]]) -> dict[str, float]:
    one: dict[str, float] = {}
    for name, contender in contenders.items():
        figure = contender()
        if isinstance(figure, Finished):
            one[name + PROCESSOR] = figure.processor_s
            figure = figure.seconds
        one[name] = figure
        print(f"  {name}: {figure:.3f}", file=sys.stderr, flush=True)
    return one


def column(done: Rounds, name: str) -> list[float]:
    """Return one contender's figures."""
    return [one[name] for one in done if name in one]


def middle(values: Sequence[float], digits: int = 1) -> str:
    """Tell the median and the spread."""
    if not values:
        return ""
    low, high = min(values), max(values)
    return f"{statistics.median(values):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def ratio(done: Rounds, name: str, other: str) -> str:
    """Tell how many times the other's figure this one's is, round by round."""
    both = [one for one in done if name in one and other in one]
    return middle([one[name] / one[other] for one in both], 2)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
