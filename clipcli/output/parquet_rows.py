"""Rows as a Parquet file, into a sink: a few thousand of them in memory at a time."""

from __future__ import annotations

import json
from typing import Any

from clipcli.errors import MissingExtraError
from clipcli.output.formats import Sink


class ParquetRows:
    """A table while it is being written; what it is about stands in its key-value metadata."""

    def __init__(self, sink: Sink, schema: Any, rows_at_once: int) -> None:
        pa = require_pyarrow()
        import pyarrow.parquet as pq

        self._schema, self._rows_at_once = schema, rows_at_once
        self._rows: list[dict[str, Any]] = []
        self._stream = pa.PythonFile(SinkStream(sink), mode="w")
        self._parquet = pq.ParquetWriter(self._stream, schema)

    def add(self, row: dict[str, Any]) -> None:
        """Add one row; columns that it does not name are null."""
        self._rows.append(row)
        if len(self._rows) >= self._rows_at_once:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        self._parquet.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows.clear()

    def note(self, key: str, value: str) -> None:
        """Put something more into the metadata."""
        self._parquet.add_key_value_metadata({key: value})

    def finish(self, provenance: dict[str, Any]) -> None:
        """Write the rest and the footer."""
        self._flush()
        self.note("clipcli", json.dumps(provenance))
        self._parquet.close()
        self._stream.close()

    def abandon(self) -> None:
        """Close what would otherwise be closed later, when the file is gone."""
        self._parquet.close()


class SinkStream:
    """The part of a binary file that pyarrow wants, over a sink that only takes bytes."""

    closed = False

    def __init__(self, sink: Sink) -> None:
        self._sink, self._position = sink, 0

    def write(self, content: bytes) -> int:
        self._sink.write(bytes(content))
        self._position += len(content)
        return len(content)

    def tell(self) -> int:
        return self._position

    def flush(self) -> None: ...

    def close(self) -> None:
        self.closed = True

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False


def require_pyarrow() -> Any:
    """Import pyarrow, or say how to get it."""
    try:
        import pyarrow as pa
    except ImportError as error:
        raise MissingExtraError(
            "Parquet output needs pyarrow, which is not installed",
            hint='pip install "clipcli[parquet]"',
        ) from error
    return pa
