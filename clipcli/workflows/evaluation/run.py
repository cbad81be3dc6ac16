"""The runs behind ``clipcli eval``: pictures, vectors, predictions, figures."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

from clipcli.errors import InputError
from clipcli.pipeline.decisions import Decisions, decide, purpose_of
from clipcli.pipeline.inputs import Inputs
from clipcli.pipeline.model_settings import ModelSettings
from clipcli.pipeline.session import Reporter, Session
from clipcli.results import Skipped
from clipcli.workflows.evaluation.variants import ClassifierSettings, Variant

if TYPE_CHECKING:
    from clipcli.images.class_tree import ClassTree
    from clipcli.images.find import ImageFile
    from clipcli.pipeline.classifier import Classifier
    from clipcli.pipeline.embed import Embedded
    from clipcli.pipeline.known_answers import KnownAnswers
    from clipcli.workflows.evaluation.calibrate import CalibrationOutcome
    from clipcli.workflows.evaluation.evaluated import Evaluated, Rival
    from clipcli.workflows.evaluation.predictions import Predictions, Scores

LABEL_CHARACTERS = 200  # of the labels that a calibration serves, in a note


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked of an evaluation."""

    source: str
    out_of_set: str | None
    decisions: Decisions
    calibrate: bool
    calibration_file: Path | None  # where to store it; None: the label set's own place
    variants: tuple[Variant, ...]
    splits: tuple[str, ...] | None = None  # None: recognised
    no_rules: bool = False  # files' own evidence has no say
    known: KnownAnswers | None = None  # what somebody decided, in place of folders


