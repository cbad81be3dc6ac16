"""What answers a question: the locating model that was named, or heat maps of a CLIP model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clipcli.encoder.load_locator import load_locator
from clipcli.encoder.locator import Question
from clipcli.images.find import ImageFile
from clipcli.models.locators.source import find_locator
from clipcli.pipeline.provenance import now, versions
from clipcli.results import Skipped
from clipcli.workflows.locate.coarse import CoarseLocator
from clipcli.workflows.locate.run import (
    BoxRules,
    Located,
    Look,
    Method,
    locate,
    look_coarsely,
    look_with,
)

if TYPE_CHECKING:
    from clipcli.models.locators.source import LocatorSource
    from clipcli.pipeline.session import Session

OWL_MIN_SCORE, MIN_SCORE = 0.1, 0.5


@dataclass(frozen=True, slots=True)
class Opened:
    """A model, a question and rules, ready for pictures."""

    look: Look
    question: Question
    rules: BoxRules
    method: Method
    model: str
    fingerprint: str
    device: str
    precision: str
    max_pixels: int
    exact: bool

    def locate(self, found: Iterable[ImageFile | Skipped]) -> Iterator[Located | Skipped]:
        """Yield boxes, or why there are none, for every input in order."""
        return locate(
            found,
            self.look,
            self.question,
            self.rules,
            method=self.method,
            max_pixels=self.max_pixels,
            exact=self.exact,
        )

    def provenance(self, started: str, counts: dict[str, int]) -> dict[str, Any]:
        """Return where a run's boxes come from, as JSON data."""
        return {
            "model": self.model,
            "fingerprint": self.fingerprint,
            "method": self.method,
            "device": self.device,
            "precision": self.precision,
            "phrases": list(self.question.phrases),
            "sentence": self.question.sentence,
            "min_score": self.rules.min_score,
            "nms": self.rules.nms,
            "top": self.rules.top,
            "exact": self.exact,
            "versions": versions(),
            "started": started,
            "finished": now(),
            "counts": counts,
        }


def open_for(
    session: Session,
    question: Question,
    min_score: float | None,
    top: int,
    nms: float | None,
) -> Opened:
    """Open the model that a session names for a question.

    Raises
    ------
    ModelError, DeviceError, UsageError
    """
    source = find_locator(session.model.model)
    if source is None:
        return _coarse(session, question, MIN_SCORE if min_score is None else min_score, top)
    usual = MIN_SCORE if source.kind == "glip" else OWL_MIN_SCORE
    return _with_model(
        session, source, question, usual if min_score is None else min_score, top, nms
    )


def _with_model(
    session: Session,
    source: LocatorSource,
    question: Question,
    min_score: float,
    top: int,
    nms: float | None,
) -> Opened:
    asked, decoding = session.model, session.model.decoding()
    locator = load_locator(source, asked.device, asked.precision)
    locator.check(question)
    rules = BoxRules(min_score, top, locator.own_nms if nms is None else nms)
    return Opened(
        look=look_with(locator, question, rules),
        question=question,
        rules=rules,
        method="model",
        model=source.name,
        fingerprint=source.fingerprint,
        device=locator.device,
        precision=locator.precision,
        max_pixels=decoding.max_pixels,
        exact=decoding.exact,
    )


def _coarse(session: Session, question: Question, min_score: float, top: int) -> Opened:
    from clipcli.labels.label_set import LabelSet
    from clipcli.models.resolve import open_named
    from clipcli.pipeline.heat import HeatMaker

    decoding = session.model.decoding()
    source = open_named(session.model.model)
    classifier = session.classifier(
        LabelSet.from_names(dict.fromkeys(question.phrases)),
        templates="{}" if question.sentence else None,
        independent=True,
    )
    rules = BoxRules(min_score, top, nms=1.0)
    locator = CoarseLocator(HeatMaker(classifier, source, session.model.device))
    return Opened(
        look=look_coarsely(locator, question, rules),
        question=question,
        rules=rules,
        method="coarse",
        model=source.config.name,
        fingerprint=source.config.fingerprint,
        device=locator.device,
        precision=locator.precision,
        max_pixels=decoding.max_pixels,
        exact=decoding.exact,
    )
