"""This file knows about keeping the encoder fed: pictures in, one vector or reason each, in order.

A feeder thread walks the inputs and hands them to decoding threads (Pillow lets go of the
interpreter while it works); the caller's thread gathers what is decoded into batches and encodes.
A window bounds what is under way, so memory does not grow with the number of pictures.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from clipcli.errors import ImageError
from clipcli.images.find import ImageFile
from clipcli.results import Skipped

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipcli.encoder import Encoder

MAX_PIXELS = 200_000_000  # by the header; a larger picture is a skipped record
WINDOW_BYTES = 96 * 2**20  # decoded pictures that wait, at most
WINDOW_IMAGES = 1024  # however small they are
FIRST_BATCH = 4  # small, so that the first result comes early
PATIENCE_S = 0.5  # how long a half-full batch waits for a slow producer or a slow decode


@dataclass(frozen=True, slots=True)
class Embedded:
    """An image's path and its embedding (d,), float32, unit length."""

    path: str
    row: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """How pictures are read: ``exact`` forgoes the short cut for large JPEGs."""

    exact: bool = False
    max_pixels: int = MAX_PIXELS


Pixels: TypeAlias = "NDArray[np.uint8]"  # (s, s, 3)
_Queued: TypeAlias = "tuple[str, Future[Pixels]] | Skipped | BaseException | None"


def embed(
    inputs: Iterable[ImageFile | Skipped], encoder: Encoder, options: DecodeOptions
) -> Iterator[list[Embedded | Skipped]]:
    """Yield an embedding or a reason for every input, in input order, a batch at a time."""
    with _Feeder(inputs, encoder, options) as feeder:
        pending: list[tuple[str, Pixels] | Skipped] = []  # in input order
        n_pictures, batch_size = 0, FIRST_BATCH
        for entry in feeder:
            if entry is not None:
                pending.append(entry)
                n_pictures += not isinstance(entry, Skipped)
            # A pause (None) sends a half-full batch on its way; a skipped record that has
            # nothing before it need not wait for one.
            is_due = n_pictures >= batch_size or n_pictures == 0 or entry is None
            if pending and is_due:
                yield _encode(pending, encoder)
                batch_size = encoder.batch_size if n_pictures else batch_size
                pending, n_pictures = [], 0
        if pending:
            yield _encode(pending, encoder)


def _encode(
    pending: list[tuple[str, Pixels] | Skipped], encoder: Encoder
) -> list[Embedded | Skipped]:
    """Encode the pictures among the pending entries at once; keep everybody's place."""
    import numpy as np

    pictures = [entry[1] for entry in pending if not isinstance(entry, Skipped)]
    rows = iter(encoder.encode_images(np.stack(pictures)) if pictures else ())  # n x (d,)
    return [
        entry if isinstance(entry, Skipped) else Embedded(entry[0], next(rows)) for entry in pending
    ]


def usable_cores() -> int:
    """Count the processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Feeder:
    """Walks inputs and decodes them ahead of the reader; iterating gives them back in order.

    Yields ``None`` each :data:`PATIENCE_S` in which nothing comes, since the reader may hold
    pictures that could go ahead. Subtle: all waiting is done in such short spells, because on
    Windows nothing, not even Ctrl-C, interrupts a wait without end.
    """

    def __init__(
        self, inputs: Iterable[ImageFile | Skipped], encoder: Encoder, options: DecodeOptions
    ) -> None:
        self._inputs, self._encoder, self._options = inputs, encoder, options
        picture_bytes = encoder.config.preprocessing.size**2 * 3
        window = max(FIRST_BATCH, min(WINDOW_BYTES // picture_bytes, WINDOW_IMAGES))
        self._room = threading.Semaphore(window)
        self._queue: queue.SimpleQueue[_Queued] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._pool = ThreadPoolExecutor(max(2, usable_cores()), thread_name_prefix="decode")

    def __enter__(self) -> _Feeder:
        # A daemon: it may be waiting for a line on standard input that never comes.
        threading.Thread(target=self._feed, name="feed", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._room.release()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _feed(self) -> None:
        try:
            for item in self._inputs:
                self._room.acquire()
                if self._stopped.is_set():
                    return
                if isinstance(item, Skipped):
                    self._queue.put(item)
                else:
                    self._queue.put((item.path, self._pool.submit(self._decode, item.path)))
            self._queue.put(None)
        except BaseException as error:  # whatever it is, the reader has to meet it
            self._queue.put(error)

    def _decode(self, path: str) -> Pixels:
        from clipcli.images.load import load_pixels

        pixels = load_pixels(
            path,
            self._encoder.config.preprocessing,
            exact=self._options.exact,
            max_pixels=self._options.max_pixels,
        )
        # Only now is it certain that the encoder is needed; it loads while others are decoded.
        self._encoder.start()
        return pixels

    def __iter__(self) -> Iterator[tuple[str, Pixels] | Skipped | None]:
        while True:
            try:
                queued = self._queue.get(timeout=PATIENCE_S)
            except queue.Empty:
                yield None
                continue
            if queued is None:
                return
            if isinstance(queued, BaseException):
                raise queued
            if isinstance(queued, Skipped):
                yield queued
            else:
                yield from self._pauses(queued[1])
                yield self._result(*queued)
            self._room.release()

    @staticmethod
    def _pauses(future: Future[Pixels]) -> Iterator[None]:
        while not (future.done() or wait([future], PATIENCE_S).done):
            yield None

    @staticmethod
    def _result(path: str, future: Future[Pixels]) -> tuple[str, Pixels] | Skipped:
        try:
            return path, future.result()
        except ImageError as error:
            return Skipped(path, error.message)
        except MemoryError:
            return Skipped(path, "not enough memory to resize it")
