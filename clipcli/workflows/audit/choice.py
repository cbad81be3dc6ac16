"""Which of several copies is kept, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from clipcli.images.companions import Companions
from clipcli.images.metadata import n_metadata
from clipcli.workflows.audit.dataset import Dataset
from clipcli.workflows.journal.filestate import is_within, real_path

if TYPE_CHECKING:
    from clipcli.workflows.audit.measures import Measures

LARGE = 0.5  # of the most pixels: a lossless picture with fewer is a preview, and no master
_NEVER = 2**63  # later than any time of a file


@dataclass(frozen=True, slots=True)
class Candidate:
    """One of several copies."""

    path: str
    at: int  # its place among all pictures
    measures: Measures | None
    is_link: bool
    mtime_ns: int
    birth_ns: int  # 0 where the system does not say
    preference: int  # the number of the first preferred folder that it is in
    is_large: bool
    companions: int  # files beside it that belong to it
    metadata: int

    @property
    def n_pixels(self) -> int:
        """Width times height; 0 if it is not known."""
        return self.measures.width * self.measures.height if self.measures else 0

    @property
    def is_raw(self) -> bool:
        """Whether it is a raw photograph."""
        return self.measures is not None and self.measures.is_raw

    @property
    def is_lossless(self) -> bool:
        """Whether nothing was lost when it was stored."""
        return self.is_raw or (self.measures is not None and self.measures.is_lossless)

    @property
    def n_bytes(self) -> int:
        """The length of the file."""
        return self.measures.n_bytes if self.measures else 0


class Criterion(NamedTuple):
    """Something that speaks for one copy and against another."""

    won: str
    lost: str
    key: Callable[[Candidate], Any]  # the lowest wins


_OWN = Criterion("a file of its own", "a symbolic link", lambda one: one.is_link)
_PREFERRED = Criterion(
    "in the preferred folder", "not in the preferred folder", lambda one: one.preference
)
_LARGE = Criterion("most pixels", "fewer pixels", lambda one: not one.is_large)
_LOSSLESS = Criterion("stored without loss", "stored with loss", lambda one: not one.is_lossless)
_RAW = Criterion("raw photograph", "no raw photograph", lambda one: not one.is_raw)
_PIXELS = Criterion("most pixels", "fewer pixels", lambda one: -one.n_pixels)
_COMPANIONS = Criterion(
    "most companions",
    "fewer companions",
    lambda one: -one.companions,
)
_METADATA = Criterion("most metadata", "less metadata", lambda one: -one.metadata)
# How many bytes a lossless picture takes says nothing of its worth.
_LENGTH = Criterion(
    "least compressed", "more compressed", lambda one: 0 if one.is_lossless else -one.n_bytes
)
_OLDEST = Criterion("oldest", "younger", lambda one: (one.mtime_ns, one.birth_ns))
_NEWEST = Criterion("newest", "older", lambda one: (-one.mtime_ns, -one.birth_ns))
_BYTES = Criterion("most bytes", "fewer bytes", lambda one: -one.n_bytes)
# Programs that copy add to a name: "IMG (1).jpg", "Copy of IMG.jpg".
_NAME = Criterion("shortest name", "longer name", lambda one: len(Path(one.path).name))
_FIRST = Criterion("found first", "found later", lambda one: one.at)

_ORIGINAL = (_LARGE, _LOSSLESS, _RAW, _PIXELS, _COMPANIONS, _METADATA, _LENGTH)
_BEST = (*_ORIGINAL, _OLDEST, _NAME, _FIRST)
STRATEGIES: Mapping[str, tuple[Criterion, ...]] = {
    "best": _BEST,
    "oldest": (_OLDEST, *_BEST),
    "newest": (_NEWEST, *_BEST),
    "largest": (_PIXELS, _BYTES, *_BEST),
    "first": (_FIRST,),
}


@dataclass(frozen=True, slots=True)
class ChosenCopy:
    """Which picture of a group is kept, and a reason for each of them; by its place."""

    kept: int
    reasons: Mapping[int, str]


class Chooser:
    """Chooses among copies.

    Parameters
    ----------
    strategy
        One of :data:`STRATEGIES`.
    preferred
        Folders, as real paths; copies in the first of them go before all others, and so on.
    """

    def __init__(self, strategy: str = "best", preferred: Sequence[str] = ()) -> None:
        self._criteria = (_OWN, _PREFERRED, *STRATEGIES[strategy])
        self._preferred = tuple(preferred)
        self._companions = Companions("")

    def choose(
        self, dataset: Dataset, group: Sequence[int], *, are_exact: bool = False
    ) -> ChosenCopy:
        """Choose the picture of a group that is kept; exact copies have the same metadata."""
        candidates = self._candidates(dataset, group, are_exact=are_exact)
        best = min(candidates, key=lambda one: [each.key(one) for each in self._criteria])
        reasons, won = {}, []
        for one in candidates:
            if one.at != best.at:
                criterion = self._between(best, one)
                reasons[one.at] = criterion.lost
                won.append(criterion)
        order = [each for each in self._criteria if each in won]
        reasons[best.at] = ", ".join(dict.fromkeys(each.won for each in order))
        return ChosenCopy(best.at, reasons)

    def preference(self, path: str) -> int:
        """Return the number of the first preferred folder that a file is in, or how many are."""
        if not self._preferred:
            return 0
        real = real_path(path)
        within = [i for i, each in enumerate(self._preferred) if is_within(real, each)]
        return within[0] if within else len(self._preferred)

    def _between(self, best: Candidate, other: Candidate) -> Criterion:
        for criterion in self._criteria:
            if criterion.key(best) != criterion.key(other):
                return criterion
        raise AssertionError("no two pictures have one place")

    def _candidates(
        self, dataset: Dataset, group: Sequence[int], *, are_exact: bool
    ) -> list[Candidate]:
        told = [dataset.measures[i] if dataset.measures else None for i in group]
        most = max(each.width * each.height if each else 0 for each in told)
        found = []
        for i, measures in zip(group, told, strict=True):
            path = dataset.paths[i]
            is_file = dataset.are_files  # of what lies in an archive only the pixels are known
            mtime_ns, birth_ns, is_link = _times(path) if is_file else (_NEVER, 0, False)
            n_pixels = measures.width * measures.height if measures else 0
            is_raw = measures is not None and measures.is_raw
            found.append(
                Candidate(
                    path,
                    i,
                    measures,
                    is_link=is_link,
                    mtime_ns=mtime_ns,
                    birth_ns=birth_ns,
                    preference=self.preference(path) if is_file else 0,
                    is_large=is_raw or n_pixels >= LARGE * most,
                    companions=len(self._companions.of(real_path(path))) if is_file else 0,
                    metadata=0 if are_exact or not is_file else n_metadata(path),
                )
            )
        return found


def _times(path: str) -> tuple[int, int, bool]:
    """Return when a file was written and made, and whether it is a symbolic link."""
    try:
        status = Path(path).stat()
        is_link = Path(path).is_symlink()
    except OSError:  # gone since; what is there goes before it
        return _NEVER, 0, False
    birth = getattr(status, "st_birthtime", 0)  # on macOS and Windows
    return status.st_mtime_ns, int(birth * 10**9), is_link
