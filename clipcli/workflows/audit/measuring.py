"""Measuring many pictures: on decoding threads, in order, in flat memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipcli.errors import ImageError
from clipcli.process import usable_cores
from clipcli.results import Skipped
from clipcli.workflows.audit.measures import Measures, measure

if TYPE_CHECKING:
    from PIL.Image import Image

AHEAD = 64  # pictures under way


@dataclass(frozen=True, slots=True)
class Measured:
    """A picture's measures, and what ``make_thumbnail`` made of it."""

    measures: Measures
    thumbnail: bytes = b""


def measure_all(
    paths: Iterable[str],
    *,
    max_pixels: int,
    make_thumbnail: Callable[[Image], bytes] | None = None,
) -> Iterator[Measured | Skipped]:
    """Yield each picture's measures, or why there are none, in order."""

    def work(path: str) -> Measured | Skipped:
        try:
            measures, image = measure(path, max_pixels=max_pixels)
        except ImageError as error:
            return Skipped(path, error.message)
        except MemoryError:
            return Skipped(path, "not enough memory to resize it")
        return Measured(measures, make_thumbnail(image) if make_thumbnail else b"")

    pool = ThreadPoolExecutor(max(2, usable_cores()), thread_name_prefix="measure")
    waiting: deque[Future[Measured | Skipped]] = deque()
    try:
        for path in paths:
            waiting.append(pool.submit(work, path))
            if len(waiting) >= AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
