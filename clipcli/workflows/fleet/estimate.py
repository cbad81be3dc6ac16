"""What a run would take: a few pictures are done here, and the rest is a matter of counting."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from clipcli.errors import several
from clipcli.workflows.fleet.begin import EarlyStart
from clipcli.workflows.fleet.run import parts_done
from clipcli.workflows.fleet.worker import Worker

SAMPLE_S = 10.0
SAMPLE = 512  # pictures at most
BURST_S = 0.005  # between rows of the same batch


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is left to do, and how long one worker such as this machine would take."""

    n_shards: int
    n_left: int
    n_units: int  # that are left, as far as they were counted
    n_uncounted: int  # shards that are left, and were not looked into
    n_bytes: int  # that are left to read
    per_s: float | None  # pictures that this machine does; None: there was nothing to measure

    @property
    def hours(self) -> float | None:
        """How long one worker takes for what was counted."""
        return self.n_units / self.per_s / 3600 if self.per_s else None

    def lines(self, n_workers: int) -> Iterator[str]:
        """Say it in words."""
        n_done = self.n_shards - self.n_left
        yield f"{several(self.n_shards, 'shard')}, {n_done:,} done"
        if self.n_bytes:
            yield f"{self.n_bytes / 1e9:,.3f} GB are left to read"
        if self.n_units:
            counted = several(self.n_units, "input")
            yield f"{counted} left, as far as they are counted (of a tar, all members)"
        if self.n_uncounted:
            yield f"the members of {several(self.n_uncounted, 'tar')} are not counted"
        if self.per_s is None:
            yield "too few pictures to measure a pace"
            return
        yield f"this machine does {self.per_s:.1f} pictures a second"
        if self.hours:
            yield f"{self.hours:,.2f} hours for what is counted"
            if n_workers > 1:
                yield f"{self.hours / n_workers:,.2f} hours with {n_workers:,} machines like it"


def estimate(begun: EarlyStart, worker: Worker) -> Estimate:
    """Count what is left, and measure this machine's pace on the first of it."""
    plan = begun.plan
    done = parts_done(begun.store, plan)
    left = [shard for shard in plan.shards if shard.id not in done]
    per_s = None
    if left:
        longest = max(left, key=lambda shard: shard.n_units or 0)
        per_s = _pace(worker.rows(longest, begun.lists.get(longest.id)))
    return Estimate(
        len(plan.shards),
        len(left),
        sum(shard.n_units or 0 for shard in left),
        sum(shard.n_units is None for shard in left),
        sum(shard.n_bytes for shard in left),
        per_s,
    )


def _pace(rows: Iterable[object], clock: Callable[[], float] = time.perf_counter) -> float | None:
    """Return how many a second come out; they come in batches, and the first waits for the model.

    None where all of them came with the first.
    """
    n_first = n = 0
    first_s = last_s = started_s = 0.0
    for _ in islice(rows, SAMPLE):
        n, last_s = n + 1, clock()
        started_s = started_s or last_s
        if last_s - (first_s or last_s) < BURST_S:
            n_first, first_s = n, last_s
        if last_s - started_s > SAMPLE_S:
            break
    return (n - n_first) / (last_s - first_s) if last_s > first_s else None
