"""Phrases of a sentence: what lies between its full stops, commas and their like."""

from __future__ import annotations

import re

from clipcli.errors import UsageError
from clipcli.labels.label import MAX_CHARACTERS

BORDER = re.compile(r"[.,;:!?\n]+(?:\s|$)")  # a point within a number or a name is none
SHOWN = 40  # characters of a phrase in an error
LETTER = re.compile(r"\w")


def phrases_of(sentence: str) -> list[tuple[int, int]]:
    """Return where the phrases of a sentence lie: between full stops, commas and their like.

    Raises
    ------
    UsageError
        If there is no phrase in it, or one that is longer than a label may be.
    """
    spans: list[tuple[int, int]] = []
    start = 0
    ends = [(match.start(), match.end()) for match in BORDER.finditer(sentence)]
    for end, next_start in [*ends, (len(sentence), len(sentence))]:
        part = sentence[start:end]
        if LETTER.search(part):
            left = start + len(part) - len(part.lstrip())
            spans.append((left, start + len(part.rstrip())))
        start = next_start
    if not spans:
        raise UsageError(
            f"{sentence!r}: there is no phrase in it",
            hint="name things, with full stops or commas between them: 'a dog. a red ball'",
        )
    for begin, end in spans:
        if end - begin > MAX_CHARACTERS:
            raise UsageError(
                f"'{sentence[begin : begin + SHOWN]}…': a phrase of {end - begin:,} characters",
                hint=f"{MAX_CHARACTERS:,} are allowed; full stops and commas part phrases",
            )
    return spans
