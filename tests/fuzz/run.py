"""Change whole files in every way that readers have fallen over, and read them within bounds.

    python -m tests.fuzz.run [--minutes M] [--cases N] [--seed S] [READER ...]

What fails is kept in ``tests/corpus/READER/``, where ``test_corpus.py`` reads it ever after. Ends
with 1 if anything failed. Processes are forked, so it runs on Linux and macOS.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded

from tests.conftest import ROOT
from tests.fuzz.bounded import Outcome, all_in_bounds
from tests.fuzz.mutate import mutants
from tests.fuzz.readers import READERS, Reader, prepare

CORPUS = ROOT / "tests" / "corpus"
KEPT_BYTES = 20_000
TOGETHER = 25  # cases that share a process, one after the other
AT_ONCE = 200  # cases, after which the clock is looked at
SHOWN = 3  # failures in full


@dataclass
class Tally:
    """What became of a reader's cases."""

    kinds: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0  # the longest
    more_bytes: int = 0  # the most
    failures: list[tuple[int, Outcome]] = field(default_factory=list)  # with their seeds

    def add(self, outcome: Outcome, seed: int) -> None:
        self.kinds[outcome.kind] += 1
        self.seconds = max(self.seconds, outcome.seconds)
        self.more_bytes = max(self.more_bytes, outcome.more_bytes)
        if not outcome.is_good:
            self.failures.append((seed, outcome))

    def row(self, name: str) -> str:
        return (
            f"{name:<12} {self.kinds.total():>8,} {self.kinds['read']:>8,} "
            f"{self.kinds['refused']:>8,} {self.seconds:>7.2f} {self.more_bytes / 2**20:>7.0f} "
            f"{len(self.failures):>7,}"
        )


def fuzz(reader: Reader, n_cases: int, seed: int, folder: Path, tally: Tally) -> None:
    """Read so many mutants; failures are kept, and the next is read."""
    cases: list[tuple[str, bytes]] = []

    @seeded(seed)
    @settings(
        max_examples=n_cases,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(mutants(list(reader.seeds())))
    def draw(case: tuple[str, bytes]) -> None:
        cases.append(case)

    draw()
    for begin in range(0, len(cases), TOGETHER):
        _read_some(reader, cases[begin : begin + TOGETHER], seed, folder, tally)


def _read_some(
    reader: Reader, cases: Sequence[tuple[str, bytes]], seed: int, folder: Path, tally: Tally
) -> None:
    paths = []
    for number, (name, content) in enumerate(cases):
        path = folder / reader.name / str(number) / name  # the name may say how a file is read
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        paths.append(path)
    outcomes = all_in_bounds(reader.read, paths)
    shutil.rmtree(folder / reader.name)
    for (name, content), outcome in zip(cases, outcomes, strict=True):
        tally.add(outcome, seed)
        if not outcome.is_good:
            _keep(reader, name, content)


def _keep(reader: Reader, name: str, content: bytes) -> None:
    if len(content) <= KEPT_BYTES:
        folder = CORPUS / reader.name / hashlib.sha256(content).hexdigest()[:8]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("readers", nargs="*", metavar="READER")
    parser.add_argument("--minutes", type=float, help="share them among the readers")
    parser.add_argument("--cases", type=int, default=500, help="for each reader, without --minutes")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    readers = [reader for reader in READERS if not asked.readers or reader.name in asked.readers]
    print(
        f"seed {asked.seed}\n{'reader':<12} {'cases':>8} {'read':>8} {'refused':>8} {'most s':>7}"
        f" {'most MB':>7} {'failed':>7}",
        flush=True,
    )
    n_failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        for reader in readers:
            tally = Tally()
            _share(reader, asked, 60 * (asked.minutes or 0) / len(readers), folder, tally)
            print(tally.row(reader.name), flush=True)
            for seed, outcome in tally.failures[:SHOWN]:
                print(f"  seed {seed}: {outcome}")
            n_failed += len(tally.failures)
    return 1 if n_failed else 0


def _share(
    reader: Reader, asked: argparse.Namespace, seconds: float, folder: Path, tally: Tally
) -> None:
    if asked.minutes is None:
        for begin in range(0, asked.cases, AT_ONCE):
            n = min(AT_ONCE, asked.cases - begin)
            fuzz(reader, n, asked.seed + begin // AT_ONCE, folder, tally)
        return
    end, seed = time.monotonic() + seconds, asked.seed
    while time.monotonic() < end:
        fuzz(reader, 25 if seconds < 60 else AT_ONCE, seed, folder, tally)
        seed += 1


if __name__ == "__main__":
    sys.exit(main())
