"""Results as Parquet: a row a picture."""

from __future__ import annotations

from clipcli.output.formats import Sink, provenance_fields
from clipcli.output.parquet_rows import ParquetRows, require_pyarrow
from clipcli.results import Provenance, Result, to_record

ROWS_AT_ONCE = 4096  # of a row group: bounds memory


class ParquetDocument:
    """Columns path, path_bytes, status, label, probability, decision, reason, top and on."""

    def __init__(self, sink: Sink) -> None:
        pa = require_pyarrow()
        score = pa.struct(
            [("label", pa.string()), ("probability", pa.float64()), ("similarity", pa.float64())]
        )
        names = ("path", "path_bytes", "status", "label")
        columns = [(name, pa.string()) for name in names]
        columns += [("probability", pa.float64()), ("decision", pa.string())]
        columns += [("reason", pa.string()), ("top", pa.list_(score)), ("parents", pa.list_(score))]
        columns += [("labels", pa.list_(score)), ("reject_score", pa.float64())]
        self._rows = ParquetRows(sink, pa.schema(columns), ROWS_AT_ONCE)

    def write(self, result: Result) -> None:
        """Add one row."""
        self._rows.add(to_record(result))

    def note(self, key: str, value: str) -> None:
        """Put something more into the file's key-value metadata."""
        self._rows.note(key, value)

    def finish(self, provenance: Provenance, error: str | None) -> None:
        """Write the rest and the footer; provenance is in the file's key-value metadata."""
        self._rows.finish(provenance_fields(provenance) | {"error": error})
