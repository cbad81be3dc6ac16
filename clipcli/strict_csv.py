"""Tables in CSV and TSV that somebody else wrote, read within bounds."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from typing import NamedTuple

MAX_ROW_CHARACTERS = 1024**2  # a row may go over many lines, and a quote may never be closed


class CsvError(ValueError):
    """A row that is malformed or endless, and the line on which it begins."""

    def __init__(self, fact: str, line: int) -> None:
        super().__init__(fact)
        self.fact, self.line = fact, line


class CsvRow(NamedTuple):
    """The cells of a row and the line on which it begins, from 1."""

    line: int
    cells: list[str]


def read_rows(
    lines: Iterable[str], *, delimiter: str = ",", is_strict: bool = True
) -> Iterator[CsvRow]:
    r"""Yield the rows of a table; blank ones too, as rows without cells.

    Parameters
    ----------
    lines
        With their ends, as ``open(newline="")`` gives them.
    delimiter
        What stands between two cells.
    is_strict
        Refuse quotes in the wrong place, which a reader would have to guess about. Otherwise they
        are let pass within a line: beyond its end, one quote too many would swallow other rows.

    Raises
    ------
    CsvError
        If a row is malformed, or longer than a megabyte.

    Examples
    --------
    >>> list(read_rows(["a,b\n", '"1\n', '2",3\n']))
    [CsvRow(line=1, cells=['a', 'b']), CsvRow(line=2, cells=['1\n2', '3'])]
    """
    begin = 1
    n_characters = 0
    own: list[str] = []  # lines of the row

    def bounded() -> Iterator[str]:
        nonlocal n_characters
        for line in lines:
            own.append(line)
            n_characters += len(line)
            if n_characters > MAX_ROW_CHARACTERS:
                raise CsvError("a row of more than a million characters", begin)
            yield line

    reader = csv.reader(bounded(), delimiter=delimiter, strict=is_strict)
    try:
        for cells in reader:
            if not is_strict:
                _check_quotes(own, delimiter)
            yield CsvRow(begin, cells)
            begin, n_characters = reader.line_num + 1, 0
            own.clear()
    except csv.Error as error:
        raise CsvError(f"malformed CSV: {error}", begin) from error


def _check_quotes(lines: list[str], delimiter: str) -> None:
    """Raise ``csv.Error`` for a row that goes beyond its line, or a file, by mistake."""
    if not any('"' in line for line in lines):
        return
    try:
        for _ in csv.reader(lines, delimiter=delimiter, strict=True):
            pass
    except csv.Error as error:
        is_open = "unexpected end of data" in str(error)
        if is_open or len(lines) > 1:
            raise csv.Error("a quote is opened and not closed") from error


def read_named_rows(
    lines: Iterable[str], *, delimiter: str = ",", is_strict: bool = False
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows under a header by column names, blank rows left out; each with its line.

    Raises
    ------
    CsvError
        As :func:`read_rows`; also if a column has no name of its own, or a row has more cells, or
        fewer, than there are columns.
    """
    rows = read_rows(lines, delimiter=delimiter, is_strict=is_strict)
    header = next(rows, CsvRow(1, [])).cells
    if len(set(header)) < len(header):
        raise CsvError("a column appears twice in the header", 1)
    for line, cells in rows:
        if not cells:
            continue
        if len(cells) != len(header):
            raise CsvError(f"has {len(cells)} cells under {len(header)} columns", line)
        yield line, dict(zip(header, cells, strict=True))
