"""Rows of the built-in label sets, shipped with the bundled model.

Encoding a set's prompts takes longer than a few pictures. The file belongs to one fingerprint; with
any other model it is as if it were not there. ``python -m clipcli.pipeline.ship_rows`` renews it,
after the model, the sets or their templates have changed.
"""

from __future__ import annotations

import bisect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from clipcli.cache.text_cache import TextRow
from clipcli.files import open_regular
from clipcli.models.folder import builtin_model_folder
from clipcli.strict_json import parse_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipcli.models.config import ModelConfig

FILE_NAME = "label_rows.bin"
MAGIC = b"clipcli label rows 1\n"
KEY_BYTES = 32  # sha256
HEAD_BYTES = 1000
MAX_ROWS = 1_000_000


class ShippedRows:
    """Rows (n, d), float32, under the keys that the cache would have them under."""

    def __init__(self, keys: bytes, rows: NDArray[np.float32]) -> None:
        self._keys, self._rows = keys, rows

    def get(self, key: str) -> TextRow | None:
        """Return the row of a label by :func:`~clipcli.cache.text_cache.text_key`, or None."""
        wanted = bytes.fromhex(key)
        i = bisect.bisect_left(range(len(self._rows)), wanted, key=self._key)
        if i == len(self._rows) or self._key(i) != wanted:
            return None
        return TextRow(self._rows[i])

    def _key(self, i: int) -> bytes:
        return self._keys[KEY_BYTES * i : KEY_BYTES * (i + 1)]


def shipped_rows(config: ModelConfig, path: Path | None = None) -> ShippedRows | None:
    """Return the rows that come with a model; None where it has none, or other weights."""
    import numpy as np

    try:
        with open_regular(path or builtin_model_folder() / FILE_NAME) as file:
            if file.readline(len(MAGIC)) != MAGIC:
                return None
            facts = parse_json(file.readline(HEAD_BYTES))
            n, d = facts["n"], config.architecture.embed_dim
            if (facts["fingerprint"], facts["d"]) != (config.fingerprint, d):
                return None
            if not isinstance(n, int) or not 0 <= n <= MAX_ROWS:
                return None
            keys, data = file.read(KEY_BYTES * n), file.read(4 * n * d + 1)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if len(data) != 4 * n * d:
        return None
    return ShippedRows(keys, np.frombuffer(data, "<f4").reshape(n, d))


def write_rows(path: Path, config: ModelConfig, rows: Mapping[str, NDArray[np.float32]]) -> None:
    """Write rows (d,), float32, by their keys."""
    facts = {"fingerprint": config.fingerprint, "n": len(rows), "d": config.architecture.embed_dim}
    keys = sorted(rows)
    parts = [MAGIC, json.dumps(facts).encode("ascii"), b"\n", *map(bytes.fromhex, keys)]
    path.write_bytes(b"".join([*parts, *(rows[key].astype("<f4").tobytes() for key in keys)]))
