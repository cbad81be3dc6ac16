"""What answers a question: a locating model, a small locator, or heat maps of a CLIP model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clipcli.cache.kept_bytes import ByteFacts
from clipcli.encoder.load_locator import UNFUSED, load_locator, meant_precision
from clipcli.encoder.locator import Question
from clipcli.errors import UsageError
from clipcli.models.locators.small import find_small
from clipcli.models.locators.source import find_locator
from clipcli.models.resolve import open_named
from clipcli.pipeline.locating.coarse import CoarseLocator
from clipcli.pipeline.locating.look import BoxRules, CoarseLook, Look, ModelLook
from clipcli.pipeline.locating.memory import Memory
from clipcli.pipeline.locating.run import ENOUGH_PX, Located, Looker, Method
from clipcli.pipeline.locating.small import SmallLocator
from clipcli.pipeline.locating.wording import label_set_of
from clipcli.pipeline.provenance import now, versions
from clipcli.results import Skipped

if TYPE_CHECKING:
    from clipcli.models.locators.small import SmallSource
    from clipcli.models.locators.source import LocatorSource
    from clipcli.models.source import ModelSource
    from clipcli.pipeline.classifier import Classifier
    from clipcli.pipeline.inputs import Input
    from clipcli.pipeline.reader import DecodeOptions
    from clipcli.pipeline.session import Session

COARSE_MIN_SCORE = 0.5
# By kind: the lowest score of a box that is listed, and the overlap beyond which one is dropped;
# OWL-ViT's authors keep every patch's box, and Grounding DINO's all: its queries see each other.
USUAL = {
    "glip": (0.5, 0.6),
    "owlvit": (0.1, 0.5),
    "owlv2": (0.1, 0.5),
    "mm-grounding-dino": (0.3, 1.0),
    "grounding-dino": (0.3, 1.0),
}
SMALL = (0.25, 0.5)  # of the small locator, likewise


@dataclass(frozen=True, slots=True)
class Opened:
    """A model, a question and rules, ready for pictures."""

    look: Look
    memory: Memory
    question: Question
    rules: BoxRules
    method: Method
    model: str
    fingerprint: str
    decoding: DecodeOptions
    classifier: Classifier | None = None  # whose labels are the question's, if one is asked

    def locate(self, found: Iterable[Input]) -> Iterator[Located | Skipped]:
        """Yield boxes, or why there are none, for every input in order."""
        with self.looking() as look_at:
            yield from map(look_at, found)

    @contextmanager
    def looking(self) -> Iterator[Callable[[Input], Located | Skipped]]:
        """Give what looks at one picture after the other, and let go of the cache at the end."""
        question = self.question if self.method == "model" else self.question.by_label()
        try:
            yield Looker(
                self.look, self.memory, question, self.rules.top, self.method, self.decoding
            ).look_at
        finally:
            self.memory.close()

    def load(self) -> None:
        """Load the model, where that was not needed yet.

        Raises
        ------
        ModelError, DeviceError, UsageError
        """
        if isinstance(self.look, ModelLook):
            assert self.look.locator

    def place(self) -> tuple[str, str]:
        """Return the device and precision of what had to be looked at; ``cache``: nothing had."""
        if not isinstance(self.look, ModelLook):
            return "cpu", "fp32"
        if not self.look.is_loaded:
            return "cache", ""
        return self.look.locator.device, self.look.locator.precision

    def provenance(self, started: str, counts: dict[str, int]) -> dict[str, Any]:
        """Return where a run's boxes come from, as JSON data."""
        device, precision = self.place()
        return {
            "model": self.model,
            "fingerprint": self.fingerprint,
            "method": self.method,
            "device": device,
            "precision": precision,
            "labels": list(self.question.labels),
            "phrases": list(self.question.phrases),
            "sentence": self.question.sentence,
            "min_score": self.rules.min_score,
            "nms": self.rules.nms,
            "top": self.rules.top,
            "exact": self.decoding.exact,
            "convert_profiles": self.decoding.convert_profiles,
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
    *,
    coarse: bool = False,
) -> Opened:
    """Open the model that a session names for a question; its weights are loaded when needed.

    ``coarse`` does without the small locator that may lie beside a model.

    Raises
    ------
    ModelError, DeviceError, UsageError
    """

    def rules(usual_score: float, usual_nms: float) -> BoxRules:
        score = usual_score if min_score is None else min_score
        return BoxRules(score, top, usual_nms if nms is None else nms)

    source = find_locator(session.model.model)
    if source is not None:
        if coarse:
            raise UsageError(
                f"--coarse: {source.name} is a model that locates, and has no heat maps",
                hint="leave --coarse or --model out",
            )
        return _with_model(session, source, question, rules(*USUAL[source.kind]))
    model = open_named(session.model.model)
    small = None if coarse else find_small(model)
    if small is not None:
        return _small(session, model, small, question, rules(*SMALL))
    least = COARSE_MIN_SCORE if min_score is None else min_score
    return _coarse(session, model, question, BoxRules(least, top, nms=1.0))


