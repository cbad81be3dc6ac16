"""How fast things get done, once there is enough to tell by."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

# Pictures come in batches, and those that were cached come all at once: a rate over less than
# this says nothing, and over more than that it lags behind.
LEAST_S, MOST_S = 3.0, 30.0
STEP_S = 0.25  # between two notes


class Pace:
    """Things done a second, over the last half minute; None as long as it would be a guess."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._noted: deque[tuple[float, int]] = deque()  # when, and how many were done then

    def note(self, n_done: int) -> None:
        """Note that so many are done in all."""
        now = self._clock()
        if self._noted and now - self._noted[-1][0] < STEP_S:
            self._noted[-1] = (self._noted[-1][0], n_done)  # the same batch
            return
        self._noted.append((now, n_done))
        while len(self._noted) > 2 and now - self._noted[1][0] > MOST_S:
            self._noted.popleft()

    def per_s(self) -> float | None:
        """Return how many are done in a second."""
        if not self._noted:
            return None
        (start, n_first), (end, n_last) = self._noted[0], self._noted[-1]
        if end - start < LEAST_S or n_last == n_first:
            return None
        return (n_last - n_first) / (end - start)

    def left_s(self, n_left: int) -> float | None:
        """Return how many seconds the rest will take."""
        rate = self.per_s()
        return n_left / rate if rate else None
