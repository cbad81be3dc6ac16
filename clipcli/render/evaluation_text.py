"""This file knows about an evaluation on a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from clipcli.render.evaluation_sections import Section, sections
from clipcli.render.table import terminal
from clipcli.render.text import visible

if TYPE_CHECKING:
    from rich.text import Text

    from clipcli.evaluation.evaluated import Evaluated

PAIRS_SHOWN = 10
LABELS_SHOWN = 30
WORD_CELLS = 32  # of a label or a rival's name; longer ones are cut


def print_report(evaluated: Evaluated) -> None:
    """Print all sections."""
    console = terminal(sys.stdout)
    told = sections(evaluated, pairs_shown=PAIRS_SHOWN, labels_shown=LABELS_SHOWN)
    for i, section in enumerate(told):
        if i:
            console.print()
        for line in section_lines(section):
            console.print(line)


def section_lines(section: Section) -> list[Text]:
    """Return a section as lines in which columns stand below each other."""
    from rich.text import Text

    lines = [Text(visible(section.title), style="bold")]
    rows = [[_fitted(cell) for cell in row] for row in (section.header, *section.rows)]
    widths = [max(text.cell_len for text in column) for column in zip(*rows, strict=True)]
    has_header = any(section.header)
    told = rows if has_header else rows[1:]
    lines += [_line(row, widths, section.n_words) for row in told]
    if has_header:
        lines[1].stylize("dim")
    if section.note:
        lines.append(Text(f"  {visible(section.note)}", style="dim"))
    return lines


def _fitted(cell: str) -> Text:
    from rich.text import Text

    text = Text(visible(cell))
    text.truncate(WORD_CELLS, overflow="ellipsis")
    return text


def _line(row: list[Text], widths: list[int], n_words: int) -> Text:
    """Put cells side by side: words to the left, numbers to the right."""
    from rich.text import Text

    line = Text()
    for i, (cell, width) in enumerate(zip(row, widths, strict=True)):
        gap = " " * (width - cell.cell_len)
        line.append("  ")
        if i < n_words:
            line.append_text(cell).append(gap)
        else:
            line.append(gap).append_text(cell)
    line.rstrip()
    return line
