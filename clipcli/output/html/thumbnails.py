"""Thumbnails: small pictures that travel inside a page as data URLs."""

from __future__ import annotations

import base64
import io
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from clipcli.errors import ImageError
from clipcli.output.html.reviewing import PictureFacts, facts_of

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE_PX = 160  # the longer one
QUALITY = 45  # of WebP: 4 kB a photograph of average detail
THREADS = 2
WAITING = 64  # thumbnails under way, at most: bounds memory


def thumbnail(path: str) -> str:
    """Return a picture as a small data URL, or "" where it cannot be read (any more)."""
    from clipcli.images.decode import decode

    try:
        decoded = decode(path, at_least_px=SIDE_PX)
        return data_url(encode(decoded.image))
    except (ImageError, MemoryError):
        return ""


def encode(image: Image) -> bytes:
    """Return an RGB picture as a small WebP file; smaller ones are not enlarged."""
    from PIL.Image import Resampling

    factor = min(1.0, SIDE_PX / max(image.size))
    if factor < 1.0:
        width, height = (max(1, round(side * factor)) for side in image.size)
        image = image.resize((width, height), Resampling.BILINEAR, reducing_gap=2.0)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=QUALITY, method=2)
    return buffer.getvalue()


def data_url(content: bytes) -> str:
    """Return a WebP file as a URL that holds it."""
    return f"data:image/webp;base64,{base64.b64encode(content).decode('ascii')}"


class Thumbnails:
    """Makes thumbnails on threads of its own, a bounded number ahead; they come back in order."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="thumbnail")

    def of(self, path: str | None) -> Future[str]:
        """Begin a thumbnail; None for a picture that has none."""
        if path is None:
            nothing: Future[str] = Future()
            nothing.set_result("")
            return nothing
        return self._pool.submit(thumbnail, path)

    def facts(self, path: str | None) -> Future[PictureFacts | None]:
        """Begin to look at a file itself; None for one that nobody asks about."""
        if path is None:
            nothing: Future[PictureFacts | None] = Future()
            nothing.set_result(None)
            return nothing
        return self._pool.submit(facts_of, path)

    def close(self) -> None:
        """Drop what was not begun."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ThumbnailSpool:
    """Thumbnails that were made along the way, on disk until a page wants them."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="clipcli-")  # noqa: SIM115 - lives as long
        self._places: dict[str, tuple[int, int]] = {}

    def add(self, path: str, content: bytes) -> None:
        """Keep a picture's thumbnail."""
        self._places[path] = (self._file.seek(0, io.SEEK_END), len(content))
        self._file.write(content)

    def url(self, path: str) -> str | None:
        """Return a thumbnail as a data URL, None where there is none."""
        if path not in self._places:
            return None
        start, length = self._places[path]
        self._file.seek(start)
        return data_url(self._file.read(length))

    def close(self) -> None:
        """Let go of the disk space."""
        self._file.close()


@contextmanager
def spooled(*, is_wanted: bool) -> Iterator[ThumbnailSpool | None]:
    """Open a spool for as long as a page is being made, if there is to be one."""
    if not is_wanted:
        yield None
        return
    spool = ThumbnailSpool()
    try:
        yield spool
    finally:
        spool.close()
