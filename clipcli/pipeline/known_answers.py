"""Known answers: decisions that somebody made, found again by the content of pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from clipcli.errors import InputError, several
from clipcli.files import content_sha256
from clipcli.pipeline.reviewed import (
    DecisionsError,
    PictureDecision,
    labels_of,
    read_decisions,
)
from clipcli.results import Classified, LabelScore, Result

NAMED = 3  # decisions in a note; the rest is a count


@dataclass
class KnownAnswers:
    """A file of decisions, and which of them were found again."""

    source: str
    decisions: Sequence[PictureDecision]
    _found: set[int] = field(default_factory=set)  # places of decisions
    _of: dict[str, PictureDecision | None] = field(default_factory=dict)  # by path, of hits

    def __post_init__(self) -> None:
        self._by_content: dict[str, list[int]] = {}
        for i, one in enumerate(self.decisions):
            self._by_content.setdefault(one.sha256, []).append(i)
        # Only files of these sizes have to be read.
        self._sizes = {one.bytes for one in self.decisions}

    def of(self, path: str) -> PictureDecision | None:
        """Return what was said of a picture, wherever it lies now."""
        if path not in self._of:
            decision = self._look_up(path)
            if decision is None:
                return None
            self._of[path] = decision
        return self._of[path]

    def _look_up(self, path: str) -> PictureDecision | None:
        try:
            if Path(path).stat().st_size not in self._sizes:
                return None
            places = self._by_content.get(content_sha256(path), [])
        except (OSError, ValueError):  # no file of its own, or gone
            return None
        answers = {(self.decisions[i].new, self.decisions[i].verdict) for i in places}
        if len(answers) > 1:  # of copies one is wanted and another is not: the path says which
            places = _nearest(path, places, [self.decisions[i].path for i in places])
        self._found.update(places)
        return self.decisions[places[0]] if places else None

    @property
    def n_found(self) -> int:
        """How many decisions were found again."""
        return len(self._found)

    def check_labels(self, names: Collection[str], where: str = "the labels") -> None:
        """Refuse labels that are not among those to choose from.

        Raises
        ------
        DecisionsError
        """
        for label in labels_of(self.decisions):
            if label not in names:
                raise DecisionsError(
                    f"{self.source}: {label!r} is not among {where}",
                    hint="name the label set that the page was made with",
                )

    def check_found(self) -> None:
        """Refuse decisions of another data set.

        Raises
        ------
        InputError
            If none was found again.
        """
        if self.decisions and not self._found:
            n = several(len(self.decisions), "decision")
            raise InputError(
                f"{self.source}: none of its {n} is about a picture here",
                hint="decisions are matched by content: are they of another data set?",
            )

    def left_over(self) -> Iterator[str]:
        """Say, in a line, which decisions match no picture any more; nothing if all do."""
        missing = [one for i, one in enumerate(self.decisions) if i not in self._found]
        if not missing:
            return
        n_changed = sum(Path(one.path).is_file() for one in missing)
        changed = f", {n_changed:,} of them changed since" if n_changed else ""
        named = ", ".join(one.path for one in missing[:NAMED])
        more = f" and {len(missing) - NAMED:,} more" if len(missing) > NAMED else ""
        yield (
            f"{self.source}: {len(missing):,} of {several(len(self.decisions), 'decision')} "
            f"match no picture here{changed}: {named}{more}"
        )

    def answered(self, result: Result) -> Result:
        """Return a result as somebody decided; others come back as they are."""
        if not isinstance(result, Classified):
            return result
        decision = self.of(result.path)
        if decision is None or (decision.new is None and not decision.is_rejected):
            return result
        labels = None
        if result.labels is not None:
            scores = {score.label: score.similarity for score in result.top}
            given = () if decision.new is None else (decision.new,)
            labels = tuple(LabelScore(name, 1.0, scores.get(name, 0.0)) for name in given)
        return replace(result, decision="reviewed", known=decision.new, labels=labels)


def _nearest(path: str, places: Sequence[int], paths: Sequence[str]) -> list[int]:
    """Return the one place whose path ends most like this one; none where two do."""
    mine = _parts(path)
    lengths = []
    for other in map(_parts, paths):
        pairs = zip(reversed(mine), reversed(other), strict=False)
        lengths.append(next((i for i, (a, b) in enumerate(pairs) if a != b), len(mine)))
    best = max(lengths)
    found = [place for place, length in zip(places, lengths, strict=True) if length == best]
    return found if len(found) == 1 and best else []


def _parts(path: str) -> list[str]:
    return os.path.normpath(path).replace("\\", "/").split("/")


def open_known(path: Path | None) -> KnownAnswers | None:
    """Read a file of decisions, if there is one.

    Raises
    ------
    DecisionsError
    """
    return None if path is None else KnownAnswers(str(path), read_decisions(path))


def tell_left_over(known: KnownAnswers | None, say: Callable[[str], None]) -> None:
    """Say which decisions match nothing; refuse those of another data set.

    Raises
    ------
    InputError
    """
    if known is not None:
        known.check_found()
        for line in known.left_over():
            say(line)
