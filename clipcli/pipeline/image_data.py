"""A picture whose bytes somebody else has: a tar, a table, a server, the caller."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from clipcli.errors import ImageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_BYTES = 256 * 2**20  # of one picture, which is in memory as a whole


@dataclass(frozen=True, slots=True)
class ImageData:
    """A picture whose bytes somebody else has; ``read`` is called once, in a decoding thread."""

    path: str
    read: Callable[[], bytes]
    n_bytes: int = 0  # that are in memory meanwhile


@dataclass(frozen=True, slots=True)
class ImageVector(ImageData):
    """A picture of which only the vector is here: its unit row (d,), float32, and whose it is."""

    row: NDArray[np.float32] | None = None
    fingerprint: str = ""  # of the model that made it
    note_number: int = 0


def no_picture() -> bytes:
    """Say, to who would look at a picture of which only the vector is here, that it cannot be.

    Raises
    ------
    ImageError
    """
    raise ImageError("only its vector is here, not the picture")


def in_memory(pictures: Iterable[tuple[str, bytes]]) -> Iterator[ImageData]:
    """Yield pictures whose bytes are there: names, and the whole content of a file each."""
    return (ImageData(name, partial(bytes, data), len(data)) for name, data in pictures)
