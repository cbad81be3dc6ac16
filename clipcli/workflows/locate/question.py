"""What is to be located: labels, or the phrases of a sentence."""

from __future__ import annotations

import os
from collections.abc import Sequence
from glob import has_magic

from clipcli.encoder.locator import Question
from clipcli.errors import LabelSetError, UsageError
from clipcli.files import has_file_look
from clipcli.images.kinds import has_picture_ending
from clipcli.labels.files import LABEL_FILE_ENDINGS
from clipcli.labels.label import folded_text
from clipcli.labels.label_set import LabelSet, builtin_label_sets, load_label_set
from clipcli.labels.phrases import phrases_of
from clipcli.pipeline.locating.wording import question_of


def asked(
    paths: Sequence[str], labels: str | None, text: str | None, *, has_list: bool
) -> tuple[tuple[str, ...], Question]:
    """Return the inputs, and what is to be located in them.

    Without labels or text, the last of the paths is the text, as in ``clipcli search``.

    Raises
    ------
    UsageError, LabelSetError
    """
    if labels is not None and text is not None:
        raise UsageError("--labels and --text: choose one of them")
    if labels is not None:
        return tuple(paths), question_of(_label_set(labels))
    if text is None and (len(paths) > 1 or (paths and has_list)) and not os.path.exists(paths[-1]):  # noqa: PTH110 - as the user wrote it
        paths, text = paths[:-1], paths[-1]
        if " " not in text and (has_picture_ending(text) or has_file_look(text, ())):
            raise UsageError(
                f"{text}: no such file or folder", hint="if that is what to locate: --text TEXT"
            )
        if paths and _is_text(paths[-1]):
            both = f"{paths[-1]}. {text}"
            raise UsageError(
                f"{paths[-1]}: no such file or folder",
                hint=f"several things go into one text, in quotes: {both!r}",
            )
    if text is None:
        raise LabelSetError(
            "nothing was named to be located",
            hint="--labels 'cat, dog', a sentence in quotes as the last argument, or a built-in "
            "set: " + ", ".join(sorted(builtin_label_sets())),
        )
    return tuple(paths), of_text(text)


def _label_set(spec: str) -> LabelSet:
    """Return a label set; who asks for one name is told how that is done.

    Raises
    ------
    LabelSetError
    """
    try:
        return load_label_set(spec)
    except LabelSetError as error:
        is_name = spec.strip() and "," not in spec and not has_file_look(spec, LABEL_FILE_ENDINGS)
        if not is_name or spec in builtin_label_sets() or os.path.exists(spec):  # noqa: PTH110
            raise
        raise LabelSetError(
            error.message, hint=f"to look for that alone: --text {spec!r}; {error.hint}"
        ) from error


def _is_text(path: str) -> bool:
    """Tell whether what stands among the paths was meant as a text: words, and no file."""
    is_there = os.path.exists(path)  # noqa: PTH110 - as the user wrote it
    return " " in path and not is_there and not has_file_look(path, ()) and not has_magic(path)


def of_text(text: str) -> Question:
    """Ask for the phrases of a text; one that comes again, in any case, is asked once.

    Raises
    ------
    UsageError
    """
    spans: dict[str, tuple[int, int]] = {}
    for start, end in phrases_of(text):
        spans.setdefault(folded_text(text[start:end]), (start, end))
    return Question.of_sentence(text, tuple(spans.values()))
