"""Patterns for names: what ``--rename '{date}_{label}_{name}'`` means."""

from __future__ import annotations

import string
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from clipcli.errors import UsageError
from clipcli.images.kinds import has_picture_ending
from clipcli.workflows.sorting.foldernames import FOLDER_BYTES, forbidden_in

DATED = {"date": "%Y-%m-%d", "time": "%H-%M-%S", "year": "%Y", "month": "%m", "day": "%d"}
FIELDS = ("name", "label", *DATED)
EXAMPLE = "{date}_{label}_{name}"


@dataclass(frozen=True, slots=True)
class NamePattern:
    """Literal text and fields in turn; a field is "" where there is none."""

    parts: tuple[tuple[str, str], ...]

    @property
    def needs_date(self) -> bool:
        """Whether a picture without a date has no such name."""
        return any(name in DATED for _, name in self.parts)

    def fill(self, name: str, label: str, taken: datetime | None) -> str:
        """Return a picture's new name without its ending.

        Parameters
        ----------
        name
            What the picture is called, without its ending.
        label
            The name of its label's folder, which is one on every system.
        taken
            When it was taken; None will do if the pattern needs no date.
        """
        values = {"": "", "name": name, "label": label}
        if taken is not None:
            # strftime of years before 1000 differs between systems; none is that old.
            values |= {field: taken.strftime(form) for field, form in DATED.items()}
        return "".join(text + values[field] for text, field in self.parts)


def read_pattern(text: str) -> NamePattern:
    """Return what a pattern says.

    Raises
    ------
    UsageError
        If it is none, or would make names that are none on some system.
    """
    try:
        parts = tuple(_parts(text))
    except ValueError as error:
        raise _wrong(text, "a brace is left open", "write {{ and }} for braces") from error
    literal = "".join(part for part, _ in parts)
    if bad := forbidden_in(literal):
        hint = "--by and --keep-folders make folders" if bad in "/\\" else f"such as {EXAMPLE}"
        raise _wrong(text, f"{bad!r} cannot be in a file's name", hint)
    if not any(field for _, field in parts):
        raise _wrong(text, "all pictures would get one name", f"such as {EXAMPLE}")
    if parts[0][0].startswith((".", " ")):
        raise _wrong(text, "a name cannot begin with a dot or a space", f"such as {EXAMPLE}")
    if has_picture_ending(text):
        raise _wrong(text, "each file keeps its own ending", "leave the ending out")
    if len(literal.encode()) > FOLDER_BYTES:
        raise _wrong(text, "is too long", f"such as {EXAMPLE}")
    return NamePattern(parts)


def _parts(text: str) -> Iterator[tuple[str, str]]:
    for literal, field, form, conversion in string.Formatter().parse(text):
        if field is not None and (field not in FIELDS or form or conversion):
            more = f"!{conversion}" * bool(conversion) + f":{form}" * bool(form)
            known = ", ".join(f"{{{name}}}" for name in FIELDS)
            raise _wrong(text, f"there is no field {{{field}{more}}}", f"there are {known}")
        yield literal, field or ""


def _wrong(text: str, fact: str, hint: str) -> UsageError:
    return UsageError(f"--rename {text!r}: {fact}", hint=hint)
