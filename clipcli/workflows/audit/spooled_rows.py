"""Rows of vectors in a temporary file, which the system keeps in memory as far as there is room."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

import numpy as np

from clipcli.errors import OutputError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class SpooledRows:
    """Rows (n, d), float32, while they come."""

    def __init__(self, width: int) -> None:
        self._width, self._n = width, 0
        self._file = tempfile.TemporaryFile(prefix="clipcli-")  # noqa: SIM115 - lives as long

    def append(self, row: NDArray[np.float32]) -> None:
        """Add a row (d,).

        Raises
        ------
        OutputError
            If the temporary folder is full.
        """
        try:
            self._file.write(row.astype("<f4").tobytes())
        except OSError as error:
            raise OutputError(
                f"the temporary folder: {error.strerror}",
                hint="make room there, or set TMPDIR to another",
            ) from error
        self._n += 1

    def all(self) -> NDArray[np.float32]:
        """Return all rows (n, d), at least one; they are read from the file as they are needed."""
        self._file.flush()
        rows: NDArray[np.float32] = np.memmap(
            self._file, np.dtype("<f4"), "r", shape=(self._n, self._width)
        )
        return rows