@dataclass
class Evaluation:
    """One evaluation while it runs; the first model's session has the counts and the exit code."""

    task: Task
    settings: ClassifierSettings
    options: ModelSettings
    notes: Reporter
    skipped: list[Skipped] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.session = self._open_session(self.settings.model)
        self._sessions = {self.settings.model: self.session}
        self._vectors: dict[str | None, list[Embedded]] = {}

    def _open_session(self, model: str | None) -> Session:
        inputs = Inputs((self.task.source,))
        return Session(inputs, replace(self.options, model=model), self.notes)

    def evaluate(self) -> Evaluated:
        """Do all of it, and return what came of it."""
        from clipcli.images.class_tree import read_class_tree
        from clipcli.pipeline.decided_tree import decided_tree
        from clipcli.pipeline.provenance import now
        from clipcli.workflows.evaluation.evaluated import Evaluated, compare_all
        from clipcli.workflows.evaluation.figures import compute_figures

        started = now()
        task = self.task
        if task.known is None:
            self._tree = read_class_tree(task.source, task.splits)
        else:
            self._tree = decided_tree(task.source, task.known, self.notes.say)
        self.classifier, places = self._classifier(self.settings)
        classifier = self.classifier
        rivals = [(variant, *self._classifier(variant.settings)) for variant in self.task.variants]
        self._check_ood_source()
        self._found = self._find()
        predictions = self._predictions(self.settings, classifier, places)
        ood = self._score_ood(classifier)
        outcome, file = self._calibrate(classifier, predictions, ood)
        classes = _classes(classifier, self._tree, places)
        comparisons = compare_all(predictions, [self._rival(*rival) for rival in rivals])
        return Evaluated(
            source=self.task.source,
            predictions=predictions,
            figures=compute_figures(predictions, classes, ood),
            ood=ood,
            ood_source=self.task.out_of_set,
            calibration=outcome,
            calibration_file=file,
            comparisons=tuple(comparisons),
            skipped=tuple(self.skipped),
            provenance=self.session.provenance(classifier, started),
        )

    def _classifier(self, settings: ClassifierSettings) -> tuple[Classifier, dict[str, int]]:
        """Open the classifier of some settings, and the place of each class among its labels."""
        from clipcli.labels.label_set import load_label_set
        from clipcli.pipeline.decisions import open_probe
        from clipcli.workflows.class_labels import labels_of_classes, match_classes

        model = settings.model
        session = self._sessions.setdefault(model, self._open_session(model))
        if settings.probe is not None:
            fitted = open_probe(session, Path(settings.probe), 5, Decisions())
            places = match_classes(self._tree, fitted.label_set)
            return fitted, dict(zip(self._tree.classes, places, strict=True))
        chosen = settings.labels
        label_set = load_label_set(chosen) if chosen else labels_of_classes(self._tree)
        places = match_classes(self._tree, label_set)
        classifier = session.classifier(
            label_set, templates=settings.templates, no_rules=self.task.no_rules
        )
        is_first = settings == self.settings
        decisions = self.task.decisions if is_first else Decisions(no_calibration=True)
        decide(classifier, decisions, self.notes)
        return classifier, dict(zip(self._tree.classes, places, strict=True))

    def _find(self) -> list[ImageFile | Skipped]:
        """Return the pictures that are in a class; tell what is not, and what is empty."""
        found = list(self._tree.find(self.session.report))
        if not found:
            raise InputError(f"{self.task.source}: no pictures found")
        self.notes.say(self._tree.in_words())
        labels = {entry.path: self._tree.label_of(entry.path) for entry in found}
        if self._tree.splits:
            several = ", ".join(self._tree.splits)
            self.notes.say(f"splits are judged together: {several}; for one, name its folder")
        inside = [e for e in found if labels[e.path] is not None or isinstance(e, Skipped)]
        if len(found) > len(inside):
            n = len(found) - len(inside)
            self.notes.say(f"{n:,} picture{'s' if n > 1 else ''} left out that are in no class")
        for empty in sorted(set(self._tree.classes) - set(labels.values())):
            self.notes.say(f"class {empty!r} has no pictures")
        return inside

    def _predictions(
        self, settings: ClassifierSettings, classifier: Classifier, places: dict[str, int]
    ) -> Predictions:
        from clipcli.workflows.evaluation.predictions import predict

        pictures = self._embedded(settings.model)
        if not pictures:
            raise InputError(f"{self.task.source}: no picture could be read")
        labels = [self._tree.label_of(picture.path) for picture in pictures]
        return predict(classifier, pictures, [places[label] for label in labels if label])

    def _embedded(self, model: str | None) -> list[Embedded]:
        """Return the vectors that a model makes of the pictures; made once for each model."""
        if model not in self._vectors:
            self._vectors[model] = self._embed(self._sessions[model], self._found)
        return self._vectors[model]

    def _embed(self, session: Session, found: list[ImageFile | Skipped]) -> list[Embedded]:
        pictures: list[Embedded] = []
        is_first = session is self.session
        with self.notes.progress(lambda: len(found)) as advance:
            entries = session.embedded(found)
            for entry in session.tally(entries) if is_first else entries:
                advance()
                if not isinstance(entry, Skipped):
                    pictures.append(entry)
                elif is_first:
                    self.skipped.append(entry)
        return pictures

    def _check_ood_source(self) -> None:
        source = self.task.out_of_set
        if source is not None and not os.path.lexists(source):
            raise InputError(f"{source}: no such file or folder", hint="check --out-of-set")

    def _score_ood(self, classifier: Classifier) -> Scores | None:
        from clipcli.images.find import find_images
        from clipcli.workflows.evaluation.predictions import score_pictures

        if self.task.out_of_set is None:
            return None
        found = list(find_images([self.task.out_of_set], report=self.session.report))
        pictures = self._embed(self.session, found)
        if not pictures:
            raise InputError(f"{self.task.out_of_set}: no picture could be read")
        return score_pictures(classifier, pictures)

    def _calibrate(
        self, classifier: Classifier, predictions: Predictions, ood: Scores | None
    ) -> tuple[CalibrationOutcome | None, str | None]:
        from clipcli.pipeline.calibration import write_calibration
        from clipcli.pipeline.calibration_place import default_path
        from clipcli.pipeline.provenance import now
        from clipcli.workflows.evaluation.calibrate import CalibrationOrigin, calibrate

        if not self.task.calibrate:
            return None, None
        name = classifier.label_set.name
        origin = CalibrationOrigin(
            purpose_of(classifier), classifier.encoder.config.name, name, now()
        )
        outcome = calibrate(predictions, ood, origin)
        path = self.task.calibration_file or default_path(classifier.label_set)
        write_calibration(path, outcome.calibration)
        self.notes.say(f"the calibration is in {path}")
        if self.settings.labels is None:
            names = shorten(", ".join(classifier.label_set.names), LABEL_CHARACTERS)
            self.notes.say(f"it serves these labels in this order: {names}")
        return outcome, str(path)

    def _rival(self, variant: Variant, classifier: Classifier, places: dict[str, int]) -> Rival:
        from clipcli.workflows.evaluation.evaluated import Rival

        predictions = self._predictions(variant.settings, classifier, places)
        return Rival(variant.name, predictions, _classes(classifier, self._tree, places))


def _classes(
    classifier: Classifier, tree: ClassTree, places: dict[str, int]
) -> dict[str, tuple[str, ...]]:
    """Return the classes that each label stands for, by the label's name."""
    classes: dict[str, tuple[str, ...]] = {}
    for name in tree.classes:
        label = classifier.label_set.names[places[name]]
        classes[label] = (*classes.get(label, ()), name)
    return classes