def _with_model(
    session: Session, source: LocatorSource, question: Question, rules: BoxRules
) -> Opened:
    asked, decoding = session.model, session.model.decoding()
    memory = _memory(session, source, question, rules)
    return Opened(
        look=ModelLook(
            lambda: load_locator(source, asked.device, asked.precision), question, rules, memory
        ),
        memory=memory,
        question=question,
        rules=rules,
        method="model",
        model=source.name,
        fingerprint=source.fingerprint,
        decoding=decoding,
    )


def _memory(session: Session, source: LocatorSource, question: Question, rules: BoxRules) -> Memory:
    precision = meant_precision(source, session.model.device, session.model.precision)
    whose = (source.name, source.fingerprint, precision)
    return _remembering(session, whose, question, rules, sees_first=source.kind in UNFUSED)


def _remembering(
    session: Session,
    whose: tuple[str, str, str],
    question: Question,
    rules: BoxRules,
    *,
    sees_first: bool,
) -> Memory:
    """Return what is kept under a model's name, fingerprint and precision."""
    import PIL

    from clipcli.images.decode import DECODER_VERSION

    exact, convert_profiles = session.model.exact, session.model.convert_profiles
    decoder = f"{DECODER_VERSION} Pillow {PIL.__version__}" + " sRGB" * convert_profiles
    asked: tuple[object, ...] = (question.phrases, question.sentence, question.spans)
    asked += (rules.min_score, rules.nms)
    if question.names:
        asked += (question.names, question.owners, question.written, question.templates)

    def facts(kind: str, *more: object) -> ByteFacts:
        seen = (None if exact else ENOUGH_PX, *more)
        return ByteFacts(kind, *whose, exact, decoder, seen)

    sights = facts("places") if sees_first else None
    return Memory(session.image_cache, facts("boxes", *asked), sights)


def _classifier(session: Session, question: Question) -> Classifier:
    """Return a classifier whose labels are a question's."""
    return session.classifier(
        label_set_of(question),
        templates="{}" if question.sentence else None,
        independent=True,
    )


def _small(
    session: Session, model: ModelSource, small: SmallSource, question: Question, rules: BoxRules
) -> Opened:
    from clipcli.encoder.load_places import engine_of_places, load_places

    classifier = _classifier(session, question)
    place = (session.model.device, session.model.backend)

    def load() -> SmallLocator:
        from clipcli.encoder.small_boxes import SmallHead

        return SmallLocator(load_places(model, *place), SmallHead(small), classifier)

    decoding, name = session.model.decoding(), model.config.name
    whose = (name, small.fingerprint, f"fp32-{engine_of_places(model, *place)}")
    memory = _remembering(session, whose, question, rules, sees_first=True)
    return Opened(
        look=ModelLook(load, question.by_label(), rules, memory),
        memory=memory,
        question=question,
        rules=rules,
        method="small",
        model=name,
        fingerprint=small.fingerprint,
        decoding=decoding,
        classifier=classifier,
    )


def _coarse(session: Session, source: ModelSource, question: Question, rules: BoxRules) -> Opened:
    from clipcli.cache.image_cache import ImageCache
    from clipcli.pipeline.heat import HeatMaker

    decoding = session.model.decoding()
    classifier = _classifier(session, question)
    name, fingerprint = source.config.name, source.config.fingerprint
    locator = CoarseLocator(
        HeatMaker(classifier, source, session.model.device, session.model.backend)
    )
    nothing = ByteFacts("boxes", name, fingerprint, "fp32", decoding.exact, "")
    return Opened(
        look=CoarseLook(locator, question.by_label(), rules),
        memory=Memory(ImageCache(None), nothing, None),
        question=question,
        rules=rules,
        method="coarse",
        model=name,
        fingerprint=fingerprint,
        decoding=decoding,
        classifier=classifier,
    )
