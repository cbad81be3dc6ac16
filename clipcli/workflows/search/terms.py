"""What a query's text is made of: "apple - fruit" and weights; docs/search.md has the grammar."""

from __future__ import annotations

import re
from dataclasses import dataclass

from clipcli.errors import UsageError

# A sign counts only between blanks, so that "black-and-white" and "C++" stay words.
_TERM = re.compile(
    r"""\s*
    (?:(?P<weight>\d{1,4}(?:\.\d{1,4})?)\s*\*\s*)?
    (?:"(?P<quoted>[^"]*)"|(?P<plain>\S.*?))
    (?:\s+(?P<sign>[+-])(?=\s)|\s*$)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Term:
    """A text and how much it counts; below zero, pictures like it move down."""

    text: str
    weight: float = 1.0


def parse(text: str) -> tuple[Term, ...]:
    """Return the terms of a query; a text without signs or weights is one term.

    Raises
    ------
    UsageError
        If a term is missing, weighs nothing, or all of them are to be avoided.
    """
    terms, at, sign = [], 0, 1.0
    while (found := _TERM.match(text, at)) is not None:
        words = found["plain"] if found["quoted"] is None else found["quoted"]
        weight = float(found["weight"] or 1)
        if weight == 0 or not words.strip() or words in ("+", "-") or words.startswith("- "):
            break
        terms.append(Term(words, sign * weight))
        if found["sign"] is None:
            return _checked(text, tuple(terms))
        at, sign = found.end(), 1.0 if found["sign"] == "+" else -1.0
    raise UsageError(
        f"query {text!r}: a text is missing beside a sign, or its weight is 0",
        hint='write it as "2*beach + sunset - people", or in double quotes to search for it as '
        "it is",
    )


def _checked(text: str, terms: tuple[Term, ...]) -> tuple[Term, ...]:
    if terms[-1].text.endswith((" +", " -")):
        raise UsageError(f"query {text!r}: ends in a sign", hint="put a text behind it")
    return terms
