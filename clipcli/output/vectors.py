"""Embeddings as a file: NumPy's npz, or Parquet.

Vectors go to disk as they come, so memory stays flat however many there are.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from clipcli.errors import ClipcliError, UsageError
from clipcli.output.files import NewFile, check_apart, check_target
from clipcli.output.formats import Sink
from clipcli.output.parquet_rows import ParquetRows, require_pyarrow
from clipcli.process import held
from clipcli.results import Skipped, path_fields, path_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from clipcli.pipeline.embed import Embedded

ENDINGS = (".npz", ".parquet")
ROWS_AT_ONCE = 1024


class VectorFile(Protocol):
    """A vector file while it is being written."""

    def write(self, entry: Embedded | Skipped) -> None: ...

    def finish(self, provenance: dict[str, Any]) -> None: ...

    def abandon(self) -> None: ...


class VectorOutput:
    """The vectors (n, ``width``) of a run, in the format of the file's ending."""

    def __init__(self, path: Path, width: int, *, overwrite: bool) -> None:
        check_vector_target(path, overwrite=overwrite)
        self._n_written = 0
        kind = _NpzFile if path.suffix.lower() == ".npz" else _ParquetFile
        self._file: VectorFile | None = kind(path, width, overwrite=overwrite)

    def write(self, entry: Embedded | Skipped) -> None:
        """Add one picture's vector, or the reason that it has none."""
        assert self._file is not None
        with held():
            self._n_written += 1
            self._file.write(entry)

    def finish(self, provenance: dict[str, Any]) -> None:
        """Give the file its name, whole."""
        file, self._file = self._file, None
        if file is not None:
            with held():
                file.finish(provenance)

    def end_early(self, provenance: dict[str, Any]) -> None:
        """Complete what has entries; an error is on its way already, others are not reported."""
        if self._n_written:
            with contextlib.suppress(ClipcliError):
                self.finish(provenance)
        elif self._file is not None:
            self._file.abandon()


def check_vector_targets(paths: Sequence[Path], *, overwrite: bool) -> None:
    """Refuse, before any work is done, targets that cannot or may not be written."""
    check_apart(paths)
    for path in paths:
        check_vector_target(path, overwrite=overwrite)


def check_vector_target(path: Path, *, overwrite: bool) -> None:
    """Refuse, before any work is done, a target that cannot or may not be written."""
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(
            f"{path}: vectors cannot be written in a {path.suffix or 'nameless'} format",
            hint=f"end the name with {' or '.join(ENDINGS)}",
        )
    check_target(path, overwrite=overwrite)
    if path.suffix.lower() == ".parquet":
        require_pyarrow()


class _NpzFile:
    """Arrays paths (n,), vectors (n, d), skipped_paths, skipped_reasons (m,), provenance ()."""

    def __init__(self, path: Path, width: int, *, overwrite: bool) -> None:
        self._file = NewFile(path, overwrite=overwrite)
        try:
            self._vectors = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115 - closed later
        except OSError as error:
            raise self._file.fail(error) from error
        self._width = width
        self._paths: list[str] = []
        self._skipped: list[Skipped] = []

    def write(self, entry: Embedded | Skipped) -> None:
        if isinstance(entry, Skipped):
            self._skipped.append(entry)
        else:
            self._paths.append(entry.path)
            try:
                self._vectors.write(entry.row.astype("<f4").tobytes())
            except OSError as error:
                raise self._file.fail(error) from error

    def finish(self, provenance: dict[str, Any]) -> None:
        self._file.check()
        try:
            self._fill(provenance)
            self._vectors.close()
        except OSError as error:
            raise self._file.fail(error) from error
        self._file.commit()

    def _fill(self, provenance: dict[str, Any]) -> None:
        import numpy as np

        texts = {
            "paths": np.array([path_text(p) for p in self._paths], dtype=np.str_),
            "skipped_paths": np.array([path_text(s.path) for s in self._skipped], dtype=np.str_),
            "skipped_reasons": np.array([s.reason for s in self._skipped], dtype=np.str_),
            "provenance": np.array(json.dumps(provenance)),
        }
        with zipfile.ZipFile(self._file.binary, "w", allowZip64=True) as archive:
            for name, array in texts.items():
                # Deflated, since an array of texts is as wide as the longest everywhere.
                archive.writestr(f"{name}.npy", _npy(array), zipfile.ZIP_DEFLATED)
            with archive.open("vectors.npy", "w", force_zip64=True) as member:
                member.write(_npy_header((len(self._paths), self._width)))
                self._vectors.seek(0)
                shutil.copyfileobj(self._vectors, member, 2**20)

    def abandon(self) -> None:
        self._vectors.close()
        self._file.discard()


def _npy(array: NDArray[np.str_]) -> bytes:
    import numpy as np

    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _npy_header(shape: tuple[int, int]) -> bytes:
    """Return the head of a ``.npy`` of little-endian float32 whose data is written elsewhere."""
    import numpy as np

    buffer = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue()


class VectorDocument:
    """Columns path, path_bytes, status, reason, vector; provenance in the metadata."""

    def __init__(self, sink: Sink, width: int) -> None:
        pa = require_pyarrow()
        names = ("path", "path_bytes", "status", "reason")
        columns = [(name, pa.string()) for name in names]
        schema = pa.schema([*columns, ("vector", pa.list_(pa.float32(), width))])
        self._rows = ParquetRows(sink, schema, ROWS_AT_ONCE)
        self.note, self.finish = self._rows.note, self._rows.finish
        self.abandon = self._rows.abandon

    def write(self, entry: Embedded | Skipped) -> None:
        """Add one row."""
        row: dict[str, Any] = dict(path_fields(entry.path))
        if isinstance(entry, Skipped):
            row |= {"status": "skipped", "reason": entry.reason}
        else:
            row |= {"status": "ok", "vector": entry.row}
        self._rows.add(row)


class _ParquetFile:
    """A Parquet file that is there when it is whole."""

    def __init__(self, path: Path, width: int, *, overwrite: bool) -> None:
        self._file = NewFile(path, overwrite=overwrite)
        self._document = VectorDocument(self._file, width)

    def write(self, entry: Embedded | Skipped) -> None:
        self._document.write(entry)

    def finish(self, provenance: dict[str, Any]) -> None:
        self._file.check()
        self._document.finish(provenance)
        self._file.commit()

    def abandon(self) -> None:
        self._document.abandon()
        self._file.discard()
