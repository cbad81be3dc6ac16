"""This file knows about plain rows of text: columns on a terminal, tabs elsewhere; no rich."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from clipcli.render.text import escape_tsv, visible


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


def visible_lines(text: str) -> str:
    """Make control characters visible, line ends aside."""
    return "\n".join(visible(line) for line in text.split("\n"))
