"""Boxes as Parquet: a row a picture, with the values of ``locate``'s records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipcli.output.formats import Sink
from clipcli.output.parquet_rows import ParquetRows, require_pyarrow
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
        schema = pa.schema([*columns, ("boxes", pa.list_(box))])
        self._rows = ParquetRows(sink, schema, ROWS_AT_ONCE)
        self.note, self.finish = self._rows.note, self._rows.finish

    def write(self, entry: Located | Skipped) -> None:
        """Add one row."""
        self._rows.add(record(entry))
