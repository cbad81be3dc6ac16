"""What every model that locates by words is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import TYPE_CHECKING, Protocol

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

    @classmethod
    def of_names(cls, names: Sequence[str]) -> Question:
        """Ask for things by their names, which have nothing to do with each other."""
        return cls(tuple(names))

    @classmethod
    def of_sentence(cls, sentence: str, spans: Sequence[Span]) -> Question:
        """Ask for the things that a sentence names at ``spans``."""
        return cls(tuple(sentence[a:b] for a, b in spans), sentence, tuple(spans))

    def in_words(self) -> str:
        """Say what is looked for, in a line: the sentence, or names and how many more."""
        if self.sentence:
            return f"“{shorten(self.sentence, SHOWN, placeholder=' …')}”"
        names = ", ".join(self.phrases[:NAMES_SHOWN])
        n_more = len(self.phrases) - NAMES_SHOWN
        return f"{names} and {n_more:,} more" if n_more > 0 else names


@dataclass(frozen=True, slots=True)
class Boxes:
    """Boxes in one picture, best first."""

    corners: NDArray[np.float32]  # (n, 4) left, top, right, bottom, in the picture's pixels
    scores: NDArray[np.float32]  # (n,) 0 to 1
    phrases: NDArray[np.intp]  # (n,) which of the question's phrases


class Locator(Protocol):
    """A model that finds boxes by words."""

    @property
    def device(self) -> str: ...

    @property
    def precision(self) -> str: ...

    @property
    def own_nms(self) -> float:
        """The overlap above which the weaker of two boxes of a phrase is usually dropped."""

    def check(self, question: Question) -> None:
        """Refuse a question with words that the model cannot read, before any picture is read."""

    def locate(
        self, picture: NDArray[np.uint8], question: Question, *, min_score: float, nms: float
    ) -> Boxes:
        """Find boxes in a picture (h, w, 3)."""
