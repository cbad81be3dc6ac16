"""Which files of a watched folder are pictures that nobody writes to any more."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from clipcli.errors import InputError
from clipcli.images.companions import Companions
from clipcli.images.find import ImageFile, find_images, looks_like_picture

# What browsers and copying programs call a file until it is whole.
PARTIAL = (".part", ".partial", ".crdownload", ".download", ".tmp", ".temp", ".filepart", ".!ut")
RESCAN_S = 30.0  # events can be lost: the queue of the system is finite


@dataclass(frozen=True, slots=True)
class Settled:
    """A file that has kept its state for a while; ``key`` is what a ledger knows it by."""

    path: str
    key: str
    followers: tuple[str, ...] = ()  # paths of what goes along


@dataclass
class Settling:
    """Files on their way; each is ready when its size and time have not changed for a while.

    With companions, a picture waits for those of its name that are there, and a raw photograph
    beside a JPEG is none of its own.
    """

    settle_s: float
    is_known: Callable[[str], bool]  # whether a ledger has a key
    clock: Callable[[], float] = time.monotonic
    with_companions: bool = False
    # By path: the keys of the file and of what follows it, and since when they are these.
    _waiting: dict[str, tuple[tuple[str, ...], float]] = field(default_factory=dict)

    def see(self, path: str) -> None:
        """Look at a file; one that is known, or no regular file, is not waited for."""
        key = _key(path)
        if key is None or self.is_known(key):
            self._waiting.pop(path, None)
        elif path not in self._waiting:
            self._waiting[path] = (key,), self.clock()

    def ready(self) -> list[Settled]:
        """Return what has settled, and wait for it no more."""
        now = self.clock()
        companions = Companions("") if self.with_companions else None
        settled = []
        for path in list(self._waiting):
            self.see(path)
            if companions and companions.leader(path) is not None:
                self._waiting.pop(path, None)
            if path not in self._waiting:
                continue
            followers = _followers(path, companions) if companions else ()
            keys = tuple(_key(each) or "" for each in (path, *followers))
            before, since = self._waiting[path]
            if keys != before:
                self._waiting[path] = keys, now
            elif now - since >= self.settle_s:
                settled.append(Settled(path, keys[0], followers))
        for one in settled:
            del self._waiting[one.path]
        return settled

    def __len__(self) -> int:
        return len(self._waiting)


def _followers(path: str, companions: Companions) -> tuple[str, ...]:
    folder = os.path.dirname(path)
    return tuple(os.path.join(folder, each.name) for each in companions.of(path))


def _key(path: str) -> str | None:
    try:
        status = os.lstat(path)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(status.st_mode) or not status.st_size:  # an empty file is yet to come
        return None
    return f"{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}"


@dataclass
class WatchedFolder:
    """A watched folder: what in it may be a picture. ``without`` is a folder in it that is not."""

    path: str  # absolute, no link in it
    without: str | None = None

    def __post_init__(self) -> None:
        self._identity = self._look()

    def pictures(self, below: str | None = None) -> Iterator[str]:
        """Yield the paths in it, or in a folder below, that may be pictures."""
        for entry in find_images([below or self.path], by_name=True):
            if isinstance(entry, ImageFile) and self.holds(entry.path):
                yield entry.path

    def changed(self, paths: Iterable[str]) -> Iterator[str]:
        """Yield what may be pictures among paths that something happened to."""
        for path in paths:
            if os.path.isdir(path) and not os.path.islink(path) and self.holds(path):
                yield from self.pictures(path)
            elif self.holds(path) and looks_like_picture(path):
                yield path

    def holds(self, path: str) -> bool:
        """Tell whether a path counts: not hidden, not half there, not in ``without``."""
        relative = os.path.relpath(path, self.path)
        if any(part.startswith(".") for part in relative.split(os.sep) if part != "."):
            return False
        is_out = self.without is not None and f"{path}{os.sep}".startswith(self.without + os.sep)
        return not is_out and not path.lower().endswith(PARTIAL)

    def check(self) -> None:
        """Raise :class:`InputError` if the folder is gone, or is another one now."""
        if self._look() != self._identity:
            raise InputError(
                f"{self.path}: the folder is gone, so there is nothing to watch",
                hint="start the watch again when it is back; it goes on where it ended",
            )

    def _look(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self.path)
        except OSError:
            return None
        return (status.st_dev, status.st_ino) if stat.S_ISDIR(status.st_mode) else None


def settled(
    folder: WatchedFolder, settling: Settling, wakes: Iterable[Iterable[str]], *, once: bool = False
) -> Iterator[list[Settled]]:
    """Yield files as they settle, several at a time.

    Parameters
    ----------
    wakes
        Paths that something happened to, or none of them, every now and then.
    once
        End when nothing is waited for any more.

    Raises
    ------
    InputError
        If the folder vanishes.
    """
    scanned = None
    for paths in wakes:
        folder.check()
        if scanned is None or settling.clock() - scanned >= RESCAN_S:
            scanned = settling.clock()
            for path in folder.pictures():
                settling.see(path)
        for path in folder.changed(paths):
            settling.see(path)
        if ready := settling.ready():
            yield ready
        if once and not len(settling):
            return
