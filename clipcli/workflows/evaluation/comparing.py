"""Classifiers side by side on the same pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clipcli.workflows.evaluation.answers import Answers
from clipcli.workflows.evaluation.chance import Difference, compare, holm
from clipcli.workflows.evaluation.report import Report, report


@dataclass(frozen=True, slots=True)
class Rival:
    """Another classifier's answers, and the classes behind its labels."""

    name: str  # how it differs, as it was asked for
    answers: Answers
    classes: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A rival's report, and how it differs from the first classifier."""

    name: str
    report: Report
    difference: Difference
    p_adjusted: float  # for having been compared several times


def compare_all(first: Answers, rivals: Sequence[Rival]) -> list[Comparison]:
    """Compare each rival with the first classifier, on the pictures that both have read."""
    told = []
    for rival in rivals:
        mine, theirs = _shared(first, rival.answers)
        told.append((rival, compare(first.is_right[mine], rival.answers.is_right[theirs])))
    adjusted = holm([difference.p_value for _, difference in told])
    return [
        Comparison(rival.name, report(rival.answers, rival.classes), difference, p)
        for (rival, difference), p in zip(told, adjusted, strict=True)
    ]


def _shared(first: Answers, second: Answers) -> tuple[list[int], list[int]]:
    """Return the places of the pictures that both have, in one order."""
    places = {path: i for i, path in enumerate(second.paths)}
    mine = [i for i, path in enumerate(first.paths) if path in places]
    assert mine, "what one model reads, another reads as well"
    return mine, [places[first.paths[i]] for i in mine]
