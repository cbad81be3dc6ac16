"""This file knows about thumbnails: small pictures that travel inside a page as data URLs."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

from clipcli.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE_PX = 160  # the longer one
QUALITY = 60  # of WebP: 3 kB a photograph, a third of JPEG's size at the same look
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
    image.save(buffer, "WEBP", quality=QUALITY, method=1)
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

    def close(self) -> None:
        """Drop what was not begun."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def thumbnails(paths: Iterator[str]) -> Iterator[str]:
    """Yield a data URL for each path, in order; memory does not grow with their number."""
    from collections import deque

    with Thumbnails() as making:
        waiting: deque[Future[str]] = deque()
        for path in paths:
            waiting.append(making.of(path))
            if len(waiting) >= WAITING:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
