"""Pictures whose classes somebody decided on a page, as a tree of classes."""

from __future__ import annotations

from collections.abc import Callable

from clipcli.errors import InputError
from clipcli.images.class_tree import ClassTree, Place
from clipcli.images.find import FindReport, find_images
from clipcli.images.order import natural_sort
from clipcli.pipeline.known_answers import KnownAnswers, tell_left_over


def decided_tree(source: str, known: KnownAnswers, say: Callable[[str], None]) -> ClassTree:
    """Return the pictures under ``source`` that were given a label, whatever folders they are in.

    Raises
    ------
    InputError
        If no decision is about a picture there, or none gives a label.
    """
    rows: dict[str, Place] = {}
    n_rejected = 0
    for entry in find_images([source], report=FindReport()):
        decision = known.of(entry.path)
        if decision is None:
            continue
        if decision.new is None:
            n_rejected += 1
        else:
            rows[entry.path] = Place(decision.new)
    tell_left_over(known, say)
    if not rows:
        raise InputError(f"{known.source}: gives no picture in {source} a label")
    if n_rejected:
        say(f"{n_rejected:,} picture{'s' if n_rejected > 1 else ''} left out, without a label")
    classes = natural_sort({place.label for place in rows.values() if place.label is not None})
    return ClassTree(source, tuple(classes), rows=rows)
