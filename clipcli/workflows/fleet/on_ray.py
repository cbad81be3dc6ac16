"""Workers on a Ray cluster: actors with a model each, replaced when they or their machines die.

Ray Core and not Ray Data: a shard is read, decoded, encoded and written by one actor, so there is
no data to stream between tasks, and nothing but an actor's own CPUs that has to be free.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from clipcli.errors import ClipcliError, InputError, UsageError
from clipcli.pipeline.remote import in_words
from clipcli.process import share_cores, usable_cores
from clipcli.workflows.fleet.cluster import WorkerWishes, connect, fit, machines
from clipcli.workflows.fleet.recipe import Recipe, check_versions, numeric_versions
from clipcli.workflows.fleet.shard import Shard
from clipcli.workflows.fleet.worker import ShardOutcome, Worker

WAIT_S = 1.0
ASK_S = 2.0  # between questions how far workers are
FIRST_S = 600.0  # for the first worker of a cluster that is busy, or that has to grow
SAY_S = 20.0  # until it is said that workers are waited for
MOST_STARTS = 20  # that fail one after the other


class RayWorker:
    """What runs in an actor. Two threads: one does shards, one says how far it is."""

    def __init__(
        self, recipe: Recipe, plan_hash: str, versions: dict[str, str], n_cores: int
    ) -> None:
        share_cores(n_cores)
        self._problem: ClipcliError | None = None
        try:
            check_versions(versions)
            self._worker = Worker(recipe, plan_hash)
        except ClipcliError as error:
            self._problem = error
        self._n_before = 0

    def ready(self) -> ClipcliError | None:
        """Say whether work can begin."""
        return self._problem

    def do(self, shard: Shard) -> ShardOutcome:
        """Do a shard."""
        self._n_before = self._worker.n_done
        return self._worker.do(shard)

    def n_in_shard(self) -> int:
        """Say how many pictures of the shard are done."""
        return self._worker.n_done - self._n_before


@dataclass
class _Actor:
    """An actor, seen from here."""

    handle: Any
    starting: Any = None  # a reference to the answer of ready()
    busy: Any = None  # a reference to an outcome
    shard: Shard | None = None
    asked: Any = None  # a reference to a number
    n_in_shard: int = 0


class RayRunner:
    """Workers on a cluster, between so many and so many of them."""

    def __init__(
        self,
        recipe: Recipe,
        plan_hash: str,
        address: str,
        wishes: WorkerWishes,
        say: Callable[[str], None],
    ) -> None:
        self._recipe, self._plan_hash = recipe, plan_hash
        self._address, self._wishes, self._say = address, wishes, say
        self._ray: Any = None
        self._actors: list[_Actor] = []
        self._n_finished = 0  # pictures
        self._n_failed_starts = 0
        self._began = self._asked = time.monotonic()
        self._has_worked = self._was_said = False

    def start(self) -> None:
        """Reach the cluster, see that workers fit, and ask for the first of them.

        Raises
        ------
        InputError, UsageError, MissingExtraError
        """
        if self._address == "local" and not self._wishes.n_gpus:
            # Known before Ray has taken its ten seconds to begin.
            fit(replace(self._wishes, n_gpus=0.0), [{"CPU": float(usable_cores())}])
        ray = self._ray = connect(self._address)
        self._size = fit(self._wishes, machines(ray))
        options: dict[str, Any] = {
            "num_cpus": self._size.n_cpus,
            "num_gpus": self._size.n_gpus,
            "max_restarts": 0,  # another one is begun here, wherever there is room
            "max_concurrency": 2,
        }
        self._make = ray.remote(**options)(RayWorker)
        self._began = time.monotonic()
        for _ in range(max(1, self._size.least)):
            self._add()

    def _add(self) -> None:
        n_cores = max(1, round(self._size.n_cpus))
        handle = self._make.remote(self._recipe, self._plan_hash, numeric_versions(), n_cores)
        self._actors.append(_Actor(handle, starting=handle.ready.remote()))

    def n_free(self, n_waiting: int) -> int:
        """Count idle workers; more are asked for as long as there is work for them."""
        idle = [one for one in self._actors if one.starting is None and one.busy is None]
        n_coming = sum(one.starting is not None for one in self._actors)
        n_wanted = min(n_waiting - len(idle) - n_coming, self._size.most - len(self._actors))
        for _ in range(max(0, n_wanted)):
            self._add()
        if not n_waiting:
            for one in idle:  # their machines may go
                if len(self._actors) > max(1, self._size.least):
                    self._drop(one)
        return min(n_waiting, len(idle))

    def submit(self, shard: Shard) -> None:
        one = next(a for a in self._actors if a.starting is None and a.busy is None)
        one.shard, one.n_in_shard = shard, 0
        one.busy = one.handle.do.remote(shard)

    def finished(self) -> list[ShardOutcome]:
        """Wait a moment for outcomes, and take care of workers that came or died."""
        references = [ref for one in self._actors for ref in (one.starting, one.busy) if ref]
        done: set[Any] = set()
        if references:
            ready, rest = self._ray.wait(references, num_returns=1, timeout=WAIT_S)
            more = self._ray.wait(rest, num_returns=len(rest), timeout=0)[0] if rest else []
            done = {*ready, *more}
        else:
            time.sleep(WAIT_S / 10)  # a shard waits for its next try
        outcomes = []
        for one in list(self._actors):
            if one.starting in done:
                self._welcome(one)
            elif one.busy in done:
                outcomes.append(self._outcome(one))
        self._ask()
        self._check_waiting()
        return outcomes

    def _welcome(self, one: _Actor) -> None:
        try:
            problem = self._ray.get(one.starting)
        except Exception as error:  # its machine went, or it could not even be made
            self._drop(one)
            self._n_failed_starts += 1
            if self._n_failed_starts >= MOST_STARTS or "ModuleNotFoundError" in str(error):
                raise InputError(
                    f"no worker could be started: {_last_line(error)}",
                    hint='install the same "clipcli[fleet]" on every machine',
                ) from error
            return
        if problem is not None:
            raise problem
        one.starting, self._n_failed_starts, self._has_worked = None, 0, True

    def _outcome(self, one: _Actor) -> ShardOutcome:
        shard, reference = one.shard, one.busy
        assert shard is not None
        one.busy = one.shard = None
        try:
            outcome: ShardOutcome = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError:
            raise  # a bug of ours: its traceback is to be seen
        except self._ray.exceptions.RayError as error:  # it died, or its machine is gone
            self._drop(one)
            said = _last_line(error)
            return ShardOutcome(shard.id, "", failure=f"its worker died: {said}", has_died=True)
        self._n_finished += outcome.n
        return outcome

    def _ask(self) -> None:
        """Ask busy workers how far they are, and take what they have answered."""
        if time.monotonic() - self._asked < ASK_S:
            return
        self._asked = time.monotonic()
        for one in self._actors:
            if one.asked is not None and self._ray.wait([one.asked], timeout=0)[0]:
                with contextlib.suppress(self._ray.exceptions.RayError):
                    one.n_in_shard = self._ray.get(one.asked)
                one.asked = None
            if one.busy is not None and one.asked is None:
                one.asked = one.handle.n_in_shard.remote()

    def _check_waiting(self) -> None:
        """Say when no worker comes, and give up in the end."""
        if self._has_worked:
            return
        waited_s = time.monotonic() - self._began
        if waited_s > SAY_S and not self._was_said:
            self._was_said = True
            self._say(f"waiting for the first worker: {self._room()}")
        if waited_s > FIRST_S:
            raise InputError(
                f"no worker was started within {FIRST_S / 60:.0f} minutes: {self._room()}",
                hint="other jobs may hold the cluster: see `ray status`",
            )

    def _room(self) -> str:
        free, size = self._ray.available_resources(), self._size
        gpus = f" and {size.n_gpus:g} GPUs" if size.n_gpus else ""
        return f"it needs {size.n_cpus:g} CPUs{gpus}, and {free.get('CPU', 0):g} CPUs are free"

    def _drop(self, one: _Actor) -> None:
        self._actors.remove(one)
        with contextlib.suppress(Exception):
            self._ray.kill(one.handle)

    def n_working(self) -> int:
        return sum(one.starting is None for one in self._actors)

    def n_pictures(self) -> int:
        busy = (one.n_in_shard for one in self._actors if one.busy is not None)
        return self._n_finished + sum(busy)

    def close(self) -> None:
        """Let the workers go, and the cluster, if it is ours."""
        if self._ray is None:
            return
        for one in list(self._actors):
            self._drop(one)
        with contextlib.suppress(Exception):
            self._ray.shutdown()


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else in_words(error))[:200]


def parse_workers(text: str) -> tuple[int, int | None]:
    """Return the least and the most workers of ``4``, ``2:8``, or ``1:`` (as many as fit).

    Raises
    ------
    UsageError
    """
    first, colon, second = text.partition(":")
    try:
        least = int(first)
        most = int(second) if second else (None if colon else least)
    except ValueError:
        least, most = -1, None
    if least < 0 or (most is not None and (most < least or most < 1)):
        raise UsageError(f"--workers {text}: is no number of workers", hint="4, or 2:8, or 1:")
    return least, most
