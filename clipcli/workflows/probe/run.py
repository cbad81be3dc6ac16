"""The run behind ``clipcli probe fit``: pictures, vectors, words, a fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from clipcli.errors import InputError, UsageError
from clipcli.results import Skipped

if TYPE_CHECKING:
    from clipcli.images.class_tree import ClassTree
    from clipcli.images.find import ImageFile
    from clipcli.pipeline.classifier import Classifier
    from clipcli.pipeline.embed import Embedded
    from clipcli.pipeline.known_answers import KnownAnswers
    from clipcli.pipeline.session import Session
    from clipcli.workflows.probe.fit import Linear
    from clipcli.workflows.probe.outcome import Labelled, Outcome

# What splits of a tree are for; all others are fitted on.
JUDGING = ("val", "valid", "validation", "dev")
LEFT_OUT = ("test", "testing")


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """What the options say about a fit."""

    source: str
    shots: int | None
    seed: int
    labels: str | None
    templates: str | None
    is_zero_shot: bool
    splits: tuple[str, ...] | None = None  # None: recognised
    known: KnownAnswers | None = None  # what somebody decided, in place of folders


def check_target(path: Path, request: ProbeRequest, *, overwrite: bool) -> None:
    """Refuse, before any picture is read, what cannot work.

    Raises
    ------
    UsageError, OutputError, OutputExistsError, MissingExtraError
    """
    from clipcli.output.files import check_target as check_file
    from clipcli.pipeline.probe import ENDING
    from clipcli.workflows.probe.fit import require_sklearn

    if path.suffix.lower() != ENDING:
        raise UsageError(f"{path}: a probe's file ends with {ENDING}")
    if not request.is_zero_shot and (request.labels or request.templates):
        name = "--labels" if request.labels else "--templates"
        raise UsageError(f"{name}: has no use beside --no-zero-shot", hint="drop one")
    check_file(path, overwrite=overwrite)
    require_sklearn()


@dataclass
class Fitting:
    """One fit while it runs."""

    session: Session
    request: ProbeRequest
    tree: ClassTree = field(init=False)

    def fit(self) -> Outcome:
        """Do all of it, and return what came of it."""
        from clipcli.images.class_tree import read_class_tree
        from clipcli.pipeline.decided_tree import decided_tree
        from clipcli.workflows.probe.outcome import ProbeOrigin, fit_probe

        request, say = self.request, self.session.notes.say
        if request.known is None:
            self.tree = read_class_tree(request.source, request.splits)
        else:
            self.tree = decided_tree(request.source, request.known, say)
        self.session.notes.say(self.tree.in_words())
        classifier, rows_of = self._words()  # before any picture, which takes long
        pictures, judging = self._embedded(self._drawn())
        labels = self._labels([*pictures, *judging])
        zero_shot = _zero_shot(classifier, [rows_of[label] for label in labels])
        config, source = self.session.encoder.config, Path(self.request.source).name
        extra = {"source": source, "shots": self.request.shots}
        origin = ProbeOrigin(labels, config.name, config.fingerprint, self._precision(), extra)
        return fit_probe(
            self._labelled(pictures, labels),
            self._labelled(judging, labels) if judging else None,
            zero_shot,
            origin,
            self.request.seed,
        )

    def _words(self) -> tuple[Classifier | None, Mapping[str, int]]:
        """Open the zero-shot classifier, if it is wanted, and tell each class's row in it."""
        from clipcli.labels.label_set import load_label_set
        from clipcli.workflows.class_labels import (
            are_wordless,
            labels_of_classes,
            match_classes,
            wordless_note,
        )

        classes = self.tree.classes
        chosen = self.request.labels
        is_wordless = chosen is None and are_wordless(classes)
        if is_wordless and self.request.is_zero_shot:
            self.session.notes.say(f"{wordless_note(classes)}; the fit is on pictures alone")
        if is_wordless or not self.request.is_zero_shot:
            return None, dict.fromkeys(classes, 0)
        label_set = load_label_set(chosen) if chosen else labels_of_classes(self.tree)
        places = match_classes(self.tree, label_set)
        classifier = self.session.classifier(label_set, templates=self.request.templates)
        return classifier, dict(zip(classes, places, strict=True))

    def _drawn(self) -> list[ImageFile | Skipped]:
        """Return the pictures that are in a class and no test split; with shots, a few of each."""
        found = list(self.tree.find(self.session.report))
        if not found:
            raise InputError(f"{self.request.source}: no pictures found")
        inside = [e for e in found if isinstance(e, Skipped) or self._is_in_class(e.path)]
        self._tell_left_out(len(found) - len(inside), "in no class")
        wanted = [e for e in inside if self.tree.split_of(e.path).lower() not in LEFT_OUT]
        self._tell_left_out(len(inside) - len(wanted), "in a test split")
        return wanted if self.request.shots is None else self._shots(wanted)

    def _shots(self, found: Sequence[ImageFile | Skipped]) -> list[ImageFile | Skipped]:
        import numpy as np

        from clipcli.workflows.probe.choose import draw_shots

        assert self.request.shots is not None
        groups = [(self._is_judging(e.path), self.tree.label_of(e.path)) for e in found]
        numbers = {group: i for i, group in enumerate(sorted(set(groups), key=str))}
        truth = np.array([numbers[group] for group in groups], np.intp)  # (n,)
        return [found[i] for i in draw_shots(truth, self.request.shots, self.request.seed)]

    def _embedded(
        self, found: Sequence[ImageFile | Skipped]
    ) -> tuple[list[Embedded], list[Embedded]]:
        """Return the vectors of what is fitted on, and of what is held out to judge by."""
        pictures: list[Embedded] = []
        judging: list[Embedded] = []
        with self.session.notes.progress(lambda: len(found)) as advance:
            for entry in self.session.tally(self.session.embedded(found)):
                advance()
                if not isinstance(entry, Skipped):
                    (judging if self._is_judging(entry.path) else pictures).append(entry)
        if not pictures:
            raise InputError(f"{self.request.source}: no picture to fit on could be read")
        return pictures, judging

    def _labels(self, pictures: Sequence[Embedded]) -> tuple[str, ...]:
        """Return the classes that have pictures; tell the others, and what they cannot be."""
        from clipcli.labels.label_set import LabelSet

        there = {self.tree.label_of(picture.path) for picture in pictures}
        for name in self.tree.classes:
            if name not in there:
                self.session.notes.say(
                    f"class {name!r} has no pictures, so the probe cannot know it"
                )
        classes = tuple(name for name in self.tree.classes if name in there)
        if len(classes) < 2:
            raise InputError(
                f"{self.request.source}: {classes[0]!r} is the only class with pictures",
                hint="a probe chooses between two classes or more",
            )
        LabelSet.from_names(classes, name=self.request.source)  # refuses names that labels can't be
        return classes

    def _labelled(self, pictures: Sequence[Embedded], labels: Sequence[str]) -> Labelled:
        from clipcli.workflows.probe.outcome import labelled

        places = {label: i for i, label in enumerate(labels)}
        truth = [self.tree.label_of(picture.path) for picture in pictures]
        rows = [picture.row for picture in pictures]
        return labelled(rows, [places[label] for label in truth if label is not None])

    def _precision(self) -> str:
        from clipcli.pipeline.provenance import where_it_ran

        return where_it_ran(self.session.encoder, self.session.image_cache, self.session.counts())[
            1
        ]

    def _is_in_class(self, path: str) -> bool:
        return self.tree.label_of(path) is not None

    def _is_judging(self, path: str) -> bool:
        return self.tree.split_of(path).lower() in JUDGING

    def _tell_left_out(self, n: int, why: str) -> None:
        if n:
            self.session.notes.say(f"{n:,} picture{'s' if n > 1 else ''} left out, {why}")


def _zero_shot(classifier: Classifier | None, places: Sequence[int]) -> Linear | None:
    from clipcli.workflows.probe.outcome import zero_shot_classifier

    if classifier is None:
        return None
    return zero_shot_classifier(classifier.classifier[list(places)], classifier.logit_scale)
