"""Which of a label's prompts fits a picture best, and what each of its words adds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from clipcli.labels.templates import prompts_for_label

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipcli.labels.label import Label
    from clipcli.pipeline.classifier import Classifier

REMEMBERED = 20_000  # prompts: 40 MB with rows of 512 numbers
LABELS_AT_ONCE = 100  # some 1,500 texts: together in a tenth of the time of label by label


@dataclass(frozen=True, slots=True)
class Reason:
    """A prompt, its cosine with the picture, and how far that falls without each word."""

    prompt: str
    similarity: float
    words: tuple[tuple[str, float], ...]  # negative: without the word the prompt fits better


class Reasons:
    """Finds reasons for a classifier's labels; prompts that were encoded are remembered."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._labels = {label.name: label for label in classifier.label_set.labels}
        self._rows: dict[str, NDArray[np.float32]] = {}

    def of(self, names: Sequence[str], row: NDArray[np.float32]) -> Iterator[Reason]:
        """Yield the reasons why labels fit a picture's unit row (d,) as they do."""
        for i in range(0, len(names), LABELS_AT_ONCE):
            yield from self._of(names[i : i + LABELS_AT_ONCE], row)

    def _of(self, names: Sequence[str], row: NDArray[np.float32]) -> Iterator[Reason]:
        if len(self._rows) > REMEMBERED:
            self._rows.clear()
        prompts = [self._prompts(self._labels[name]) for name in names]
        self._encode(chain.from_iterable(prompts))
        best = [max(each, key=lambda prompt: self._similarity(prompt, row)) for each in prompts]
        rests = [_without_each_word(prompt) for prompt in best]
        self._encode(rest for each in rests for _, rest in each)
        for prompt, each in zip(best, rests, strict=True):
            fit = self._similarity(prompt, row)
            changes = ((word, fit - self._similarity(rest, row)) for word, rest in each)
            yield Reason(prompt, fit, tuple(changes))

    def _prompts(self, label: Label) -> tuple[str, ...]:
        return prompts_for_label(label, self._classifier.templates)

    def _encode(self, texts: Iterable[str]) -> None:
        new = [text for text in dict.fromkeys(texts) if text not in self._rows]
        if new:
            self._rows |= dict(zip(new, self._classifier.encode_texts(new), strict=True))

    def _similarity(self, prompt: str, row: NDArray[np.float32]) -> float:
        return float(self._rows[prompt] @ row)


def _without_each_word(prompt: str) -> list[tuple[str, str]]:
    """Return each word, and the prompt without it, unless nothing is left."""
    words = prompt.split()
    rests = (" ".join(words[:i] + words[i + 1 :]) for i in range(len(words)))
    return [(word, rest) for word, rest in zip(words, rests, strict=True) if rest]
