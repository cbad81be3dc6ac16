"""A sentence about a picture, made of labels that were sure, and of nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clipcli.results import Classified, Skipped, path_fields

if TYPE_CHECKING:
    from clipcli.pipeline.classifier import Classifier
    from clipcli.pipeline.reader import Embedded

SURE = 0.6  # probability from which a label is said
MOST_NEUTRAL = 0.5  # share of the neutral words beside the labels up to which they are believed
UNSURE = "nothing in it was recognised with confidence"


@dataclass(frozen=True, slots=True)
class Aspect:
    """One thing that may be said: the label set that is asked, and how its label is put."""

    name: str
    label_set: str
    phrase: str
    has_neutral: bool = True  # the neutral words are themselves the names of everyday things


# In the order of the sentence. Each word of a label stands in its set; the rest is glue.
ASPECTS = (
    Aspect("thing", "everyday", "{}", has_neutral=False),
    Aspect("place", "scenes", "place: {}"),
    Aspect("weather", "weather", "weather: {}"),
)


@dataclass(frozen=True, slots=True)
class Part:
    """One label that was asked for, and whether it is said."""

    aspect: str
    label: str
    probability: float
    neutral: float  # share of the neutral words, 0 to 1
    is_said: bool


@dataclass(frozen=True, slots=True)
class Described:
    """One picture, its sentence, and the parts that stand behind it."""

    path: str
    sentence: str
    parts: tuple[Part, ...]


def describe(
    entries: Iterable[Embedded | Skipped], classifiers: Sequence[tuple[Aspect, Classifier]]
) -> Iterator[Described | Skipped]:
    """Yield a description of every picture whose vector is there.

    Classifiers with a reject threshold say how far their labels are from a picture;
    :data:`MOST_NEUTRAL` decides.
    """
    for entry in entries:
        if isinstance(entry, Skipped):
            yield entry
            continue
        parts = tuple(
            _part(aspect, classifier.score([entry])[0]) for aspect, classifier in classifiers
        )
        yield Described(entry.path, sentence_of(parts), parts)


def _part(aspect: Aspect, result: Classified) -> Part:
    first = result.top[0]
    neutral = result.reject_score or 0.0
    is_said = first.probability >= SURE and neutral <= MOST_NEUTRAL
    return Part(aspect.name, first.label, first.probability, neutral, is_said)


def sentence_of(parts: Sequence[Part]) -> str:
    """Put the labels that are sure into one sentence."""
    phrases = {aspect.name: aspect.phrase for aspect in ASPECTS}
    said = [phrases[part.aspect].replace("{}", part.label) for part in parts if part.is_said]
    return f"a photo of: {'; '.join(said)}." if said else f"a photo; {UNSURE}."


def record(described: Described | Skipped) -> dict[str, Any]:
    """Return the JSON object of one picture."""
    fields: dict[str, Any] = dict(path_fields(described.path))
    if isinstance(described, Skipped):
        return fields | {"status": "skipped", "reason": described.reason}
    parts = [
        {
            "aspect": part.aspect,
            "label": part.label,
            "probability": part.probability,
            "neutral": part.neutral,
            "said": part.is_said,
        }
        for part in described.parts
    ]
    return fields | {"status": "ok", "sentence": described.sentence, "parts": parts}
