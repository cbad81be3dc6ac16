"""Pictures that can be read only once: measured while their bytes are on the way to the encoder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from clipcli.errors import ImageError
from clipcli.images.files import failure_reason, open_regular
from clipcli.images.find import ImageFile
from clipcli.pipeline.image_data import ImageData, ImageVector
from clipcli.pipeline.remote import read_whole
from clipcli.results import Skipped
from clipcli.workflows.audit.measures import Measured, measure

if TYPE_CHECKING:
    from PIL.Image import Image

    from clipcli.pipeline.inputs import Input


@dataclass(frozen=True, slots=True)
class PassedBy:
    """What was seen of a picture: the hash of its bytes, and its measures or why there are none."""

    content: bytes
    measured: Measured | Skipped


class Watch:
    """Looks at pictures as they pass; :meth:`of` tells of each, by its place among the inputs.

    Decoding threads read and so measure; whoever takes the encoder's answers asks, once for each.
    """

    def __init__(self, max_pixels: int, make_thumbnail: Callable[[Image], bytes] | None) -> None:
        self._max_pixels, self._make_thumbnail = max_pixels, make_thumbnail
        self._seen: dict[int, PassedBy] = {}
        self._places = count()

    def inputs(self, found: Iterable[Input]) -> Iterator[Input]:
        """Pass inputs on; files are read as a whole, too."""
        for place, entry in zip(self._places, found, strict=False):
            if isinstance(entry, Skipped | ImageVector):
                yield entry
                continue
            if isinstance(entry, ImageFile):
                read, n_bytes = partial(_whole, entry.path), 0
            else:
                read, n_bytes = partial(entry.read), entry.n_bytes
            yield ImageData(entry.path, partial(self._read, place, entry.path, read), n_bytes)

    def _read(self, place: int, path: str, read: Callable[[], bytes]) -> bytes:
        data = read()
        content = hashlib.blake2b(data, digest_size=16).digest()
        self._seen[place] = PassedBy(content, self._measured(path, data))
        return data

    def _measured(self, path: str, data: bytes) -> Measured | Skipped:
        try:
            measures, image = measure(data, max_pixels=self._max_pixels)
        except ImageError as error:
            return Skipped(path, error.message)
        except MemoryError:
            return Skipped(path, "not enough memory to resize it")
        make = self._make_thumbnail
        return Measured(measures, make(image) if make else b"")

    def of(self, place: int) -> PassedBy | None:
        """Return what was seen of an input, and forget it; None where only a vector was there."""
        return self._seen.pop(place, None)


def _whole(path: str) -> bytes:
    with open_regular(path) as stream:
        try:
            return read_whole(stream)
        except OSError as error:
            raise ImageError(failure_reason(error, path)) from error
