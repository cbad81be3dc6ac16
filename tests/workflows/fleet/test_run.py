"""What a run does with workers that fail, die or are lost; workers are arithmetic here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from clipcli.errors import InputError, ModelError
from clipcli.workflows.fleet.part import KEY, PartFacts
from clipcli.workflows.fleet.plan import FleetPlan
from clipcli.workflows.fleet.progress import FleetBudget
from clipcli.workflows.fleet.run import FleetRun
from clipcli.workflows.fleet.shard import Shard
from clipcli.workflows.fleet.store import PartStore, open_store
from clipcli.workflows.fleet.worker import ShardOutcome

N_ROWS = 10


def plan_of(*sizes: int | None) -> FleetPlan:
    shards = [
        Shard(i, f"{i}.tar", "tar", "mark", n_bytes=0, n_units=size) for i, size in enumerate(sizes)
    ]
    return FleetPlan({"task": "none"}, tuple(shards))


def write_part(store: PartStore, plan: FleetPlan, shard: Shard) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    facts = PartFacts(plan.hash, shard.etag, N_ROWS, 0)
    table = pa.table({"path": [f"{shard.url}::{i}" for i in range(N_ROWS)]})
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata({KEY: facts.to_json()}), sink)
    store.write(shard.part, bytes(sink.getvalue()))


class Scripted:
    """Workers that answer as a script says; they can do two shards at a time."""

    def __init__(
        self, store: PartStore, plan: FleetPlan, answer: Callable[[Shard, int], ShardOutcome | None]
    ) -> None:
        self._store, self._plan, self._answer = store, plan, answer
        self._busy: list[Shard] = []
        self.tries: Counter[int] = Counter()
        self.order: list[int] = []
        self.is_closed = False

    def start(self) -> None: ...

    def n_free(self, n_waiting: int) -> int:
        return min(n_waiting, 2 - len(self._busy))

    def submit(self, shard: Shard) -> None:
        self._busy.append(shard)
        self.order.append(shard.id)

    def finished(self) -> list[ShardOutcome]:
        return [self._outcome(self._busy.pop(0))] if self._busy else []

    def _outcome(self, shard: Shard) -> ShardOutcome:
        self.tries[shard.id] += 1
        answer = self._answer(shard, self.tries[shard.id])
        if answer is not None:
            return answer
        write_part(self._store, self._plan, shard)
        return ShardOutcome(shard.id, "w", n=N_ROWS)

    def n_working(self) -> int:
        return 2

    def n_pictures(self) -> int:
        return 0

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipcli.workflows.fleet.run.PAUSE_S", 0.001)


@pytest.fixture
def store(tmp_path: Path) -> PartStore:
    return open_store(str(tmp_path / "out"))


def died(shard: Shard) -> ShardOutcome:
    return ShardOutcome(shard.id, "w", failure="its worker died", has_died=True)


def test_the_longest_shards_come_first(store: PartStore) -> None:
    plan = plan_of(5, 40, None, 7, 30)
    workers = Scripted(store, plan, lambda *_: None)

    FleetRun(store, plan, FleetBudget(), print).do(lambda: workers)

    assert workers.order == [1, 4, 3, 0, 2]
    assert workers.is_closed


def test_a_shard_outlives_more_workers_than_it_has_tries(store: PartStore) -> None:
    plan = plan_of(10, 10)
    workers = Scripted(store, plan, lambda shard, n: died(shard) if n <= 8 else None)

    tally = FleetRun(store, plan, FleetBudget(retries=1), print).do(lambda: workers)

    assert (tally.n_deaths, tally.n_rows, tally.n_done) == (16, 20, 2)
    assert store.read("_SUCCESS") is not None


def test_a_shard_that_kills_every_worker_is_given_up(store: PartStore) -> None:
    plan = plan_of(10, 10, 10)
    workers = Scripted(store, plan, lambda shard, _: died(shard) if shard.id == 1 else None)

    tally = FleetRun(store, plan, FleetBudget(max_failed_shards=1), print).do(lambda: workers)

    assert workers.tries[1] == 11
    assert list(tally.failed) == [1]
    assert store.names("failed") == {"00001.json"}


def test_nothing_more_is_begun_once_the_budget_is_spent(store: PartStore) -> None:
    plan = plan_of(*[10] * 50)
    workers = Scripted(store, plan, lambda shard, _: ShardOutcome(shard.id, "w", failure="no"))

    with pytest.raises(InputError, match="given up: 3 of 50 shards failed"):
        FleetRun(store, plan, FleetBudget(2, retries=0), print).do(lambda: workers)

    assert len(workers.order) < 6
    assert workers.is_closed


def test_an_error_that_every_shard_would_meet_ends_the_run(store: PartStore) -> None:
    plan = plan_of(10, 10)
    error = ModelError("mini: is not here")
    workers = Scripted(store, plan, lambda shard, _: ShardOutcome(shard.id, "w", error=error))

    with pytest.raises(ModelError, match="is not here"):
        FleetRun(store, plan, FleetBudget(), print).do(lambda: workers)

    assert workers.is_closed


def test_skipped_pictures_are_weighed_against_all_that_will_be_there(store: PartStore) -> None:
    # Three skipped of the first ten are no reason to stop where a thousand are to come.
    plan = plan_of(10, 990)
    some = [ShardOutcome(0, "w", n=10, skipped=3), ShardOutcome(1, "w", n=990)]

    def answer(shard: Shard, _: int) -> ShardOutcome:
        write_part(store, plan, shard)
        return some[shard.id]

    tally = FleetRun(store, plan, FleetBudget(), print).do(lambda: Scripted(store, plan, answer))

    assert (tally.n_rows, tally.n_skipped) == (1000, 3)


def test_a_part_of_another_plan_or_content_is_done_again(store: PartStore) -> None:
    plan = plan_of(10, 10, 10)
    other = FleetPlan({"task": "other"}, plan.shards)
    write_part(store, other, plan.shards[0])
    write_part(store, plan, Shard(1, "1.tar", "tar", "other mark"))
    write_part(store, plan, plan.shards[2])
    workers = Scripted(store, plan, lambda *_: None)

    tally = FleetRun(store, plan, FleetBudget(), print).do(lambda: workers)

    assert sorted(workers.order) == [0, 1]
    assert (tally.n_kept, tally.n_done) == (1, 3)
