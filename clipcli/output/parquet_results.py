"""Results in Parquet as records again: one file, or the parts of a batch in their order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from clipcli.output.formats import require_pyarrow
from clipcli.strict_json import Bounds, parse_json

COLUMNS = ("path", "path_bytes", "status", "label", "probability", "decision", "reason", "labels")
ROWS_AT_ONCE = 4096
PROVENANCE = b"clipcli"


def records_of(files: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the record of each row, a few thousand of them in memory at a time.

    Raises
    ------
    MissingExtraError
    OSError, ValueError
        If a file is damaged, or has other columns.
    """
    for file in files:
        with _opened(file) as table:
            if not {*COLUMNS} <= {*table.schema_arrow.names}:
                raise ValueError(f"{file}: has other columns")
            for batch in table.iter_batches(ROWS_AT_ONCE, columns=list(COLUMNS)):
                for row in batch.to_pylist():
                    # A label may be none; what else is null was not in the record.
                    has_label = row["status"] == "ok"
                    yield {
                        key: value
                        for key, value in row.items()
                        if value is not None or (key == "label" and has_label)
                    }


def provenance_of(file: str) -> dict[str, Any] | None:
    """Return where the rows of a file come from, if it says so.

    Raises
    ------
    OSError, ValueError
        If the file is damaged.
    """
    with _opened(file) as table:
        raw = (table.metadata.metadata or {}).get(PROVENANCE)
    data: Any = parse_json(raw, Bounds()) if raw else None
    return data if isinstance(data, dict) else None


def _opened(file: str) -> Any:
    pa = require_pyarrow()
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(file)
    except pa.ArrowException as error:
        raise ValueError(str(error)) from error
