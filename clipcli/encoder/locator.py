"""What every model that locates by words is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHOWN, NAMES_SHOWN = 80, 6  # characters of a sentence, and names, in a heading
Span = tuple[int, int]  # of characters in a sentence


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for: names, or phrases of a sentence, which some models read as a whole."""

    phrases: tuple[str, ...]
    sentence: str = ""
    spans: tuple[Span, ...] = ()  # of the phrases in the sentence
    # Where a label has several words: the labels' names, whose each phrase is, and which phrases
    # are prompts that are used as written.
    names: tuple[str, ...] = ()
    owners: tuple[int, ...] = ()
    written: tuple[bool, ...] = ()
    templates: tuple[str, ...] | None = None  # of the label set, for models that classify places

    @classmethod
    def of_names(cls, names: Sequence[str]) -> Question:
        """Ask for things by their names, which have nothing to do with each other."""
        return cls(tuple(names))

    @classmethod
    def of_sentence(cls, sentence: str, spans: Sequence[Span]) -> Question:
        """Ask for the things that a sentence names at ``spans``."""
        return cls(tuple(sentence[a:b] for a, b in spans), sentence, tuple(spans))

    @property
    def labels(self) -> tuple[str, ...]:
        """What boxes are called: the labels' names, or the phrases themselves."""
        return self.names or self.phrases

    def label_of(self, phrase: int) -> int:
        """Return which label a phrase belongs to."""
        return self.owners[phrase] if self.owners else phrase

    def by_label(self) -> Question:
        """Return what is asked of a model that knows labels as a whole: each is one phrase."""
        return Question(self.names) if self.names else self

    def in_words(self) -> str:
        """Say what is looked for, in a line: the sentence, or names and how many more."""
        if self.sentence:
            return f"“{shorten(self.sentence, SHOWN, placeholder=' …')}”"
        names = ", ".join(self.labels[:NAMES_SHOWN])
        n_more = len(self.labels) - NAMES_SHOWN
        return f"{names} and {n_more:,} more" if n_more > 0 else names


@dataclass(frozen=True, slots=True)
class Boxes:
    """Boxes in one picture, best first."""

    corners: NDArray[np.float32]  # (n, 4) left, top, right, bottom, in the picture's pixels
    scores: NDArray[np.float32]  # (n,) 0 to 1
    phrases: NDArray[np.intp]  # (n,) which of the question's phrases


@dataclass(frozen=True, slots=True)
class Sight:
    """What a model that does not fuse saw in a picture, whatever it is asked afterwards."""

    rows: NDArray[np.float32]  # (p, d) a unit row a place, to be compared with phrases
    places: NDArray[np.float32]  # (p, 6) shift and scale of the cosine; centre and size of the box
    width: int  # of the picture, pixels
    height: int


class LocatingModel(Protocol):
    """A model that finds boxes by words."""

    @property
    def device(self) -> str: ...

    @property
    def precision(self) -> str: ...

    def check(self, question: Question) -> None:
        """Refuse a question with words that the model cannot read, before any picture is read."""

    def locate(
        self, picture: NDArray[np.uint8], question: Question, *, min_score: float, nms: float
    ) -> Boxes:
        """Find boxes in a picture (h, w, 3)."""


@runtime_checkable
class Unfused(LocatingModel, Protocol):
    """A locator that looks at a picture before it knows the question."""

    def see(self, picture: NDArray[np.uint8]) -> Sight:
        """Look at a picture (h, w, 3)."""

    def find(self, sight: Sight, question: Question, *, min_score: float, nms: float) -> Boxes:
        """Find boxes in what was seen."""
