"""One picture on its way to the encoder: opened, hashed, looked up, decoded.

What the cache knows of a file by its bytes spares decoding, whatever the file is called now.
"""

from __future__ import annotations

import io
import os
import time
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TypeAlias

from clipcli.cache.identity import (
    Identity,
    hash_content,
    hash_stream,
    identity_of,
    is_settled,
    is_unchanged,
)
from clipcli.errors import ImageError, ModelError
from clipcli.images.files import failure_reason, open_regular
from clipcli.images.find import ImageFile
from clipcli.images.notes import note_of, origin_of
from clipcli.pipeline.image_data import ImageData, ImageVector
from clipcli.results import Skipped

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipcli.cache.session import CacheSession
    from clipcli.encoder.encoder import Encoder
    from clipcli.images.load import Loaded

MAX_PIXELS = 200_000_000  # by the header; a larger picture is a skipped record
WHOLE_FILE_BYTES = 32 * 2**20  # read at once, hashed and decoded; larger files are read twice

Pixels: TypeAlias = "NDArray[np.uint8]"  # (s, s, 3)


class Embedded(NamedTuple):
    """An image's path and its embedding (d,), float32, unit length."""

    path: str
    row: NDArray[np.float32]
    note_number: int = 0

    @property
    def note(self) -> str:
        """What is to be said of the file: damage that cost no pixel, a preview; "" of others."""
        return note_of(self.note_number)

    @property
    def origin(self) -> int:
        """The flags of ``images.origin``: what the file tells of where the picture comes from."""
        return origin_of(self.note_number)


class DecodeOptions(NamedTuple):
    """How pictures are read: ``exact`` forgoes the short cut for large JPEGs.

    ``convert_profiles`` converts colours to sRGB by the picture's own profile.
    """

    exact: bool = False
    max_pixels: int = MAX_PIXELS
    convert_profiles: bool = False


class Fresh(NamedTuple):
    """A decoded picture (s, s, 3), and what to keep its vector under, if it may be kept."""

    path: str
    pixels: Pixels
    n_pixels: int = 0  # by the header
    content: bytes | None = None  # hash
    identity: Identity | None = None
    note_number: int = 0


class Reader:
    """Reads pictures for one run; any number of threads may ask."""

    def __init__(self, encoder: Encoder, options: DecodeOptions, cache: CacheSession) -> None:
        self._encoder, self._options, self._cache = encoder, options, cache

    def read(self, item: ImageFile | ImageData) -> Fresh | Embedded | Skipped:
        """Return a picture's pixels, or its vector or reason where the cache knows it."""
        path = item.path
        if isinstance(item, ImageVector):
            return self.embedded(item)
        try:
            if isinstance(item, ImageData):
                return self._read_data(path, item.read())
            if self._cache.is_off:
                return self._fresh(path, self._load(path))
            with open_regular(path) as stream:
                return self._read(path, stream)
        except ImageError as error:
            return Skipped(path, error.message)
        except MemoryError:
            return Skipped(path, "not enough memory to resize it")

    def embedded(self, item: ImageVector) -> Embedded:
        """Return a vector that is there.

        Raises
        ------
        ModelError
            If it is another model's.
        """
        config = self._encoder.config
        if item.fingerprint != config.fingerprint or item.row is None:
            raise ModelError(
                f"{item.path}: its vector is of another model than {config.name}",
                hint="give --model as the run did that embedded the pictures",
            )
        return Embedded(item.path, item.row, item.note_number)

    def _read_data(self, path: str, data: bytes) -> Fresh | Embedded | Skipped:
        """Read a picture from memory; the cache knows it by its content alone."""
        if self._cache.is_off:
            return self._fresh(path, self._load(io.BytesIO(data)))
        content = hash_content(data)
        known = self._cache.look_up_content(content)
        if known is not None:
            return Skipped(path, known) if isinstance(known, str) else Embedded(path, *known)
        try:
            loaded = self._load(io.BytesIO(data))
        except ImageError as error:
            if error.is_lasting:
                self._cache.keep_reason(error.message, content, None)
            raise
        fresh = self._fresh(path, loaded)
        return fresh._replace(n_pixels=loaded.n_pixels, content=content)

    def _read(self, path: str, stream: BinaryIO) -> Fresh | Embedded | Skipped:
        taken = _take(path, stream, self._options.max_pixels)
        if taken is None:
            return self._fresh(path, self._load(stream))
        known = self._cache.look_up_content(taken.content)
        if known is not None:
            if taken.identity is not None:
                self._cache.keep_identity(known, taken.content, taken.identity)
            return Skipped(path, known) if isinstance(known, str) else Embedded(path, *known)
        try:
            loaded = self._load(taken.source)
        except ImageError as error:
            if error.is_lasting and taken.still_holds():
                self._cache.keep_reason(error.message, taken.content, taken.identity)
            raise
        return self._fresh(path, loaded, taken if taken.still_holds() else None)

    def _load(self, source: str | BinaryIO) -> Loaded:
        from clipcli.images.load import load

        preprocessing, options = self._encoder.config.preprocessing, self._options
        return load(
            source,
            preprocessing,
            exact=options.exact,
            max_pixels=options.max_pixels,
            convert_profiles=options.convert_profiles,
        )

    def _fresh(self, path: str, loaded: Loaded, taken: _Taken | None = None) -> Fresh:
        # Only now is it certain that the encoder is needed; it loads while others are decoded.
        self._encoder.start()
        if taken is None:
            return Fresh(path, loaded.pixels, note_number=loaded.note_number)
        kept = (loaded.n_pixels, taken.content, taken.identity)
        return Fresh(path, loaded.pixels, *kept, note_number=loaded.note_number)


class _Taken(NamedTuple):
    """An open file whose content is known by its hash."""

    source: BinaryIO  # what to decode: the bytes that were hashed, unless there are very many
    content: bytes
    identity: Identity | None  # None while a change might leave no trace in it
    status: os.stat_result

    def still_holds(self) -> bool:
        """Say whether what was decoded is what was hashed."""
        if isinstance(self.source, io.BytesIO):
            return True
        # A young file may change without a trace between the two readings.
        is_settled = self.identity is not None
        return is_settled and is_unchanged(self.status, os.fstat(self.source.fileno()))


def _take(path: str, stream: BinaryIO, max_pixels: int) -> _Taken | None:
    """Hash an open file; None for what is refused by its first bytes or its size anyway."""
    from clipcli.images.decode import most_bytes
    from clipcli.images.kinds import HEAD_BYTES, sniff

    try:
        now_ns = time.time_ns()
        status = os.fstat(stream.fileno())
        is_picture = sniff(stream.read(HEAD_BYTES)) is not None
        stream.seek(0)
        if not is_picture or status.st_size > most_bytes(max_pixels):
            return None
        source, content = _hash(stream, status.st_size)
        is_certain = is_settled(status, now_ns) and is_unchanged(status, os.fstat(stream.fileno()))
    except OSError as error:
        raise ImageError(failure_reason(error, path)) from error
    return _Taken(source, content, identity_of(path, status) if is_certain else None, status)


def _hash(stream: BinaryIO, n_bytes: int) -> tuple[BinaryIO, bytes]:
    if n_bytes <= WHOLE_FILE_BYTES:
        whole = stream.read(WHOLE_FILE_BYTES + 1)
        if len(whole) <= WHOLE_FILE_BYTES:  # it may have grown
            return io.BytesIO(whole), hash_content(whole)
        stream.seek(0)
    content = hash_stream(stream)
    stream.seek(0)
    return stream, content
