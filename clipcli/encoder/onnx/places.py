"""Looking at places with ONNX Runtime, without importing torch: the bundled model alone.

Its graph for places takes pictures of any size. It lies beside the one for whole pictures, and
both read the same weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipcli.encoder.onnx.library import onnx_runtime
from clipcli.encoder.onnx.runner import INPUT, give_weights, make_session
from clipcli.encoder.places import PlaceGrid, mean_rows
from clipcli.models.folder import builtin_model_folder
from clipcli.process import usable_cores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from clipcli.models.source import ModelSource

PLACES_NAME = "places.onnx"
FINE, DEEP, VECTORS = OUTPUTS = ("fine", "deep", "vectors")


class OnnxPlaces:
    """The bundled model's image tower for its places, in fp32."""

    device, precision = "cpu", "fp32-onnx"

    def __init__(self, source: ModelSource) -> None:
        onnxruntime = onnx_runtime()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = usable_cores(), 1
        options.log_severity_level = 4  # nothing: its errors are raised as well
        options.enable_mem_pattern = False  # each picture may have another shape
        # Threads that wait in busy loops take the processor from those that decode.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        graph = source.path / PLACES_NAME
        self._given = give_weights(options, graph, source.plan)  # the session reads them
        fingerprint = source.config.fingerprint
        self._session = make_session(graph, options, fingerprint, self._given)
        self._grid = PlaceGrid.of(source.config)

    def encode(self, picture: Image) -> NDArray[np.float32]:
        """Embed the places of a picture in mode RGB: unit rows (gh, gw, d)."""
        return mean_rows(self._run(picture, VECTORS)[0])

    def maps(
        self, picture: Image
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Return what a small locator looks at; see ``PlaceEncoder``."""
        fine, deep, vectors = self._run(picture, FINE, DEEP, VECTORS)
        return fine, deep, mean_rows(vectors)

    def _run(self, picture: Image, *outputs: str) -> list[NDArray[np.float32]]:
        import numpy as np

        pixels = self._grid.resized(picture)  # (h, w, 3)
        pair = np.stack([pixels, pixels[:, ::-1]])
        found: list[NDArray[np.float32]] = self._session.run(list(outputs), {INPUT: pair})
        return found


def brings_places(source: ModelSource) -> bool:
    """Tell whether a graph for places lies beside the weights: it does with the bundled model.

    Others' folders are not asked: a graph is a program, and could compute anything.
    """
    return source.path == builtin_model_folder() and (source.path / PLACES_NAME).is_file()
