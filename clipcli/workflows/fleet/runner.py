"""Who does the shards: the contract of a runner, and the one that does them here."""

from __future__ import annotations

import time
from collections import deque
from typing import Protocol

from clipcli.workflows.fleet.recipe import Recipe
from clipcli.workflows.fleet.shard import Shard
from clipcli.workflows.fleet.worker import ShardOutcome, Worker


class Runner(Protocol):
    """Workers, wherever they are."""

    def start(self) -> None:
        """Get workers, or find out in seconds that there are none.

        Raises
        ------
        ClipcliError
        """

    def n_free(self, n_waiting: int) -> int:
        """Return how many shards can be taken now, if so many wait."""

    def submit(self, shard: Shard) -> None:
        """Give a shard to a worker that is free."""

    def finished(self) -> list[ShardOutcome]:
        """Return what was finished meanwhile; waits for a second, as a rule."""

    def n_working(self) -> int:
        """Return how many workers are ready or busy."""

    def n_pictures(self) -> int:
        """Return how many pictures were done, in shards that are not finished as well."""

    def close(self) -> None:
        """Let all workers go."""


class InlineRunner:
    """One worker, in this process."""

    def __init__(self, recipe: Recipe, plan_hash: str) -> None:
        self._worker = Worker(recipe, plan_hash)
        self._waiting: deque[Shard] = deque()

    def start(self) -> None: ...

    def n_free(self, n_waiting: int) -> int:
        return min(n_waiting, 1 - len(self._waiting))

    def submit(self, shard: Shard) -> None:
        self._waiting.append(shard)

    def finished(self) -> list[ShardOutcome]:
        if self._waiting:
            return [self._worker.do(self._waiting.popleft())]
        time.sleep(0.05)  # a shard waits for its next try
        return []

    def n_working(self) -> int:
        return 1

    def n_pictures(self) -> int:
        return self._worker.n_done

    def close(self) -> None: ...
