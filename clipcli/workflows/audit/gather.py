"""Gathering what an audit needs of each picture: vector, measures, thumbnail."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clipcli.errors import InputError
from clipcli.results import Skipped

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipcli.images.class_tree import ClassTree, Place
    from clipcli.images.find import ImageFile
    from clipcli.output.html.thumbnails import ThumbnailSpool
    from clipcli.pipeline.classifier import Classifier
    from clipcli.pipeline.embed import Embedded
    from clipcli.pipeline.inputs import Input
    from clipcli.pipeline.session import Session
    from clipcli.workflows.audit.dataset import Dataset


SOMETHING_ELSE = "something else"  # keeps a lone class company: one label alone is no choice


@dataclass(frozen=True, slots=True)
class Gathering:
    """Gathers a data set from a session; ``spool`` takes thumbnails, if somebody wants them."""

    session: Session
    classes: tuple[str, ...]
    place_of: Callable[[str], Place]
    spool: ThumbnailSpool | None

    def gather_passing(self, found: Iterable[Input]) -> Dataset:
        """Return what :meth:`gather` does of pictures that pass once: in archives, behind URLs.

        Of pictures of which only vectors are here, there are no measures. The vectors wait in a
        temporary file, since there may be millions.
        """
        from clipcli.output.html.thumbnails import encode
        from clipcli.workflows.audit.dataset import Dataset
        from clipcli.workflows.audit.measures import Measured
        from clipcli.workflows.audit.spooled_rows import SpooledRows
        from clipcli.workflows.audit.watched import Watch

        dataset = Dataset(self.classes, are_files=False)
        make = encode if self.spool is not None else None
        watch = Watch(self.session.model.decoding().max_pixels, make)
        rows = SpooledRows(self.session.encoder.config.architecture.embed_dim)
        entries = self.session.tally(self.session.embedded(watch.inputs(found)), are_shown=True)
        with self.session.notes.progress(self.session.total()) as advance:
            for place, entry in enumerate(entries):
                seen = watch.of(place)
                told = seen.measured if seen else None
                broken = entry if isinstance(entry, Skipped) else told
                if isinstance(broken, Skipped):
                    dataset.broken.append((broken, self.place_of(broken.path)))
                elif not isinstance(entry, Skipped):
                    dataset.paths.append(entry.path)
                    dataset.places.append(self.place_of(entry.path))
                    rows.append(entry.row)
                    if seen and isinstance(told, Measured):
                        dataset.contents.append(seen.content)
                        dataset.measures.append(told.measures)
                        if self.spool is not None:
                            self.spool.add(entry.path, told.thumbnail)
                advance()
        if not dataset.paths:
            raise InputError(f"{self.session.inputs.in_words()}: no picture could be read")
        if len(dataset.measures) < len(dataset):  # vectors among them, which have none
            dataset.measures, dataset.contents = [], []
        dataset.vectors = rows.all()
        return dataset

    def gather(self, found: list[ImageFile | Skipped]) -> Dataset:
        """Return all that can be known of the pictures without their labels' meaning."""
        import numpy as np

        from clipcli.workflows.audit.dataset import Dataset

        dataset = Dataset(self.classes)
        rows: list[NDArray[np.float32]] = []
        for entry in self._embedded(found):
            if isinstance(entry, Skipped):
                dataset.broken.append((entry, self.place_of(entry.path)))
            else:
                dataset.paths.append(entry.path)
                dataset.places.append(self.place_of(entry.path))
                rows.append(entry.row)
        if not rows:
            raise InputError(f"{self.session.inputs.in_words()}: no picture could be read")
        dataset.vectors = np.stack(rows)  # (n, d)
        return self._measure(dataset)

    def _embedded(self, found: list[ImageFile | Skipped]) -> Iterator[Embedded | Skipped]:
        with self.session.notes.progress(lambda: len(found)) as advance:
            for entry in self.session.tally(self.session.embedded(found), are_shown=True):
                yield entry
                advance()

    def _measure(self, dataset: Dataset) -> Dataset:
        """Measure the pixels; what cannot be read any more leaves the pictures."""
        from clipcli.output.html.thumbnails import encode
        from clipcli.workflows.audit.measures import measure_all

        max_pixels = self.session.model.decoding().max_pixels
        make = encode if self.spool is not None else None
        kept = []
        with self.session.notes.progress(lambda: len(dataset)) as advance:
            measured = measure_all(dataset.paths, max_pixels=max_pixels, make_thumbnail=make)
            for i, entry in enumerate(measured):
                if isinstance(entry, Skipped):
                    dataset.broken.append((entry, dataset.places[i]))
                else:
                    kept.append(i)
                    dataset.measures.append(entry.measures)
                    if self.spool is not None:
                        self.spool.add(dataset.paths[i], entry.thumbnail)
                advance()
        return dataset if len(kept) == len(dataset) else _without_lost(dataset, kept)


def _without_lost(dataset: Dataset, kept: list[int]) -> Dataset:
    if not kept:
        raise InputError("the pictures could be read once, but not a second time")
    measures, dataset.measures = dataset.measures, []  # they are the kept ones' already
    smaller = dataset.keep(kept)
    smaller.measures = measures
    return smaller


def class_classifier(
    session: Session, tree: ClassTree, labels: str | None, templates: str | None
) -> tuple[Classifier, list[int]]:
    """Return a classifier of the classes' words, and each class's place among its labels."""
    from clipcli.labels.label_set import LabelSet, load_label_set
    from clipcli.workflows.class_labels import (
        are_wordless,
        key_of,
        match_classes,
        readable,
        wordless_note,
    )

    if labels is not None:
        label_set = load_label_set(labels)
        places = match_classes(tree, label_set)
    else:
        if are_wordless(tree.classes):
            session.notes.say(f"{wordless_note(tree.classes)}; --labels FILE says what they are")
        # Two classes that read the same are two for an audit; they share a label here.
        names: dict[str, str] = {}
        for name in tree.classes:
            names.setdefault(key_of(name), readable(name))
        order = list(names)
        lone = [] if len(order) > 1 else [SOMETHING_ELSE]
        label_set = LabelSet.from_names([*names.values(), *lone])
        places = [order.index(key_of(name)) for name in tree.classes]
    return session.classifier(label_set, templates=templates), places


def zero_shot(
    classifier: Classifier, places: list[int], vectors: NDArray[np.float32]
) -> NDArray[np.floating[Any]]:
    """Return zero-shot probabilities (n, c) of the classes, whatever other labels there are."""
    from clipcli.vectors import similarities, softmax

    rows = classifier.classifier[places]  # (c, d)
    return softmax(similarities(vectors, rows) * classifier.logit_scale)
