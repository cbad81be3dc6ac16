"""A picture whose bytes somebody else has: a tar, a table, a server, the caller."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

MOST_BYTES = 256 * 2**20  # of one picture, which is in memory as a whole


@dataclass(frozen=True, slots=True)
class ImageData:
    """A picture whose bytes somebody else has; ``read`` is called once, in a decoding thread."""

    path: str
    read: Callable[[], bytes]
    n_bytes: int = 0  # that are in memory meanwhile


def in_memory(pictures: Iterable[tuple[str, bytes]]) -> Iterator[ImageData]:
    """Yield pictures whose bytes are there: names, and the whole content of a file each."""
    return (ImageData(name, partial(bytes, data), len(data)) for name, data in pictures)
