"""``--compare``: which settings a rival has instead of the first ones."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from clipcli.errors import UsageError

KEYS = ("model", "labels", "templates", "probe")
WORDS = ("labels", "templates")  # what a probe has none of
# A ";" within a template or label stays: only one before another key separates.
BETWEEN = re.compile(r"\s*;\s*(?=(?:" + "|".join(KEYS) + r")\s*=)")


@dataclass(frozen=True, slots=True)
class ClassifierSettings:
    """What makes a classifier; None leaves the choice to the defaults."""

    model: str | None = None
    labels: str | None = None
    templates: str | None = None
    probe: str | None = None  # a file, in place of labels and templates


@dataclass(frozen=True, slots=True)
class Variant:
    """ClassifierSettings with a name."""

    name: str
    settings: ClassifierSettings


def parse_variant(text: str, first: ClassifierSettings) -> Variant:
    """Read ``templates=plain`` or ``model=X; templates=plain``; the rest is as in ``first``.

    Raises
    ------
    UsageError
        For a key that there is not, or one without a value.
    """
    given: dict[str, str] = {}
    for part in BETWEEN.split(text.strip()):
        key, equals, value = part.partition("=")
        key, value = key.strip(), value.strip()
        if key not in KEYS or not equals:
            raise UsageError(
                f"--compare {text}: {key!r} is nothing to compare",
                hint=f"write one of {', '.join(f'{k}=…' for k in KEYS)}; several with ; between",
            )
        if not value or key in given:
            fact = "is given twice" if key in given else "has no value"
            raise UsageError(
                f"--compare {text}: {key} {fact}", hint="write it like templates=plain"
            )
        given[key] = value
    return Variant(text.strip(), _instead(text, first, given))


def _instead(text: str, first: ClassifierSettings, given: dict[str, str]) -> ClassifierSettings:
    """Replace settings; a probe takes the place of words, and words that of a probe."""
    words = [key for key in WORDS if key in given]
    if words and "probe" in given:
        raise UsageError(
            f"--compare {text}: a probe has classes of its own, and no use for {words[0]}",
            hint="drop one of the two",
        )
    if "probe" in given:
        first = replace(first, labels=None, templates=None)
    elif words:
        first = replace(first, probe=None)
    return replace(first, **given)
