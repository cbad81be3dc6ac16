"""Working ahead: finding, looking up and decoding while others are encoded.

One thread walks the inputs, one asks the cache about all that have been found meanwhile, and
decoding threads (Pillow lets go of the interpreter while it works) take what it does not know.
Windows bound what is under way, so memory does not grow with the number of pictures.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, TypeAlias

from clipcli.cache.identity import Identity, identity_of
from clipcli.images.files import status_of
from clipcli.images.find import ImageFile
from clipcli.pipeline.image_data import ImageData, ImageVector
from clipcli.pipeline.reader import DecodeOptions, Embedded, Fresh, Reader
from clipcli.process import usable_cores
from clipcli.results import Skipped

if TYPE_CHECKING:
    from clipcli.cache.session import Answer, CacheSession
    from clipcli.encoder.encoder import Encoder

WINDOW_BYTES = 48 * 2**20  # decoded pictures that wait, at most: more than a batch of any device
WINDOW_IMAGES = 1024  # however small they are
LEAST_WINDOW = 4
HELD_BYTES = 128 * 2**20  # of pictures from archives that are not decoded yet; one may be longer
FOUND_AHEAD = 2048  # inputs that wait to be looked up
LOOK_UP_AT_ONCE = 512  # inputs
ANSWERS_AHEAD = 4  # lists of so many
GATHERED = 512  # entries that are handed over at once
PATIENCE_S = 0.5  # how long a half-full batch waits for a slow producer or a slow decode
PAUSE_S = 0.01

Input: TypeAlias = "ImageFile | ImageData | Skipped"
Entry: TypeAlias = "Fresh | Embedded | Skipped"


class _End:
    """Stands at the end of the inputs."""


Found: TypeAlias = "Input | BaseException | _End"
Ahead: TypeAlias = "list[Entry] | Future[Entry] | BaseException | _End"


class Feeder:
    """Gives inputs back in order, each with its vector, its reason or its decoded pixels.

    Subtle: all waiting is done in short spells, because on Windows nothing, not even Ctrl-C,
    interrupts a wait without end.
    """

    def __init__(
        self,
        inputs: Iterable[Input],
        encoder: Encoder,
        options: DecodeOptions,
        cache: CacheSession,
    ) -> None:
        self._inputs, self._cache = inputs, cache
        self._reader = Reader(encoder, options, cache)
        picture_bytes = encoder.config.preprocessing.size**2 * 3
        window = max(LEAST_WINDOW, min(WINDOW_BYTES // picture_bytes, WINDOW_IMAGES))
        self._room = threading.Semaphore(window)  # for pictures
        self._list_room = threading.Semaphore(ANSWERS_AHEAD)
        self._found: queue.SimpleQueue[Found] = queue.SimpleQueue()
        self._ahead: queue.SimpleQueue[Ahead] = queue.SimpleQueue()
        self._head: Ahead | None = None  # taken from the queue, but not yet handed over
        self._stopped = threading.Event()
        self._n_held_bytes = 0
        self._held = threading.Lock()
        self._pool = ThreadPoolExecutor(max(2, usable_cores()), thread_name_prefix="decode")

    def __enter__(self) -> Feeder:
        # Daemons: one may be waiting for a line on standard input that never comes.
        threading.Thread(target=self._walk, name="feed-walk", daemon=True).start()
        threading.Thread(target=self._look_up, name="feed-look-up", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._room.release()
        self._list_room.release()
        self._found.put(_End())
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _walk(self) -> None:
        try:
            for item in self._inputs:
                self._hold(item)
                self._found.put(item)
                while self._found.qsize() >= FOUND_AHEAD and not self._stopped.wait(PAUSE_S):
                    pass
                if self._stopped.is_set():
                    return
            self._found.put(_End())
        except BaseException as error:  # whatever it is, the reader has to meet it
            self._found.put(error)

    def _hold(self, item: Input) -> None:
        """Wait until there is room for the bytes that a picture from an archive brings."""
        n_bytes = item.n_bytes if isinstance(item, ImageData) else 0
        while n_bytes and not self._stopped.is_set():
            with self._held:
                if not self._n_held_bytes or self._n_held_bytes + n_bytes <= HELD_BYTES:
                    self._n_held_bytes += n_bytes
                    return
            self._stopped.wait(PAUSE_S)

    def _read(self, item: ImageFile | ImageData) -> Entry:
        try:
            return self._reader.read(item)
        finally:
            if isinstance(item, ImageData):
                with self._held:
                    self._n_held_bytes -= item.n_bytes

    def _look_up(self) -> None:
        try:
            while not self._stopped.is_set():
                items, end = self._drain()
                self._answer(items)
                if end is not None:
                    self._ahead.put(end)
                    return
        except BaseException as error:
            self._ahead.put(error)

    def _drain(self) -> tuple[list[Input], BaseException | _End | None]:
        """Take what has been found: one input at least, but no waiting for more."""
        items: list[Input] = []
        item = self._found.get()
        while True:
            if isinstance(item, _End | BaseException):
                return items, item
            items.append(item)
            if len(items) == LOOK_UP_AT_ONCE:
                return items, None
            try:
                item = self._found.get_nowait()
            except queue.Empty:
                return items, None

    def _answer(self, items: list[Input]) -> None:
        """Queue what is known as lists, and the rest as pictures to be decoded, in order."""
        known: list[Entry] = []
        for item, answer in zip(items, self._answers(items), strict=True):
            if isinstance(item, Skipped):
                known.append(item)
            elif isinstance(item, ImageVector):
                known.append(self._reader.embedded(item))
            elif answer is None:
                self._put(known)
                known = []
                self._submit(item)
            elif isinstance(answer, str):
                known.append(Skipped(item.path, answer))
            else:
                known.append(Embedded(item.path, answer.row, answer.note))
        self._put(known)

    def _answers(self, items: list[Input]) -> list[Answer]:
        if self._cache.is_empty:
            return [None] * len(items)
        return self._cache.look_up([_identity(item) for item in items])

    def _put(self, known: list[Entry]) -> None:
        if known and not self._stopped.is_set():
            self._list_room.acquire()
            self._ahead.put(known)

    def _submit(self, item: ImageFile | ImageData) -> None:
        if not self._stopped.is_set():
            self._room.acquire()
        if not self._stopped.is_set():  # it may have been what made room
            self._ahead.put(self._pool.submit(self._read, item))

    def gather(self, n_fresh: int) -> list[Entry]:
        """Return the next entries in order; none at the end.

        So many that ``n_fresh`` of them are to be encoded, unless those before do not need to
        wait for the next, or the next lets everybody wait.
        """
        gathered: list[Entry] = []
        n_gathered = 0
        while n_gathered < n_fresh and len(gathered) < GATHERED:
            is_patient = n_gathered > 0 or not gathered
            entries = self._next(PATIENCE_S if is_patient else 0)
            if entries is None:
                if gathered:
                    break
                continue
            if not entries:
                break
            gathered += entries
            n_gathered += isinstance(entries[0], Fresh)
        if not gathered and isinstance(self._head, BaseException):
            raise self._head
        return gathered

    def _next(self, patience_s: float) -> list[Entry] | None:
        """Return what comes next: some entries, none at the end or before an error, or a pause."""
        head = self._head
        try:
            if head is None:
                head = self._ahead.get(patience_s > 0, patience_s or None)
        except queue.Empty:
            return None
        self._head = head
        if isinstance(head, list):
            self._list_room.release()
            self._head = None
            return head
        if not isinstance(head, Future):
            return []
        if not (head.done() or (patience_s and wait([head], patience_s).done)):
            return None
        self._room.release()
        try:
            self._head = None
            return [head.result()]
        except BaseException as error:
            self._head = error
            return []


def _identity(item: Input) -> Identity | None:
    if not isinstance(item, ImageFile):
        return None
    try:
        return identity_of(item.path, item.status or status_of(item.path))
    except (OSError, ValueError):  # whoever reads it will say what is wrong
        return None
