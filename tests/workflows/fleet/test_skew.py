"""Shards of very different lengths keep all workers busy to the end; time is arithmetic here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from clipcli.workflows.fleet.plan import FleetPlan
from clipcli.workflows.fleet.progress import FleetBudget
from clipcli.workflows.fleet.run import FleetRun
from clipcli.workflows.fleet.shard import Shard
from clipcli.workflows.fleet.store import PartStore, open_store
from clipcli.workflows.fleet.survey import Sources, survey
from clipcli.workflows.fleet.worker import ShardOutcome
from tests.workflows.fleet.test_run import write_part

MakeTar = Callable[..., Path]
N_WORKERS = 2
LARGE, SMALL, N_SMALL = 5000, 20, 50


class Timed:
    """Workers that take a second for each member, on a clock of their own."""

    def __init__(self, store: PartStore, plan: FleetPlan) -> None:
        self._store, self._plan = store, plan
        self._busy: list[tuple[float, Shard]] = []  # until when
        self.now = 0.0

    def start(self) -> None: ...

    def n_free(self, n_waiting: int) -> int:
        return min(n_waiting, N_WORKERS - len(self._busy))

    def submit(self, shard: Shard) -> None:
        # A tar that was not looked into has no number; its bytes tell.
        self._busy.append((self.now + (shard.n_units or shard.n_bytes // 1024), shard))

    def finished(self) -> list[ShardOutcome]:
        self._busy.sort(key=lambda one: one[0])
        self.now, shard = self._busy.pop(0)
        write_part(self._store, self._plan, shard)
        return [ShardOutcome(shard.id, "w", n=10)]

    def n_working(self) -> int:
        return N_WORKERS

    def n_pictures(self) -> int:
        return 0

    def close(self) -> None: ...


def test_one_tar_of_thousands_beside_many_small_ones_takes_no_longer_than_equal_ones(
    make_tar: MakeTar, tmp_path: Path
) -> None:
    picture = b"\x89PNG" + bytes(500)  # a member of a kilobyte, with its header
    large = make_tar("large.tar", {f"{i}.png": picture for i in range(LARGE)})
    small = [
        make_tar(f"{i}.tar", {f"{j}.png": picture for j in range(SMALL)}) for i in range(N_SMALL)
    ]
    names = tuple(map(str, [*small, large]))
    plan = FleetPlan({"task": "none"}, tuple(survey(Sources(names, shard_size=500)).shards))
    store = open_store(str(tmp_path / "out"))
    workers = Timed(store, plan)

    FleetRun(store, plan, FleetBudget(), print).do(lambda: workers)

    assert len(plan.shards) == N_SMALL + LARGE // 500
    balanced = (LARGE + SMALL * N_SMALL) / N_WORKERS
    assert balanced <= workers.now <= 1.3 * balanced
