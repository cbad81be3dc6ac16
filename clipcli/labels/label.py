"""A label: its words, and what text may stand in them.

Also about the :class:`LabelDocument`, which is what one label file says, before anyone asked
whether its labels fit together.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from clipcli.errors import LabelSetError
from clipcli.labels.language import without_invisible

SYNONYM_MARK = "|"
# Models read about 400 characters. Longer text is no label, and to bring combining marks into their
# order takes time that grows with the square of their number.
MAX_CHARACTERS = 2000
# What a file itself may tell of where its picture comes from (``images.origin``).
RULES = ("screenshot", "scan", "document", "photograph")
MAX_LABELS = 200_000  # ImageNet's 21,843 are among the longest lists in use


_CODE = re.compile(r"n\d{8}|\d+")  # an entry of WordNet, or a number


def is_code(word: str) -> bool:
    """Say whether a word stands for a class and says nothing about it."""
    return _CODE.fullmatch(word.strip()) is not None


@dataclass(frozen=True, slots=True)
class Label:
    """One class: the name that is reported, and the words and prompts that describe it."""

    name: str
    synonyms: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()  # used as written, beside the filled templates
    parent: str | None = None  # the group that this label's probability is summed into
    threshold: float | None = None  # the label's own --min-prob, 0..1
    rule: str | None = None  # one of RULES: pictures whose file says so get this label
    line: int = field(default=0, compare=False, repr=False)  # in its file; 0: it has none

    @property
    def words(self) -> tuple[str, ...]:
        """The name and its synonyms, which are what fills the templates."""
        return (self.name, *self.synonyms)

    @property
    def spoken(self) -> tuple[str, ...]:
        """The words that say something to a model: codes beside a word do not.

        In ``tench | n01440764`` the code is there to find the class by.
        """
        synonyms = tuple(word for word in self.synonyms if not is_code(word))
        is_coded = is_code(self.name) and not self.name.isdecimal()  # 747 is a jumbo jet
        return synonyms if is_coded and synonyms else (self.name, *synonyms)


@dataclass(frozen=True, slots=True)
class LabelDocument:
    """What one label file says; ``templates`` is ``None`` where it is silent about them."""

    labels: tuple[Label, ...]
    name: str = ""
    description: str = ""
    templates: tuple[str, ...] | None = None
    reject: tuple[str, ...] = ()


def at_line(source: str, line: int) -> str:
    """Return ``file:line``, or the bare source where there are no lines."""
    return f"{source}:{line}" if line else source


def folded_text(text: str) -> str:
    """Return what two texts share that a model cannot tell apart: case and spacing are folded."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def checked_text(text: str, what: str, where: str) -> str:
    """Return ``text`` without blanks around it and invisible characters in it.

    Raises
    ------
    LabelSetError
        If nothing is left, it is too long, or it has characters that no prompt can hold.
    """
    if len(text) > MAX_CHARACTERS:
        raise LabelSetError(
            f"{where}: a {what} of {len(text):,} characters", hint=f"{MAX_CHARACTERS:,} are allowed"
        )
    text = without_invisible(text).strip()
    if not text:
        raise LabelSetError(f"{where}: empty {what}", hint="write a word, or remove it")
    if text.isprintable():
        return text
    for character in text:
        # Zero-width joiners (Cf) hold emoji together and may stay; line and control characters
        # and lone surrogates would break one-record-a-line outputs.
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
            raise LabelSetError(
                f"{where}: {what} {text!r} contains the character U+{ord(character):04X}",
                hint="remove the line break or control character",
            )
    return text


def label_from_text(text: str, where: str, line: int = 0) -> Label:
    """Read ``name | synonym | synonym``, the one-line form of a label."""
    name, *synonyms = text.split(SYNONYM_MARK)
    return Label(
        name=checked_text(name, "label", where),
        synonyms=tuple(checked_text(synonym, "synonym", where) for synonym in synonyms),
        line=line,
    )


def threshold_from_text(text: str, where: str) -> float:
    """Read a probability written by hand, 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    # float() would also take "1_0" and digits of other scripts.
    if not 0.0 <= value <= 1.0 or "_" in text or not text.isascii():
        raise LabelSetError(
            f"{where}: threshold {text!r} is not a number from 0 to 1",
            hint="write it like 0.35",
        )
    return value


def rule_from_text(text: str, where: str) -> str:
    """Read the name of a rule."""
    if text not in RULES:
        close = difflib.get_close_matches(text.lower(), RULES, n=1)
        meant = f"did you mean {close[0]!r}? " if close else ""
        raise LabelSetError(
            f"{where}: there is no rule {text!r}", hint=f"{meant}the rules are {', '.join(RULES)}"
        )
    return text


def check_labels(labels: Sequence[Label], source: str) -> None:
    """Refuse a set without labels, with a label twice, or with groups that are also labels."""
    if not labels:
        raise LabelSetError(f"{source}: has no labels", hint="write one label a line")
    if len(labels) > MAX_LABELS:
        raise LabelSetError(
            f"{source}: has {len(labels):,} labels", hint=f"{MAX_LABELS:,} are allowed"
        )
    _check_unique(labels, source)
    _check_parents(labels, source)


def _check_unique(labels: Sequence[Label], source: str) -> None:
    seen: dict[str, Label] = {}
    for label in labels:
        first = seen.setdefault(folded_text(label.name), label)
        if first is label:
            continue
        fact = f"label {label.name!r} appears twice"
        if first.name != label.name:
            fact = f"label {label.name!r} is {first.name!r} again, in other case or spacing"
        if first.line:
            fact += f" (first on line {first.line})"
        raise LabelSetError(
            f"{at_line(source, label.line)}: {fact}",
            hint="remove one, or give it a name of its own",
        )


def _check_parents(labels: Sequence[Label], source: str) -> None:
    """Keep parents one level deep: a group is never a label, so there can be no cycles."""
    names = {folded_text(label.name) for label in labels}
    spelling: dict[str, str] = {}
    for label in labels:
        if label.parent is None:
            continue
        where, key = at_line(source, label.line), folded_text(label.parent)
        if key in names:
            raise LabelSetError(
                f"{where}: parent {label.parent!r} of {label.name!r} is itself a label",
                hint="name the group differently; a parent sums its labels and is none of them",
            )
        if spelling.setdefault(key, label.parent) != label.parent:
            raise LabelSetError(
                f"{where}: parent {label.parent!r} is spelled {spelling[key]!r} elsewhere",
                hint="spell it the same way everywhere",
            )
