"""What every worker is told, once: the model, the labels, and how a shard is done with them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from clipcli.errors import ModelError, UsageError
from clipcli.pipeline.archives import TableColumns
from clipcli.pipeline.model_settings import ModelSettings
from clipcli.pipeline.provenance import versions

if TYPE_CHECKING:
    from clipcli.encoder.encoder import Encoder
    from clipcli.encoder.locator import Question
    from clipcli.labels.label_set import LabelSet
    from clipcli.pipeline.calibration import Calibration
    from clipcli.pipeline.classifier import Classifier
    from clipcli.pipeline.locating.opened import Opened
    from clipcli.pipeline.probe import Probe

Task: TypeAlias = Literal["classify", "embed", "locate"]


@dataclass(frozen=True)
class LabelQuestion:
    """What a classifier is asked; the label set's files are on the machine that began the run."""

    label_set: LabelSet
    templates: tuple[str, ...]
    top_k: int
    min_prob: float
    independent: bool
    no_rules: bool
    reject_threshold: float | None
    calibration: Calibration | None
    probe: Probe | None

    @classmethod
    def of(cls, classifier: Classifier) -> LabelQuestion:
        """Return what an open classifier answers."""
        return cls(
            classifier.label_set,
            tuple(classifier.templates),
            classifier.top_k,
            classifier.min_prob,
            classifier.independent,
            classifier.no_rules,
            classifier.reject_threshold,
            classifier.calibration,
            classifier.probe,
        )

    def facts(self) -> dict[str, Any]:
        """Return what of it decides the rows, as JSON data."""
        return {
            "label_set": self.label_set.name,
            "label_set_hash": self.label_set.hash,
            "templates": list(self.templates),
            "top_k": self.top_k,
            "min_prob": self.min_prob,
            "independent": self.independent,
            "no_rules": self.no_rules,
            "reject_threshold": self.reject_threshold,
            "calibration": asdict(self.calibration) if self.calibration else None,
            "probe": self.probe.hash if self.probe else None,
        }


@dataclass(frozen=True)
class BoxQuestion:
    """What a model is asked that locates, and which of its boxes are listed."""

    question: Question
    min_score: float
    top: int
    nms: float
    method: str

    @classmethod
    def of(cls, opened: Opened) -> BoxQuestion:
        """Return what is asked of an open model."""
        rules = opened.rules
        return cls(opened.question, rules.min_score, rules.top, rules.nms, opened.method)

    def facts(self) -> dict[str, Any]:
        """Return what of it decides the rows, as JSON data."""
        question = self.question
        return {
            "phrases": list(question.phrases),
            "sentence": question.sentence,
            "spans": [list(span) for span in question.spans],
            **_words(question),
            "min_score": self.min_score,
            "top": self.top,
            "nms": self.nms,
            "method": self.method,
        }


def _words(question: Question) -> dict[str, Any]:
    """Return which label each phrase belongs to, where labels have several."""
    if not question.names:
        return {}
    return {
        "labels": list(question.names),
        "owners": list(question.owners),
        "written": list(question.written),
        "templates": None if question.templates is None else list(question.templates),
    }


@dataclass(frozen=True)
class Recipe:
    """All that a worker needs besides the shard; it travels to other machines."""

    task: Task
    model: ModelSettings
    fingerprint: str
    into: str
    columns: TableColumns = field(default_factory=TableColumns)
    question: LabelQuestion | BoxQuestion | None = None

    def facts(self) -> dict[str, Any]:
        """Return what of it decides the rows, as JSON data."""
        model = self.model
        asked = self.question.facts() if self.question else {}
        return {
            "task": self.task,
            "model": {"name": model.model, "fingerprint": self.fingerprint},
            "options": {
                "device": model.device,
                "precision": model.precision,
                "backend": model.backend,
                "exact": model.exact,
                "convert_profiles": model.convert_profiles,
                "max_megapixels": model.max_megapixels,
                "columns": asdict(self.columns),
                **{key: value for key, value in asked.items() if not key.startswith("label_set")},
            },
            **{key: value for key, value in asked.items() if key.startswith("label_set")},
            "versions": numeric_versions(),
        }

    def open_encoder(self) -> Encoder:
        """Open the model here, and make sure that it is the one that is meant.

        Raises
        ------
        ModelError
            If it is not here, or is another under the same name.
        """
        from clipcli.encoder.encoder import load_encoder

        model = self.model
        encoder = load_encoder(model.model, model.device, model.precision, model.backend)
        self._check(encoder.config.fingerprint)
        return encoder

    def _check(self, fingerprint: str) -> None:
        if fingerprint != self.fingerprint:
            raise ModelError(
                f"{self.model.model}: on this worker is another model of this name",
                hint="give --model as a path or a name that means the same on every machine",
            )

    def open_locating(self) -> Opened:
        """Open what locates here, as :meth:`open_encoder` does.

        Raises
        ------
        ModelError, DeviceError, UsageError
        """
        from clipcli.pipeline.inputs import Inputs
        from clipcli.pipeline.locating.opened import open_for
        from clipcli.pipeline.session import Session
        from clipcli.pipeline.silence import Silence

        asked = self.question
        assert isinstance(asked, BoxQuestion)
        session = Session(Inputs(()), replace(self.model, no_cache=True), Silence())
        is_coarse = asked.method == "coarse"
        opened = open_for(
            session, asked.question, asked.min_score, asked.top, asked.nms, coarse=is_coarse
        )
        self._check(opened.fingerprint)
        return opened

    def open_classifier(self, encoder: Encoder) -> Classifier:
        """Return a classifier that answers as the one of the machine that began the run."""
        from clipcli.pipeline.classifier import Classifier

        asked, model = self.question, replace(self.model, no_cache=True)
        assert isinstance(asked, LabelQuestion)
        classifier = Classifier(
            asked.label_set if asked.probe is None else None,
            top_k=asked.top_k,
            min_prob=asked.min_prob,
            calibration=asked.calibration,
            reject_threshold=asked.reject_threshold,
            independent=asked.independent,
            no_rules=asked.no_rules,
            probe=asked.probe,
            options=model.decoding(),
            encoder=encoder,
            cache=model.text_cache(),
            image_cache=model.image_cache(),
        )
        classifier.templates = asked.templates  # a file of templates is not here
        return classifier


def numeric_versions() -> dict[str, str]:
    """Return the versions that numbers depend on; they are to be the same on all machines."""
    found = versions()
    found.pop("python")
    return found


def check_versions(expected: dict[str, str]) -> None:
    """Refuse to work where packages differ from those of the machine that began the run.

    Raises
    ------
    UsageError
    """
    here = numeric_versions()
    for package, version in expected.items():
        if here.get(package) != version:
            raise UsageError(
                f"a worker has {package} {here.get(package)}, and this machine {version}",
                hint="install the same versions everywhere, or start from the same image",
            )
