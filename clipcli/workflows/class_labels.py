"""Which label a class of pictures stands for."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from clipcli.errors import LabelSetError
from clipcli.images.class_tree import ClassTree
from clipcli.labels.label import folded_text, is_code
from clipcli.labels.label_set import BUILT_IN, INLINE, LabelSet

NAMED = 8  # classes in an error message; the rest is a count
# What data sets put before a name: "n02085620-" (WordNet), "001." (CUB-200), "01_".
NUMBERING = re.compile(r"^(?:n\d{8}|\d+)[-_. ]+(?=\D)")
WORD_BREAKS = re.compile(r"[_\-\s]+")


def are_wordless(classes: Sequence[str]) -> bool:
    """Say whether the classes' names are numbers, which no model can judge pictures by."""
    n_wordless = sum(map(is_code, classes))
    return 2 * n_wordless > len(classes)


def wordless_note(classes: Sequence[str]) -> str:
    """Say that the classes' names are numbers."""
    shown = ", ".join(classes[:3])
    return f"classes are called {shown}: numbers say nothing to the model"


def readable(name: str) -> str:
    """Turn a folder's name into words.

    >>> readable("001.sea_lion")
    'sea lion'
    """
    bare = NUMBERING.sub("", name.strip())
    return WORD_BREAKS.sub(" ", bare).strip() or name


def key_of(name: str) -> str:
    """Return what two spellings of a class share: case, numbering and word breaks are folded."""
    return folded_text(readable(name))


def labels_of_classes(tree: ClassTree) -> LabelSet:
    """Return a label set of the classes' own names, made readable.

    Raises
    ------
    LabelSetError
        If two classes have the same name in words, if there is only one, or if they are numbers.
    """
    if are_wordless(tree.classes):
        raise LabelSetError(
            f"{tree.source}: {wordless_note(tree.classes)}",
            hint=f"give --labels FILE with a line such as `cat | {tree.classes[0]}` for each class",
        )
    names = [readable(name) for name in tree.classes]
    seen: dict[str, str] = {}
    for name in tree.classes:
        other = seen.setdefault(key_of(name), name)
        if other != name:
            raise LabelSetError(
                f"{tree.source}: the classes {other!r} and {name!r} are one label in words",
                hint="join them, or rename one",
            )
    if len(names) == 1:
        raise LabelSetError(
            f"{tree.source}: {tree.classes[0]!r} is the only class, so there is no choice",
            hint="add classes, or give --labels with others to choose from",
        )
    return LabelSet.from_names(names)


def match_classes(tree: ClassTree, label_set: LabelSet) -> list[int]:
    """Return the place in the label set of each class.

    A class is a label by the label's name, else by one of its synonyms; case, numbering and word
    breaks do not count.

    Raises
    ------
    LabelSetError
        Naming the classes that no label stands for, or that two do.
    """
    by_name = {key_of(label.name): i for i, label in enumerate(label_set.labels)}
    by_synonym: dict[str, set[int]] = {}
    for i, label in enumerate(label_set.labels):
        for word in label.synonyms:
            by_synonym.setdefault(key_of(word), set()).add(i)
    places: list[int] = []
    missing: list[str] = []
    for name in tree.classes:
        found = {by_name[key_of(name)]} if key_of(name) in by_name else by_synonym.get(key_of(name))
        if not found:
            missing.append(name)
            continue
        if len(found) > 1:
            labels = " and ".join(repr(label_set.names[i]) for i in sorted(found))
            raise LabelSetError(
                f"{tree.source}: class {name!r} is a synonym of two labels, {labels}",
                hint="remove it from one of them",
            )
        places.append(found.pop())
    if missing:
        raise _unmatched(tree, label_set, missing)
    return places


def _unmatched(tree: ClassTree, label_set: LabelSet, missing: Sequence[str]) -> LabelSetError:
    shown = ", ".join(repr(name) for name in missing[:NAMED])
    more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
    words = [word for label in label_set.labels for word in label.words]
    near = difflib.get_close_matches(readable(missing[0]), words, n=1)
    meant = f"{readable(missing[0])!r} may be {near[0]!r}: " if near else ""
    return LabelSetError(
        f"{_named(label_set)}: no label for {len(missing)} of {len(tree.classes)} classes in "
        f"{tree.source}: {shown}{more}",
        hint=f"{meant}add them as labels or synonyms, or leave out --labels",
    )


def _named(label_set: LabelSet) -> str:
    if label_set.source == INLINE:
        return "--labels"
    return label_set.name if label_set.source == BUILT_IN else label_set.source
