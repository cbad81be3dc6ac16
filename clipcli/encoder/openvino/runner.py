"""Encoding pictures with OpenVINO, an extra: faster on Intel's processors.

Torch is not imported to use a model that was exported before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipcli.encoder import exports
from clipcli.encoder.exports import OPENVINO
from clipcli.encoder.openvino.export import HINTS, compiled, unit_rows
from clipcli.errors import DeviceError, ModelError
from clipcli.models.source import ModelSource

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BATCH_PIXELS = 32 * 224**2  # as torch's on a processor
MAX_BATCH = 64


class OpenVinoRunner:
    """A model on the processor. Not for two threads at once."""

    engine, device = "openvino", "cpu"

    def __init__(self, source: ModelSource, precision: str, export: exports.Export) -> None:
        self.precision = f"{precision}-openvino"
        comparison = export.comparison
        told = (comparison.in_words(), comparison.slower)
        self.note = f"openvino {precision}: {'; '.join(filter(None, told))}"
        self.batch_size = max(
            1, min(MAX_BATCH, BATCH_PIXELS // source.config.preprocessing.size**2)
        )
        self._source = source
        self._model = compiled(export.folder, precision, self.batch_size)

    @classmethod
    def load(
        cls,
        source: ModelSource,
        device: str = "auto",
        precision: str = "auto",
        rival: str = "torch",
    ) -> OpenVinoRunner:
        """Load a model; the first time it is exported, which takes a minute or two.

        Then its speed is compared with that of ``rival``, the backend that would run otherwise.

        Raises
        ------
        MissingExtraError
            If OpenVINO is not installed.
        DeviceError
            If another device or precision is asked for, or the result is too far from torch's.
        """
        OPENVINO.check_installed()
        precision = resolve(device, precision)
        export = exports.obtain(source, OPENVINO, precision, rival)
        export.comparison.check(f"openvino in {precision}", source.config.name)
        return cls(source, precision, export)

    def encode_images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encode pictures (n, s, s, 3), 0 to 255, into unit rows (n, d)."""
        import numpy as np

        width = self._source.config.architecture.embed_dim
        starts = range(0, len(pixels), self.batch_size)
        blocks = [unit_rows(self._model, pixels[i : i + self.batch_size]) for i in starts]
        rows = np.concatenate([np.empty((0, width), np.float32), *blocks])  # (n, d)
        if not np.isfinite(rows).all():
            raise ModelError(
                f"the model computes no finite vectors in {self.precision}",
                hint="use --backend torch",
            )
        return rows


def has_to_export(source: ModelSource, device: str, precision: str) -> bool:
    """Tell whether loading begins with an export, which takes a minute or two."""
    return not exports.is_ready(source, OPENVINO, resolve(device, precision))


def resolve(device: str, precision: str) -> str:
    """Return the precision that is meant; ``auto`` is int8."""
    if device not in ("auto", "cpu"):
        raise DeviceError(
            f"--backend openvino runs on the cpu, not on {device!r}", hint="leave --device out"
        )
    if precision == "auto":
        return "int8"
    if precision not in HINTS:
        raise DeviceError(
            f"precision {precision!r} is not there with openvino", hint=f"use {', '.join(HINTS)}"
        )
    return precision
