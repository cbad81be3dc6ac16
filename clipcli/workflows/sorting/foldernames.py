"""Names: folders for labels, and a free name where one is taken.

A folder's name must hold wherever the folders are carried later: on Windows, on a stick with FAT,
on a Mac that takes ``Cat`` and ``cat`` for the same. So every label gets the strictest name.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable

from clipcli.errors import UsageError

FOLDER_BYTES = 120  # encrypted home folders hold names of 143 bytes, Windows whole paths of 260
FILE_BYTES = 255  # what common file systems hold
_NUMBER_BYTES = len(" (12345)")

_FORBIDDEN = frozenset('<>:"/\\|?*')
# Control, surrogate, line and paragraph separators; the bidirectional ones are added by number.
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file; a name with an ending counts too.
_RESERVED = re.compile(
    r"(con|prn|aux|nul|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3]|conin\$|conout\$)"
    r"(?=\s*(\.|$))",
    re.IGNORECASE,
)


def folder_name(label: str) -> str:
    """Return a name for a label's folder that is one on every system, and lies in no other folder.

    Examples
    --------
    >>> folder_name("red car")
    'red car'
    >>> folder_name("../../x"), folder_name("CON"), folder_name("cat. ")
    ('_.._x', 'CON_', 'cat')
    """
    text = unicodedata.normalize("NFC", label)
    text = "".join("_" if _is_forbidden(character) else character for character in text)
    # Windows drops dots and spaces at the end; dots at the start hide a folder.
    text = " ".join(text.split()).lstrip(". ").rstrip(". ")
    text = _RESERVED.sub(r"\1_", text, count=1) if _RESERVED.match(text) else text
    return _cut(text, FOLDER_BYTES).rstrip(". ") or "_"


def folder_names(labels: Iterable[str], unsure: str | None = None) -> dict[str, str]:
    """Return each label's folder; two never share one, nor take the one for unsure pictures."""
    taken = set() if unsure is None else {name_key(unsure)}
    chosen: dict[str, str] = {}
    for label in labels:
        if label in chosen:
            continue
        name, number = folder_name(label), 1
        while name_key(name) in taken:
            number += 1
            name = numbered(folder_name(label), "", number, FOLDER_BYTES)
        taken.add(name_key(name))
        chosen[label] = name
    return chosen


def check_folder_name(name: str) -> str:
    """Return a folder's name that a user chose, if it is one everywhere.

    Raises
    ------
    UsageError
        If it is not; the hint is one that is.
    """
    if folder_name(name) != unicodedata.normalize("NFC", name):
        raise UsageError(
            f"{name!r} is not a folder's name on every system", hint=f"such as {folder_name(name)}"
        )
    return folder_name(name)


def forbidden_in(text: str) -> str:
    """Return the first character of a text that is in no file's name on some system, or ""."""
    odd = (x for x in text if _is_forbidden(x) or (x.isspace() and x != " "))
    return next(odd, "")


def fitting(stem: str, rests: Iterable[str]) -> str:
    """Shorten a stem so that it makes names with each of the rests, and with a number as well."""
    longest = max((len(os.fsencode(rest)) for rest in rests), default=0)
    return _cut(stem, FILE_BYTES - longest - _NUMBER_BYTES).rstrip()


def name_key(name: str) -> str:
    """Return what names have in common that some file system takes for the same."""
    if name.isascii():
        return name.lower()
    folded = unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())
    # Older Macs pass over characters without a width.
    return "".join(x for x in folded if unicodedata.category(x) != "Cf")


def numbered(stem: str, rest: str, number: int, limit: int = FILE_BYTES) -> str:
    """Return the ``number``-th name of its kind; the stem gives way where that gets too long.

    Examples
    --------
    >>> numbered("IMG_1", ".jpg", 1), numbered("IMG_1", ".jpg", 2)
    ('IMG_1.jpg', 'IMG_1 (2).jpg')
    """
    mark = f" ({number})" if number > 1 else ""
    room = limit - len(os.fsencode(mark + rest))
    return (_cut(stem, room).rstrip() if mark else stem) + mark + rest


def _is_forbidden(character: str) -> bool:
    # White space such as a tab or a line feed is a control character, but becomes a space.
    if character in _FORBIDDEN or character in _BIDI:
        return True
    return not character.isspace() and unicodedata.category(character) in _FORBIDDEN_CATEGORIES


def _cut(text: str, n_bytes: int) -> str:
    """Shorten text to so many bytes as a file name, between two characters."""
    while len(os.fsencode(text)) > n_bytes:
        text = text[:-1]
    return text
