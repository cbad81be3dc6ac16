"""Boxes as Parquet: a row a picture, with the values of ``locate``'s records."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from clipcli.output.formats import Sink, SinkStream, require_pyarrow
from clipcli.pipeline.locating.run import record

if TYPE_CHECKING:
    from clipcli.pipeline.locating.run import Located
    from clipcli.results import Skipped

ROWS_AT_ONCE = 1024


class BoxDocument:
    """Columns path, path_bytes, status, reason, width, height, method, boxes.

    A box has a label, a score (0..1), its corners (left, top, right, bottom in pixels of the
    picture in full), the phrase, and of a sentence the phrase's first and last character.
    """

    def __init__(self, sink: Sink) -> None:
        pa = require_pyarrow()
        import pyarrow.parquet as pq

        box = pa.struct(
            [
                ("label", pa.string()),
                ("score", pa.float64()),
                ("box", pa.list_(pa.float64())),
                ("phrase", pa.string()),
                ("span", pa.list_(pa.int32())),
            ]
        )
        columns = [(name, pa.string()) for name in ("path", "path_bytes", "status", "reason")]
        columns += [("width", pa.int32()), ("height", pa.int32()), ("method", pa.string())]
        self._schema = pa.schema([*columns, ("boxes", pa.list_(box))])
        self._rows: list[dict[str, Any]] = []
        self._stream = pa.PythonFile(SinkStream(sink), mode="w")
        self._parquet = pq.ParquetWriter(self._stream, self._schema)

    def write(self, entry: Located | Skipped) -> None:
        """Add one row."""
        self._rows.append(record(entry))
        if len(self._rows) >= ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        self._parquet.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows.clear()

    def note(self, key: str, value: str) -> None:
        """Put something more into the file's key-value metadata."""
        self._parquet.add_key_value_metadata({key: value})

    def finish(self, provenance: dict[str, Any]) -> None:
        """Write the rest and the footer."""
        self._flush()
        self._parquet.add_key_value_metadata({"clipcli": json.dumps(provenance)})
        self._parquet.close()
        self._stream.close()
