"""Label files that are tables: one label a row."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator

from clipcli.errors import LabelSetError
from clipcli.labels.label import (
    MAX_LABELS,
    SYNONYM_MARK,
    Label,
    LabelDocument,
    at_line,
    checked_text,
    label_from_text,
    rule_from_text,
    threshold_from_text,
)
from clipcli.labels.schema import LABEL_KEYS, suggest_key
from clipcli.strict_csv import CsvError, read_rows

CSV_COLUMNS = ("label", *LABEL_KEYS[1:])


def document_from_csv(text: str, source: str) -> LabelDocument:
    """Read one label a row, under a header."""
    rows = _numbered_rows(text, source)
    number, header = next(rows, (1, []))
    columns = [column.strip().lower() for column in header]
    _check_header(columns, at_line(source, number))
    labels = []
    for number, row in itertools.islice(rows, MAX_LABELS + 1):
        where = at_line(source, number)
        if len(row) > len(columns):
            raise LabelSetError(
                f"{where}: has {len(row)} cells under {len(columns)} columns",
                hint="a cell with a comma must stand in double quotes",
            )
        cells = dict(zip(columns, row, strict=False))
        labels.append(_label_from_cells(cells, where, number))
    return LabelDocument(labels=tuple(labels))


def _numbered_rows(text: str, source: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank with the line on which each begins."""
    try:
        for line, cells in read_rows(io.StringIO(text)):
            if any(cell.strip() for cell in cells):
                yield line, cells
    except CsvError as error:
        raise LabelSetError(f"{at_line(source, error.line)}: {error.fact}") from error


def _check_header(columns: list[str], where: str) -> None:
    for index, column in enumerate(columns):
        if column in columns[:index]:
            raise LabelSetError(f"{where}: column {column!r} appears twice", hint="remove one")
        if column not in CSV_COLUMNS:
            hint = suggest_key(column, CSV_COLUMNS)
            if ";" in column or "\t" in column:
                hint = "separate the cells by commas"
            raise LabelSetError(f"{where}: unknown column {column!r}", hint=hint)
    if "label" not in columns:
        raise LabelSetError(
            f"{where}: has no column 'label'",
            hint=f"the first line names the columns: {','.join(CSV_COLUMNS)}",
        )


def _label_from_cells(cells: dict[str, str], where: str, line: int) -> Label:
    label = label_from_text(cells.get("label", ""), where, line)
    parent = cells.get("parent", "").strip()
    threshold = cells.get("threshold", "").strip()
    rule = cells.get("rule", "").strip()
    return Label(
        name=label.name,
        synonyms=label.synonyms + _several(cells.get("synonyms", ""), "synonym", where),
        prompts=_several(cells.get("prompts", ""), "prompt", where),
        parent=checked_text(parent, "parent", where) if parent else None,
        threshold=threshold_from_text(threshold, where) if threshold else None,
        rule=rule_from_text(rule, where) if rule else None,
        line=line,
    )


def _several(cell: str, what: str, where: str) -> tuple[str, ...]:
    if not cell.strip():
        return ()
    return tuple(checked_text(part, what, where) for part in cell.split(SYNONYM_MARK))
