"""A run: what is done already, who does the rest, what is tried again, and when it is over."""

from __future__ import annotations

import heapq
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from clipcli.errors import InputError
from clipcli.pipeline.provenance import now
from clipcli.workflows.fleet.part import FOOTER_BYTES, PartFacts, read_facts
from clipcli.workflows.fleet.plan import SUCCESS, FleetPlan
from clipcli.workflows.fleet.progress import FleetBudget, Tally
from clipcli.workflows.fleet.runner import Runner
from clipcli.workflows.fleet.shard import DATA, FAILED, Shard
from clipcli.workflows.fleet.splitting import PICTURE_BYTES
from clipcli.workflows.fleet.store import TEMPORARY, PartStore
from clipcli.workflows.fleet.worker import ShardOutcome

READ_AT_ONCE = 32  # footers
MOST_DEATHS = 10  # of workers with one shard in their hands: it is the shard that kills them
PAUSE_S = 0.5  # before a second try; doubled each time


def parts_done(store: PartStore, plan: FleetPlan) -> dict[int, PartFacts]:
    """Return the shards that need not be done again: their part is there and fits."""
    names = store.names(DATA)
    waiting = [shard for shard in plan.shards if shard.part.rpartition("/")[2] in names]
    plan_hash = plan.hash

    def look(shard: Shard) -> PartFacts | None:
        tail = store.tail(shard.part, FOOTER_BYTES)
        facts = read_facts(tail) if tail else None
        if facts is None and tail and len(tail) == FOOTER_BYTES:  # a long footer
            facts = read_facts(store.read(shard.part) or b"")
        fits = facts is not None and (facts.plan, facts.etag) == (plan_hash, shard.etag)
        return facts if fits else None

    with ThreadPoolExecutor(READ_AT_ONCE, thread_name_prefix="parts") as pool:
        found = zip(waiting, pool.map(look, waiting), strict=True)
        return {shard.id: facts for shard, facts in found if facts is not None}


class FleetRun:
    """Does what is left of a plan."""

    def __init__(
        self,
        store: PartStore,
        plan: FleetPlan,
        budget: FleetBudget,
        say: Callable[[str], None],
        watch: Callable[[Tally, Runner], None] = lambda *_: None,
    ) -> None:
        self._store, self._plan, self._budget = store, plan, budget
        self._say, self._watch = say, watch
        self._shards = {shard.id: shard for shard in plan.shards}
        self._tries: Counter[int] = Counter()
        self._deaths: Counter[int] = Counter()
        self._queue: list[tuple[float, float, int]] = []  # not before, length, shard
        self._n_busy = 0
        self.tally = Tally(len(plan.shards))

    def do(
        self, make_runner: Callable[[], Runner], before_work: Callable[[], None] = lambda: None
    ) -> Tally:
        """Do all that is left, and write ``_SUCCESS``.

        ``before_work`` is called when there are workers: who asked for more of them than there is
        room for, or for a cluster that does not answer, finds nothing begun.

        Raises
        ------
        InputError
            If more went wrong than the budget allows; what is done stays, for the next run.
        OutputError, ModelError, UsageError
            If no shard can be done.
        """
        done = parts_done(self._store, self._plan)
        for facts in done.values():
            self.tally.keep(facts)
        left = [shard for shard in self._plan.shards if shard.id not in done]
        if left:
            self._do_rest(left, make_runner, before_work)
        self._conclude(done.keys())
        return self.tally

    def _do_rest(
        self, left: list[Shard], make_runner: Callable[[], Runner], before_work: Callable[[], None]
    ) -> None:
        runner = make_runner()
        try:
            runner.start()
            before_work()
            self._store.remove(SUCCESS)
            for shard in left:
                # The longest first, so that no worker is left with one at the end.
                heapq.heappush(self._queue, (0.0, -self._length(shard), shard.id))
            while self._queue or self._n_busy:
                self._hand_out(runner)
                for outcome in runner.finished():
                    self._n_busy -= 1
                    self._take(outcome)
                self._watch(self.tally, runner)
                self._check_budget()
        finally:
            runner.close()

    @staticmethod
    def _length(shard: Shard) -> float:
        return float(shard.n_units or shard.n_bytes / PICTURE_BYTES)

    def _hand_out(self, runner: Runner) -> None:
        moment = time.monotonic()
        for _ in range(runner.n_free(len(self._queue))):
            if not self._queue or self._queue[0][0] > moment:
                return
            runner.submit(self._shards[heapq.heappop(self._queue)[2]])
            self._n_busy += 1

    def _take(self, outcome: ShardOutcome) -> None:
        shard = self._shards[outcome.shard]
        if outcome.error is not None:
            raise outcome.error
        if not outcome.failure:
            self.tally.add(outcome)
            return
        counts = self._deaths if outcome.has_died else self._tries
        counts[shard.id] += 1
        self.tally.n_deaths += outcome.has_died
        limit = MOST_DEATHS if outcome.has_died else self._budget.retries
        if counts[shard.id] > limit:
            self._give_up(shard, outcome)
            return
        self.tally.n_retried += 1
        pause_s = PAUSE_S * 2 ** (counts[shard.id] - 1)
        not_before = time.monotonic() + (0.0 if outcome.has_died else pause_s)
        heapq.heappush(self._queue, (not_before, -self._length(shard), shard.id))

    def _give_up(self, shard: Shard, outcome: ShardOutcome) -> None:
        self.tally.failed[shard.id] = f"{shard.url}: {outcome.failure}"
        self._say(f"shard {shard.id} failed: {shard.url}: {outcome.failure}")
        n_tries = self._tries[shard.id] + self._deaths[shard.id]
        fields: dict[str, Any] = {
            "shard": shard.id,
            "url": shard.url,
            "reason": outcome.failure,
            "attempts": n_tries,
            "worker": outcome.worker,
            "time": now(),
        }
        self._store.write(shard.failure, f"{json.dumps(fields, indent=2)}\n".encode())

    def _check_budget(self) -> None:
        # Pictures that were counted will all have a row, so a share of them can be too much early.
        n_expected = self._plan.n_units
        has_uncounted = any(shard.n_units is None for shard in self._plan.shards)
        only_failures = FleetBudget(self._budget.max_failed_shards, max_skipped=1.0)
        budget = only_failures if has_uncounted and not self.tally.is_complete else self._budget
        reason = budget.exceeded(self.tally, n_expected)
        if reason:
            raise InputError(
                f"{self._store.url}: given up: {reason}",
                hint="mend that and run it again, which goes on from here; or allow more with "
                "--max-failed-shards and --max-skipped",
            )

    def _conclude(self, kept: Iterable[int]) -> None:
        """Write ``_SUCCESS`` where all adds up, and take away what is no longer true."""
        self._check_budget()
        tally, store = self.tally, self._store
        kept = set(kept)
        stale = {f"{i:05}.json" for i in self._shards.keys() - tally.failed.keys()}
        for name in store.names(FAILED) & stale:
            store.remove(f"{FAILED}/{name}")
        assert tally.is_complete
        counts = {
            "plan": self._plan.hash,
            "shards": tally.n_done,
            "failed": len(tally.failed),
            "rows": tally.n_rows,
            "skipped": tally.n_skipped,
            "left_out": tally.n_left_out,
        }
        text = f"{json.dumps(counts, indent=2)}\n".encode()
        if store.read(SUCCESS) != text:
            store.write(SUCCESS, text)
        for name in store.names(TEMPORARY):  # of workers that were killed
            store.remove(f"{TEMPORARY}/{name}")
