"""Answers: results of classifying by statements, put back into the question's words."""

from __future__ import annotations

from dataclasses import replace

from clipcli.results import Classified, LabelScore, Result
from clipcli.workflows.asking.questions import NO, YES, Asked


def answered(result: Result, asked: Asked) -> Result:
    """Return a result whose labels are answers.

    A yes-or-no question is asked as ``classify --independent`` asks a label: *yes* has the
    statement's share beside the neutral words, and *no* the rest.
    """
    if not asked.is_yes_no or not isinstance(result, Classified):
        return result
    yes = result.top[0]
    no = LabelScore(NO, 1 - yes.probability, yes.similarity)
    ranked = sorted((LabelScore(YES, *yes[1:]), no), key=lambda score: -score.probability)
    return replace(result, top=tuple(ranked), decision="label", labels=None)
