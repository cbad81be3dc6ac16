"""New labels for pictures whose vectors are cached: seconds, and whether torch was imported.

``python tests/benchmarks/bench_warm.py [--counts 1000 50000] [--rounds 5]``

Each round brings ten labels that nobody has asked for before. Small pictures serve as well as large
ones, since none is opened. "One label more" adds one to a set of a hundred that is cached.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import inputs
import measure
from bench_memory import many

WORDS = ["red", "blue", "old", "new", "tall", "wet", "dry", "lazy", "proud", "tiny"]


def seconds(folder: Path, labels: str, cache: Path) -> float:
    """Classify with those labels; torch must not be imported."""
    command = [*measure.CLIPCLI, "classify", folder, "--labels", labels, "--model", "mini"]
    watched = [*command[:1], "-X", "importtime", *command[1:]]
    environment = {"CLIPCLI_CACHE": str(cache)}
    done = measure.run([*command, "--quiet"], **environment)
    assert not re.search(r"\| +torch$", measure.run(watched, **environment).notes, re.MULTILINE)
    return done.seconds


def encoded(folder: Path, labels: list[str], cache: Path) -> int:
    """Return how many labels were encoded."""
    command = [*measure.CLIPCLI, "classify", folder, "--labels", ", ".join(labels), "-v"]
    notes = measure.run([*command, "--model", "mini"], CLIPCLI_CACHE=str(cache)).notes
    return int(re.findall(r"(\d+) encoded", notes)[0])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--counts", type=int, nargs="+", default=[1_000, 50_000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=inputs.FOLDER)
    options = parser.parse_args()
    cache = options.folder / "warm-cache"
    rows = []
    for n in options.counts:
        folder = many(n, options.folder)
        command = [*measure.CLIPCLI, "classify", folder, "--labels", "demo", "--model", "mini"]
        measure.run([*command, "--quiet"], CLIPCLI_CACHE=str(cache))
        stamp = int(cache.stat().st_mtime_ns) + n
        news = [", ".join(f"{word} {stamp + i}" for word in WORDS) for i in range(options.rounds)]
        times = [seconds(folder, labels, cache) for labels in news]
        rows.append([f"{n:,}", measure.middle(times, 2), "no"])
    print(measure.table(["pictures", "new labels, seconds", "torch imported"], rows))
    few = many(options.counts[0], options.folder)
    hundred = [f"thing number {i}" for i in range(100)]
    encoded(few, hundred, cache)
    print(f"One label more in a set of 100: {encoded(few, [*hundred, 'one more'], cache)} encoded.")


if __name__ == "__main__":
    main()
