"""A sentence about a picture, made of labels that were sure, and of nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from clipcli.errors import ImageError
from clipcli.results import Classified, Skipped, path_fields

if TYPE_CHECKING:
    from clipcli.pipeline.classifier import Classifier
    from clipcli.pipeline.reader import Embedded

SURE = 0.7  # probability from which a label is said
MOST_NEUTRAL = 0.5  # share of the neutral words beside the labels up to which they are believed
# The score from which a box is said, by the kind of model.
SURE_BOX = {
    "glip": 0.5,
    "owlvit": 0.3,
    "owlv2": 0.3,
    "mm-grounding-dino": 0.4,
    "grounding-dino": 0.4,
    "small": 0.5,
}
MOST_THINGS = 20  # boxes a picture
UNSURE = "nothing in it was recognised with confidence"


@dataclass(frozen=True, slots=True)
class Aspect:
    """One thing that may be said: the label set that is asked, and how its label is put."""

    name: str
    label_set: str
    phrase: str
    has_neutral: bool = True  # the neutral words are themselves the names of everyday things
    instead_of: str = ""  # an aspect that knows less: silent where the neutral words get little


# In the order of the sentence. Each word of a label stands in its set; the rest is glue.
ASPECTS = (
    Aspect("thing", "everyday", "{}", has_neutral=False),
    Aspect("animal", "animals", "{}", instead_of="thing"),
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
class Thing:
    """Something that a locating model found."""

    label: str
    score: float
    corners: tuple[float, float, float, float]  # left, top, right, bottom, pixels


# Things in the picture at a path; an ImageError says why it could not be looked at.
Finder: TypeAlias = "Callable[[str], Sequence[Thing]]"


@dataclass(frozen=True, slots=True)
class Described:
    """One picture, its sentence, and what stands behind it."""

    path: str
    sentence: str
    parts: tuple[Part, ...]
    things: tuple[Thing, ...] | None = None  # best first; None: nobody looked for any
    problem: str = ""  # why nobody could, where that was wanted

    @property
    def note(self) -> str:
        """What is to be said beside the results."""
        return f"not located: {self.problem}" if self.problem else ""


def describe(
    entries: Iterable[Embedded | Skipped],
    classifiers: Sequence[tuple[Aspect, Classifier]],
    find: Finder | None = None,
) -> Iterator[Described | Skipped]:
    """Yield a description of every picture whose vector is there.

    Classifiers with a reject threshold say how far their labels are from a picture;
    :data:`MOST_NEUTRAL` decides. All things that ``find`` finds are said.
    """
    for entry in entries:
        if isinstance(entry, Skipped):
            yield entry
            continue
        parts = without_coarser(
            _part(aspect, classifier.score([entry])[0]) for aspect, classifier in classifiers
        )
        things, problem = None, ""
        try:
            things = tuple(find(entry.path)) if find else None
        except ImageError as error:
            problem = error.message
        sentence = sentence_of(parts, things or (), problem)
        yield Described(entry.path, sentence, parts, things, problem)


def _part(aspect: Aspect, result: Classified) -> Part:
    first = result.top[0]
    neutral = result.reject_score or 0.0
    is_said = first.probability >= SURE and neutral <= MOST_NEUTRAL
    return Part(aspect.name, first.label, first.probability, neutral, is_said)


def without_coarser(parts: Iterable[Part]) -> tuple[Part, ...]:
    """Silence what a set that knows more was asked for: an animal is only said by ``animals``.

    Everyday things hold few animals, so a koala there is a parrot or a horse a cow.
    """
    asked = tuple(parts)
    instead_of = {aspect.name: aspect.instead_of for aspect in ASPECTS}
    coarser = {instead_of[part.aspect] for part in asked if part.neutral <= MOST_NEUTRAL}
    return tuple(replace(part, is_said=False) if part.aspect in coarser else part for part in asked)


def sentence_of(parts: Sequence[Part], things: Sequence[Thing] = (), problem: str = "") -> str:
    """Put the labels that are sure into one sentence, and what was located, counted.

    ``problem`` says why nothing could be located.
    """
    phrases = {aspect.name: aspect.phrase for aspect in ASPECTS}
    labels: dict[str, str] = {}  # one label of two sets is said once
    for part in parts:
        if part.is_said:
            labels.setdefault(part.label, phrases[part.aspect])
    said = [phrase.replace("{}", label) for label, phrase in labels.items()]
    counts = Counter(thing.label for thing in things)  # in the order of the best scores
    if counts:
        counted = (label if n == 1 else f"{label} ({n})" for label, n in counts.items())
        said.append(f"located: {', '.join(counted)}")
    told = f"a photo of: {'; '.join(said)}" if said else f"a photo; {UNSURE}"
    return f"{told}; not located ({problem})." if problem else f"{told}."


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
    fields |= {"status": "ok", "sentence": described.sentence, "parts": parts}
    if described.problem:  # no empty list, which would say that there is nothing
        return fields | {"boxes": None, "not_located": described.problem}
    if described.things is None:
        return fields
    boxes = [
        {
            "label": thing.label,
            "score": round(thing.score, 6),
            "box": [round(v, 2) for v in thing.corners],
        }
        for thing in described.things
    ]
    return fields | {"boxes": boxes}
