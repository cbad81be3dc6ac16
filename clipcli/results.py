"""Results: one frozen record per input, and its form as JSON data.

The keys made by :func:`to_record` are a contract: they are only ever added to.
"""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# "reviewed": somebody said so; the label is theirs, or none fits.
Decision: TypeAlias = Literal["label", "below_threshold", "rejected", "reviewed"]
ProbabilityKind: TypeAlias = Literal["softmax", "sigmoid", "calibrated", "independent", "probe"]


class LabelScore(NamedTuple):
    """One label's standing on one image; a tuple, since there are millions of them."""

    label: str
    probability: float  # 0..1
    similarity: float  # cosine, -1..1


@dataclass(frozen=True, slots=True)
class Classified:
    """An image that was read and scored; ``top`` is sorted, most probable first, never empty."""

    path: str
    top: tuple[LabelScore, ...]
    decision: Decision = "label"
    parents: tuple[LabelScore, ...] = ()  # summed over children; similarity is the best child's
    # Where labels are asked one by one: all that were answered with yes, best first.
    labels: tuple[LabelScore, ...] | None = None
    reject_score: float | None = None  # 0..1, high where no label fits; None: nobody asked
    rule: str = ""  # what the file itself told, where that changed the answer
    note: str = ""  # what is wrong with the file, although all its pixels are there
    vector: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)  # (d,)
    known: str | None = None  # the label that somebody gave, where the decision is "reviewed"

    @property
    def label(self) -> str | None:
        """The first label, or ``None`` where the decision says that none fits."""
        if self.decision == "reviewed":
            return self.known
        return self._first.label if self.decision == "label" else None

    @property
    def probability(self) -> float:
        """The probability of the first label, whether it was accepted or not; 1 of a known one."""
        return self._first.probability if self.known is None else 1.0

    @property
    def _first(self) -> LabelScore:
        # A label with a lower threshold of its own may be answered with yes before others.
        return self.labels[0] if self.labels else self.top[0]


@dataclass(frozen=True, slots=True)
class Skipped:
    """An input that has no result, and the reason in a few words."""

    path: str
    reason: str


Result: TypeAlias = Classified | Skipped


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where results came from: all that is needed to get them, or doubt them, again."""

    model: str
    fingerprint: str
    label_set: str
    label_set_hash: str
    templates: tuple[str, ...]
    device: str
    precision: str
    text_precision: str
    exact: bool
    top_k: int
    min_prob: float
    probability_kind: ProbabilityKind
    logit_scale: float
    versions: dict[str, str] = field(default_factory=dict)
    started: str = ""  # ISO 8601 with offset
    finished: str = ""
    counts: dict[str, int] = field(default_factory=dict)  # ok, skipped, ignored
    temperature: float = 1.0  # what the model's logits were divided by
    reject_threshold: float | None = None
    probe: str | None = None  # sha256 of the linear classifier that answered in place of labels
    backend: str = ""  # another engine than torch, and how far its vectors are from torch's
    engine: str = ""  # the package that ran the image tower; empty where all was cached
    rules: tuple[str, ...] = ()  # that files' own evidence could decide by
    convert_profiles: bool = False  # colours were converted to sRGB by each picture's profile


def noted(result: Classified, note: str, vector: NDArray[np.float32] | None = None) -> Classified:
    """Return a result that says what is wrong with its file, and has its vector (d,), if wanted."""
    if not note and vector is None:
        return result
    return replace(result, note=note, vector=vector)


def path_fields(path: str) -> dict[str, str]:
    """Return the record keys of a path; names that are not UTF-8 also travel as base64.

    Python keeps undecodable bytes of a file name as lone surrogates, which no JSON reader likes.
    """
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        raw = os.fsencode(path)
        return {
            "path": raw.decode("utf-8", "replace"),
            "path_bytes": base64.b64encode(raw).decode("ascii"),
        }
    return {"path": path}


def path_of_record(path: str, raw: str | None) -> str:
    """Return what :func:`path_fields` was given; ``raw`` is what it called ``path_bytes``."""
    return path if raw is None else os.fsdecode(base64.b64decode(raw))


def path_text(path: str) -> str:
    r"""Return a path for a format that is UTF-8 and has no room for bytes beside it, such as CSV.

    Bytes that are not UTF-8 are written as ``\xE9``, so that two names stay two.
    """
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return os.fsencode(path).decode("utf-8", "backslashreplace")
    return path


def to_record(result: Result) -> dict[str, Any]:
    """Return the JSON object of one result."""
    record: dict[str, Any] = dict(path_fields(result.path))
    if isinstance(result, Skipped):
        return record | {"status": "skipped", "reason": result.reason}
    record |= {"status": "ok", "label": result.label, "probability": result.probability}
    if result.decision != "label":
        record["decision"] = result.decision
    record["top"] = [_score_fields(score) for score in result.top]
    if result.labels is not None:
        record["labels"] = [_score_fields(score) for score in result.labels]
    if result.reject_score is not None:
        record["reject_score"] = result.reject_score
    if result.parents:
        record["parents"] = [_score_fields(score) for score in result.parents]
    if result.rule:
        record["rule"] = result.rule
    if result.note:
        record["note"] = result.note
    return record


def _score_fields(score: LabelScore) -> dict[str, Any]:
    return {
        "label": score.label,
        "probability": score.probability,
        "similarity": score.similarity,
    }
