"""Vectors in Parquet, as ``embed`` and ``batch embed`` write them, in the place of pictures.

Whoever reads them asks other questions of the same pictures without looking at them again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from clipcli.pipeline.image_data import ImageVector, no_picture
from clipcli.results import Skipped, path_of_record
from clipcli.strict_json import parse_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COLUMNS = ["path", "path_bytes", "status", "reason", "vector"]
ROWS_AT_ONCE = 4096  # 8 MB of a model with 512 numbers
PROVENANCE = b"clipcli"


def has_vectors(table: Any) -> bool:
    """Tell whether a table is one of vectors that clipcli has written."""
    import pyarrow as pa

    schema = table.schema_arrow
    if not {*COLUMNS} <= {*schema.names} or PROVENANCE not in (table.metadata.metadata or {}):
        return False
    return bool(pa.types.is_fixed_size_list(schema.field("vector").type))


def incomplete(table: Any) -> str:
    """Say why the run that wrote a table of vectors ended early, or ""."""
    provenance: Any = parse_json(table.metadata.metadata[PROVENANCE])
    error = provenance.get("error") if isinstance(provenance, dict) else None
    return error if isinstance(error, str) else ""


def vectors_of(name: str, table: Any) -> Iterator[ImageVector | Skipped]:
    """Yield each picture's vector, or why it has none.

    Raises
    ------
    ValueError
        If it is another table, or does not say which model they are of.
    """
    if not has_vectors(table):
        raise ValueError(f"{name}: has no vectors")
    provenance: Any = parse_json(table.metadata.metadata[PROVENANCE])
    fingerprint = provenance.get("fingerprint") if isinstance(provenance, dict) else None
    if not isinstance(fingerprint, str):
        raise ValueError(f"{name}: does not say which model its vectors are of")
    for batch in table.iter_batches(ROWS_AT_ONCE, columns=COLUMNS):
        texts = (batch[column].to_pylist() for column in COLUMNS[:-1])
        rows = _matrix(batch["vector"])  # (n, d)
        for path, raw, status, reason, row in zip(*texts, rows, strict=True):
            shown = path_of_record(path, raw)
            if status == "ok":
                yield ImageVector(shown, no_picture, row=row, fingerprint=fingerprint)
            else:
                yield Skipped(shown, reason or "")


def _matrix(column: Any) -> NDArray[np.float32]:
    """Return a column of lists of one length as rows (n, d); what is null is anything."""
    import numpy as np

    width = column.type.list_size
    values = column.values.to_numpy(zero_copy_only=False).reshape(-1, width)
    rows: NDArray[np.float32] = values[column.offset : column.offset + len(column)]
    return rows.astype(np.float32, copy=False)
