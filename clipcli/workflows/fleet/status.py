"""How far a run is, by what lies in its output; neither workers nor inputs are asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from clipcli.errors import InputError
from clipcli.strict_json import JsonError, parse_json
from clipcli.workflows.fleet.plan import SUCCESS, FleetPlan, read_plan
from clipcli.workflows.fleet.run import parts_done
from clipcli.workflows.fleet.shard import FAILED
from clipcli.workflows.fleet.store import PartStore

FAILURES_READ = 1000


@dataclass(frozen=True)
class Status:
    """Counts of shards and rows, and what failed."""

    plan: FleetPlan
    n_done: int
    n_rows: int
    n_skipped: int
    n_left_out: int
    failed: tuple[dict[str, Any], ...]  # as the files in failed/ say
    is_success: bool

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data; the keys are only ever added to."""
        return {
            "task": self.plan.facts.get("task"),
            "plan": self.plan.hash,
            "shards": len(self.plan.shards),
            "done": self.n_done,
            "rows": self.n_rows,
            "skipped": self.n_skipped,
            "left_out": self.n_left_out,
            "failed": list(self.failed),
            "success": self.is_success,
        }

    def lines(self) -> Iterator[str]:
        """Say it in words."""
        n_shards = len(self.plan.shards)
        share = 100 * self.n_done / n_shards
        yield f"{self.n_done:,} of {n_shards:,} shards are done ({share:.0f} %)"
        yield f"{self.n_rows:,} rows, {self.n_skipped:,} of them skipped"
        if self.n_left_out:
            yield f"{self.n_left_out:,} members of tars were no pictures"
        for one in self.failed:
            said = f"failed {one.get('attempts')} times: {one.get('reason')}"
            yield f"shard {one.get('shard')} {said}"
        yield "complete" if self.is_success else "not complete: run it again, it goes on from here"


def status_of(store: PartStore) -> Status:
    """Find out how far a run is.

    Raises
    ------
    InputError
        If there is none.
    """
    plan = read_plan(store)
    if plan is None:
        raise InputError(f"{store.url}: no plan of a batch is there")
    done = parts_done(store, plan)
    facts = done.values()
    return Status(
        plan,
        len(done),
        sum(one.n for one in facts),
        sum(one.skipped for one in facts),
        sum(one.left_out for one in facts),
        tuple(_failures(store, {f"{i:05}.json" for i in done})),
        is_success=store.read(SUCCESS) is not None,
    )


def _failures(store: PartStore, done: set[str]) -> Iterator[dict[str, Any]]:
    for name in sorted(store.names(FAILED) - done)[:FAILURES_READ]:
        try:
            fields = parse_json(store.read(f"{FAILED}/{name}") or b"")
        except JsonError:
            continue
        if isinstance(fields, dict):
            yield fields
