"""How a run goes: what is done, what was skipped, what failed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from clipcli.workflows.fleet.part import PartFacts
from clipcli.workflows.fleet.worker import ShardOutcome


@dataclass
class Tally:
    """Counts over all shards, of this run and of those before."""

    n_shards: int
    n_done: int = 0  # shards
    n_kept: int = 0  # of them, from an earlier run
    n_rows: int = 0
    n_new: int = 0  # rows of this run
    n_skipped: int = 0
    n_left_out: int = 0
    failed: dict[int, str] = field(default_factory=dict)  # why, by shard
    n_retried: int = 0
    n_deaths: int = 0  # of workers
    reasons: Counter[str] = field(default_factory=Counter)  # why pictures were skipped

    def keep(self, facts: PartFacts) -> None:
        """Count a part that was there."""
        self.n_done += 1
        self.n_kept += 1
        self.n_rows += facts.n
        self.n_skipped += facts.skipped
        self.n_left_out += facts.left_out

    def add(self, outcome: ShardOutcome) -> None:
        """Count a part that was made."""
        self.n_done += 1
        self.n_rows += outcome.n
        self.n_new += outcome.n
        self.n_skipped += outcome.skipped
        self.n_left_out += outcome.left_out
        self.reasons.update(outcome.reasons)

    @property
    def is_complete(self) -> bool:
        """Whether every shard has a part or stands as failed."""
        return self.n_done + len(self.failed) == self.n_shards


@dataclass(frozen=True, slots=True)
class FleetBudget:
    """How much may go wrong before the run is none."""

    max_failed_shards: int = 0
    max_skipped: float = 0.01  # of all rows
    retries: int = 3  # of a shard, after the first try

    def exceeded(self, tally: Tally, n_expected: int) -> str:
        """Say what is over the budget for good; "" as long as nothing is.

        ``n_expected`` is how many rows there will be at least; skipped ones are a share of those.
        """
        n_failed = len(tally.failed)
        if n_failed > self.max_failed_shards:
            first = next(iter(tally.failed))
            return (
                f"{n_failed:,} of {tally.n_shards:,} shards failed, and {self.max_failed_shards:,} "
                f"may: shard {first}: {tally.failed[first]}"
            )
        n_rows = max(tally.n_rows, n_expected)
        if tally.n_skipped > self.max_skipped * n_rows:
            common = "; ".join(f"{n:,} {reason}" for reason, n in tally.reasons.most_common(3))
            return (
                f"{tally.n_skipped:,} of {n_rows:,} pictures were skipped, and "
                f"{self.max_skipped:.3g} of them may be" + (f": {common}" if common else "")
            )
        return ""
