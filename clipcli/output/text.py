"""Plain rows of text: columns on a terminal, tabs elsewhere; no rich."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Sequence
from typing import Any


def print_rows(rows: Sequence[Sequence[str]]) -> None:
    """Print one record a line; rows are of equal length."""
    if not sys.stdout.isatty():
        for row in rows:
            print_line("\t".join(map(escape_tsv, row)))
        return
    shown = [[visible(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print_line("  ".join(cells).rstrip())


def print_json(data: Any) -> None:
    """Print data as indented JSON."""
    print_line(json.dumps(data, indent=2, ensure_ascii=sys.stdout.isatty()))


def print_line(text: str) -> None:
    """Print a line in UTF-8, or on a terminal in what the terminal can show."""
    if sys.stdout.isatty():
        encoding = sys.stdout.encoding
        print(visible_lines(text).encode(encoding, "replace").decode(encoding))  # noqa: T201
        return
    # Subtle: not print(), whose encoding on Windows is an old code page as soon as it is piped.
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape") + b"\n")
    sys.stdout.buffer.flush()


def path_bytes(path: str, end: bytes, *, for_terminal: bool) -> bytes:
    """Return a path as another program reads it: the bytes of its name, on a terminal escaped."""
    return os.fsencode(path if not for_terminal else visible(path)) + end


def visible_lines(text: str) -> str:
    """Make control characters visible, line ends aside."""
    return "\n".join(visible(line) for line in text.split("\n"))


# Explicit bidirectional controls can make a name read as another one; Cf also holds the
# zero-width joiner, which emoji need, so they are named one by one.
BIDI_CONTROLS = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)

_TSV_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def visible(text: str) -> str:
    """Return text that is safe on a terminal: control and bidirectional characters as escapes."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible_character(character) for character in text)


def _visible_character(character: str) -> str:
    if character in BIDI_CONTROLS or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
        code = ord(character)
        if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name that is not UTF-8
            return f"\\x{code - 0xDC00:02x}"
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    return character


def escape_tsv(text: str) -> str:
    r"""Escape tab, line feed, carriage return and backslash as ``\t``, ``\n``, ``\r``, ``\\``."""
    return text.translate(_TSV_ESCAPES)


def digits(value: float) -> str:
    """Write a number shortly and without loss of the digits it was rounded to."""
    return f"{value:.6g}"


FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def guarded(text: str) -> str:
    """Return text that no spreadsheet takes for a formula: an apostrophe goes before it.

    Numbers stay numbers, negative ones as well.
    """
    if not text.startswith(FORMULA_STARTS):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text
