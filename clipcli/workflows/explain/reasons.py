"""Which of a label's prompts fits a picture best, and what each of its words adds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipcli.labels.templates import prompts_for_label

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipcli.labels.label import Label
    from clipcli.pipeline.classifier import Classifier

REMEMBERED = 20_000  # prompts: 40 MB with rows of 512 numbers


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

    def of(self, name: str, row: NDArray[np.float32]) -> Reason:
        """Return the reason why a label fits a picture's unit row (d,) as it does."""
        if len(self._rows) > REMEMBERED:
            self._rows.clear()
        prompts = self._prompts(self._labels[name])
        fits = {prompt: self._similarity(prompt, row) for prompt in self._encode(prompts)}
        best = max(fits, key=lambda prompt: fits[prompt])
        words = best.split()
        rests = [" ".join(words[:i] + words[i + 1 :]) for i in range(len(words))]
        self._encode([rest for rest in rests if rest])
        changes = (
            (word, fits[best] - self._similarity(rest, row))
            for word, rest in zip(words, rests, strict=True)
            if rest
        )
        return Reason(best, fits[best], tuple(changes))

    def _prompts(self, label: Label) -> tuple[str, ...]:
        return prompts_for_label(label, self._classifier.templates)

    def _encode(self, prompts: list[str] | tuple[str, ...]) -> list[str]:
        new = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._rows]
        if new:
            self._rows |= dict(zip(new, self._classifier.encode_texts(new), strict=True))
        return list(prompts)

    def _similarity(self, prompt: str, row: NDArray[np.float32]) -> float:
        return float(self._rows[prompt] @ row)
