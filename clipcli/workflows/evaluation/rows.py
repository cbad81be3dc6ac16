"""Evaluating what a run has said already: rows of results, and the truth by their keys.

Rows are read once, and of each only numbers stay: 25 MB for a million of them.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from clipcli.errors import InputError, LabelSetError
from clipcli.images.class_tree import ClassTree
from clipcli.images.order import natural_sort
from clipcli.output.parquet_results import provenance_of, records_of, table_records
from clipcli.results import Provenance, Skipped, path_of_record
from clipcli.workflows.class_labels import key_of, match_classes
from clipcli.workflows.evaluation.evaluated import Evaluated
from clipcli.workflows.evaluation.figures import compute_figures
from clipcli.workflows.evaluation.metrics import Flags, Numbers, Places

if TYPE_CHECKING:
    from clipcli.images.key_truth import KeyTruth
    from clipcli.labels.label_set import LabelSet
    from clipcli.pipeline.batches import BatchOutput

COLUMNS = ("path", "path_bytes", "status", "reason", "label", "decision", "top")
NAMED = 8  # classes in an error message


@dataclass(frozen=True)
class RowPredictions:
    """The answers of n rows whose true labels are known; see :class:`figures.Judgeable`."""

    names: tuple[str, ...]
    n_ranked: int
    truth: Places
    first: Places
    first_probabilities: Numbers
    ranks: Places
    is_answered: Flags
    has_decisions: bool

    @cached_property
    def is_right(self) -> Flags:
        """Whether the true label is first (n,)."""
        right: Flags = self.truth == self.first
        return right


@dataclass(frozen=True, slots=True)
class RowSource:
    """Rows of results, a batch's or a file's, to be read once."""

    name: str
    records: Iterable[dict[str, Any]]
    provenance: Provenance
    error: str = ""  # why the run ended early, if it did

    @classmethod
    def of(cls, name: str, batch: BatchOutput | None) -> RowSource:
        """Open a batch, or a file of Parquet.

        Raises
        ------
        InputError
        """
        if batch is not None:
            batch.expect("classify", "eval judges what batch classify has written")
            rows = batch.rows(lambda part, table: table_records(part, table, COLUMNS))
            return cls(name, rows, _provenance(name, provenance_of(batch)))
        try:
            told = provenance_of(name)
            error = str((told or {}).get("error") or "")
            return cls(name, _told(name, COLUMNS), _provenance(name, told), error)
        except (OSError, ValueError) as error:
            raise _no_results(name) from error


def _told(name: str, columns: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    try:
        yield from records_of(name, columns)
    except (OSError, ValueError) as error:
        raise _no_results(name) from error


def _no_results(name: str) -> InputError:
    return InputError(
        f"{name}: no result of clipcli classify",
        hint="give pictures, or what classify -o FILE.parquet or batch classify has written",
    )


def _provenance(name: str, told: dict[str, Any] | None) -> Provenance:
    known = {each.name for each in fields(Provenance)}
    try:
        found = Provenance(**{key: value for key, value in (told or {}).items() if key in known})
        return replace(found, templates=tuple(found.templates), rules=tuple(found.rules))
    except TypeError as error:
        raise _no_results(name) from error


class _Rows:
    """Numbers of the rows that were read so far; labels and classes are numbered as they come."""

    def __init__(self, truth: KeyTruth, label_of: Callable[[str], str]) -> None:
        self._truth, self._label_of = truth, label_of
        self.labels: dict[str, int] = {}  # by what two spellings share
        self.names: list[str] = []  # of those that a row names, else ""
        self.classes: dict[str, int] = {}
        self.truth_at, self.first_at, self.ranks = array("i"), array("i"), array("i")
        self.probabilities, self.is_answered = array("d"), array("b")
        self.n_unknown = 0
        self.skipped: list[Skipped] = []

    def add(self, record: dict[str, Any]) -> None:
        """Take a row.

        Raises
        ------
        KeyError, TypeError, IndexError, AttributeError, ValueError
            If it is none of ``classify``.
        """
        path = path_of_record(record["path"], record.get("path_bytes"))
        if record["status"] != "ok":
            self.skipped.append(Skipped(path, str(record.get("reason", ""))))
            return
        label = self._truth.place_of(path).label
        if label is None:
            self.n_unknown += 1
            return
        if label not in self.classes:
            self.classes[label] = self._number(self._label_of(label))
        true, top = self.classes[label], record["top"]
        places = [self._number(one["label"], is_named=True) for one in top]
        self.truth_at.append(true)
        self.first_at.append(places[0])
        self.ranks.append(places.index(true) if true in places else len(places))
        self.probabilities.append(top[0]["probability"])
        self.is_answered.append(record.get("label") is not None)

    def _number(self, label: str, *, is_named: bool = False) -> int:
        number = self.labels.get(label)
        if number is None:  # perhaps only spelt in another way
            number = self.labels.setdefault(key_of(label), len(self.names))
            self.labels[label] = number
            if number == len(self.names):
                self.names.append("")
        if is_named and not self.names[number]:
            self.names[number] = label
        return number


def evaluate_rows(
    source: RowSource,
    truth: KeyTruth,
    label_set: LabelSet | None,
    advance: Callable[[], None],
) -> tuple[Evaluated, int]:
    """Judge rows by the truth; the number is that of rows whose class nobody knows.

    ``label_set``, the one that the rows were made with, tells synonyms, and labels that no row
    names.

    Raises
    ------
    InputError, LabelSetError
        If no row has a true class, or no label stands for one.
    """
    rows = _Rows(truth, _matching(source, label_set))
    for record in source.records:
        try:
            rows.add(record)
        except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
            raise _no_results(source.name) from error
        advance()
    if not rows.truth_at:
        if not rows.n_unknown:
            raise InputError(f"{source.name}: holds no row of a picture that could be read")
        raise InputError(
            f"{source.name}: no true class is known of any row",
            hint="keys with a folder for each class (cat/17.jpg), or --truth FILE.csv with the "
            "columns key and label",
        )
    predictions, classes = _predictions(source, rows, label_set)
    counts = {"ok": len(rows.truth_at), "skipped": len(rows.skipped)}
    evaluated = Evaluated(
        source=source.name,
        predictions=predictions,
        figures=compute_figures(predictions, classes),
        ood=None,
        ood_source=None,
        calibration=None,
        calibration_file=None,
        comparisons=(),
        skipped=tuple(rows.skipped),
        provenance=replace(source.provenance, counts=counts),
    )
    return evaluated, rows.n_unknown


def _matching(source: RowSource, label_set: LabelSet | None) -> Callable[[str], str]:
    """Return what says which label a class is."""
    if label_set is None:
        return str
    if label_set.hash != source.provenance.label_set_hash:
        raise LabelSetError(
            f"{label_set.name}: is not the label set that {source.name} was made with",
            hint="give --labels as that run did, or leave it out",
        )

    def label_of(name: str) -> str:
        (place,) = match_classes(ClassTree(source.name, (name,)), label_set)
        return label_set.names[place]

    return label_of


def _predictions(
    source: RowSource, rows: _Rows, label_set: LabelSet | None
) -> tuple[RowPredictions, dict[str, tuple[str, ...]]]:
    """Return the answers with labels in their order, and the classes behind each label."""
    unnamed = [name for name, i in rows.classes.items() if not rows.names[i]]
    if label_set is not None:
        names = label_set.names
    elif unnamed:
        shown = ", ".join(map(repr, natural_sort(unnamed)[:NAMED]))
        more = f" and {len(unnamed) - NAMED:,} more" if len(unnamed) > NAMED else ""
        raise InputError(
            f"{source.name}: no row names the label of {len(unnamed):,} of {len(rows.classes):,} "
            f"classes: {shown}{more}",
            hint="give --labels as that run did, with these as names or synonyms; or --truth "
            "FILE.csv, if the folders are no classes",
        )
    else:
        names = tuple(natural_sort(rows.names))
    at = {key_of(name): i for i, name in enumerate(names)}
    # Numbers as they came -> places among the names.
    order = np.zeros(len(rows.names), np.int64)
    for label, number in rows.labels.items():
        order[number] = at[key_of(label)]
    classes: dict[str, tuple[str, ...]] = {}
    for name in natural_sort(rows.classes):
        label = names[order[rows.classes[name]]]
        classes[label] = (*classes.get(label, ()), name)
    told = source.provenance
    is_answered = np.array(rows.is_answered, dtype=bool)
    return RowPredictions(
        names=names,
        n_ranked=min(told.top_k, len(names)),
        truth=order[np.array(rows.truth_at)],
        first=order[np.array(rows.first_at)],
        first_probabilities=np.array(rows.probabilities),
        ranks=np.array(rows.ranks, np.int64),
        is_answered=is_answered,
        has_decisions=bool(
            told.min_prob or told.reject_threshold is not None or not is_answered.all()
        ),
    ), classes
