"""Results in Parquet as records again: one file, or the parts of a batch in their order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from clipcli.errors import ImageError
from clipcli.pipeline.archives import open_table
from clipcli.pipeline.batches import BatchOutput
from clipcli.pipeline.remote import open_seekable
from clipcli.strict_json import Bounds, parse_json

COLUMNS = ("path", "path_bytes", "status", "label", "probability", "decision", "reason", "labels")
ROWS_AT_ONCE = 4096
PROVENANCE = b"clipcli"


def records_of(name: str, columns: tuple[str, ...] = COLUMNS) -> Iterator[dict[str, Any]]:
    """Yield the record of each row of a file, a few thousand of them in memory at a time.

    Raises
    ------
    MissingExtraError
    OSError, ValueError
        If the file is damaged, or has other columns.
    """
    try:
        with open_seekable(name) as stream, open_table(name, stream) as table:
            yield from table_records(name, table, columns)
    except ImageError as error:
        raise OSError(error.message) from error


def table_records(
    name: str, table: Any, columns: tuple[str, ...] = COLUMNS
) -> Iterator[dict[str, Any]]:
    """Yield the record of each row of an open table, with these of its keys.

    Raises
    ------
    ValueError
        If it has other columns.
    """
    if not {*columns} <= {*table.schema_arrow.names}:
        raise ValueError(f"{name}: has other columns")
    for batch in table.iter_batches(ROWS_AT_ONCE, columns=list(columns)):
        for row in batch.to_pylist():
            # A label may be none; what else is null was not in the record.
            has_label = row["status"] == "ok"
            yield {
                key: value
                for key, value in row.items()
                if value is not None or (key == "label" and has_label)
            }


def provenance_of(source: str | BatchOutput) -> dict[str, Any] | None:
    """Return where the rows of a file, or of a batch's first part, come from, if it says so.

    Raises
    ------
    MissingExtraError, InputError
    OSError, ValueError
        If the file is damaged.
    """
    if isinstance(source, BatchOutput):
        return next(source.rows(lambda _, table: iter([table_provenance(table)])), None)
    try:
        with open_seekable(source) as stream, open_table(source, stream) as table:
            return table_provenance(table)
    except ImageError as error:
        raise OSError(error.message) from error


def table_provenance(table: Any) -> dict[str, Any] | None:
    """Return what an open table says of where its rows come from.

    Raises
    ------
    ValueError
        If that is damaged.
    """
    raw = (table.metadata.metadata or {}).get(PROVENANCE)
    data: Any = parse_json(raw, Bounds()) if raw else None
    return data if isinstance(data, dict) else None
