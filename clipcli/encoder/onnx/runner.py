"""Encoding pictures with ONNX Runtime, without importing torch."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipcli.encoder.onnx.folded import RECIPE_NAME, fold, read_recipe
from clipcli.encoder.onnx.library import onnx_runtime
from clipcli.errors import DeviceError, ModelError
from clipcli.models.config import VisionTransformer
from clipcli.models.folder import builtin_model_folder
from clipcli.models.formats.tensor_map import TensorPlan
from clipcli.models.source import ModelSource
from clipcli.process import usable_cores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession, OrtValue, SessionOptions

GRAPH_NAME = "image.onnx"
INPUT = "pixels"
FINGERPRINT = "fingerprint"  # what a graph says of the weights that it belongs to
PRECISIONS = ("fp32", "int8")
# Measured (AVX-512, one thread): a transformer reads all its weights for each block of pictures,
# and takes a tenth less time for four than for one; a convolutional network gains nothing.
AT_ONCE: dict[type, int] = {VisionTransformer: 4}
BATCH_PIXELS = 32 * 224**2  # as torch's on a processor
MAX_BATCH = 64


class OnnxTower:
    """An image tower that runs as many pictures at once as its graph says, in several threads.

    Subtle: the shape is fixed, blocks that are not full are filled up, and each runs on one
    thread. So a picture's row is the same, to the last bit, in any batch and on any number of
    cores; and threads never wait for each other inside of a product.

    The graph is loaded in the background: what is wrong with it is raised at the first use.
    """

    def __init__(self, graph: Path, source: ModelSource) -> None:
        onnxruntime = onnx_runtime()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4  # nothing: its errors are raised as well
        # Subtle: the session reads the arrays for as long as it lives, so they are kept; by the
        # thread as well, since a tower that is soon dropped takes them away while it is being made.
        self._given = give_weights(options, graph, source.plan)
        self._width = source.config.architecture.embed_dim
        self._pool = ThreadPoolExecutor(usable_cores(), thread_name_prefix="encode")
        # It lets go of the interpreter, and other modules are imported meanwhile.
        fingerprint = source.config.fingerprint
        self._made = self._pool.submit(make_session, graph, options, fingerprint, self._given)

    @property
    def _session(self) -> InferenceSession:
        return self._made.result()

    @cached_property
    def _shape(self) -> list[int]:
        shape: list[int] = self._session.get_inputs()[0].shape  # (n, s, s, 3)
        return shape

    @property
    def at_once(self) -> int:
        """How many pictures go through the network at once."""
        return self._shape[0]

    def encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encode pictures (n, s, s, 3), 0 to 255, into unit rows (n, d)."""
        import numpy as np

        starts = range(0, len(pixels), self.at_once)
        blocks = [pixels[start : start + self.at_once] for start in starts]
        run: Any = self._pool.map if len(blocks) > 1 else map
        rows = np.concatenate([np.empty((0, self._width), np.float32), *run(self._encode, blocks)])
        if not np.isfinite(rows).all():
            raise ModelError("the model computes no finite vectors", hint="check the weights")
        return rows  # (n, d)

    def _encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        import numpy as np

        n = len(pixels)
        if n < self.at_once:
            filled = np.zeros(self._shape, np.uint8)
            filled[:n] = pixels
            pixels = filled
        embeddings = self._session.run(None, {INPUT: np.ascontiguousarray(pixels)})[0][:n]
        with np.errstate(all="ignore"):  # whether they are finite is asked later
            lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
            rows: NDArray[np.float32] = embeddings / lengths
        return rows


def make_session(
    graph: Path, options: SessionOptions, fingerprint: str, given: list[OrtValue]
) -> InferenceSession:
    """Load a graph, and check that it belongs to the weights of that fingerprint."""
    onnxruntime = onnx_runtime()
    providers = ["CPUExecutionProvider"]
    try:
        session = onnxruntime.InferenceSession(str(graph), options, providers=providers)
    except Exception as error:  # its classes share no other ancestor
        raise ModelError(f"{graph}: cannot be loaded: {error}") from error
    if session.get_modelmeta().custom_metadata_map.get(FINGERPRINT) != fingerprint:
        raise ModelError(
            f"{graph}: belongs to other weights",
            hint=f"python -m clipcli.encoder.onnx.export {graph.parent}",
        )
    del given  # held until here
    return session


def give_weights(options: SessionOptions, graph: Path, plan: TensorPlan) -> list[OrtValue]:
    """Give a session the weights that its graph does not hold, where that is so."""
    recipe = graph.with_name(RECIPE_NAME)
    if not recipe.is_file():
        return []
    onnxruntime = onnx_runtime()
    weights = fold(read_recipe(recipe), plan)
    given = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in weights.values()]
    options.add_external_initializers(list(weights), given)
    return given


class OnnxRunner:
    """A model on the processor."""

    engine, device = "onnxruntime", "cpu"

    def __init__(self, source: ModelSource, precision: str, graph: Path, note: str = "") -> None:
        self._tower = OnnxTower(graph, source)
        self.precision = f"{precision}-onnx"
        self.note = note
        self._wanted = min(MAX_BATCH, BATCH_PIXELS // source.config.preprocessing.size**2)

    @property
    def batch_size(self) -> int:
        """How many pictures are worth encoding at once."""
        step = self._tower.at_once * usable_cores()  # all threads end together
        return max(1, round(self._wanted / step)) * step

    @classmethod
    def load(cls, source: ModelSource, device: str = "auto", precision: str = "auto") -> OnnxRunner:
        """Load a model; one that does not bring its graph is exported the first time.

        Raises
        ------
        MissingExtraError
            If ONNX Runtime is not installed.
        DeviceError
            If another device or precision is asked for, or the result is too far from torch's.
        """
        precision = resolve(device, precision)
        if brings_graph(source, precision):
            return cls(source, precision, source.path / GRAPH_NAME)
        from clipcli.encoder import exports

        exports.ONNX.check_installed()
        export = exports.obtain(source, exports.ONNX, precision)
        export.comparison.check(f"onnx in {precision}", source.config.name, precision)
        note = f"onnx {precision}: {export.comparison.in_words()}" if precision != "fp32" else ""
        return cls(source, precision, export.folder / GRAPH_NAME, note)

    def encode_images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encode pictures (n, s, s, 3), 0 to 255, into unit rows (n, d)."""
        return self._tower.encode(pixels)


def images_at_once(source: ModelSource, precision: str) -> int:
    """Return how many pictures the graph of a model takes.

    Eight bits are spread over the numbers of all pictures that are there at once; so that none
    changes another's row, each is alone.
    """
    return 1 if precision == "int8" else AT_ONCE.get(type(source.config.architecture.image), 1)


def brings_graph(source: ModelSource, precision: str) -> bool:
    """Tell whether the graph lies beside the weights: it does with the bundled model.

    Others' folders are not asked: a graph is a program, and could compute anything.
    """
    is_builtin = precision == "fp32" and source.path == builtin_model_folder()
    return is_builtin and (source.path / GRAPH_NAME).is_file()


def has_to_export(source: ModelSource, device: str, precision: str) -> bool:
    """Tell whether loading begins with an export, which takes some seconds."""
    precision = resolve(device, precision)
    if brings_graph(source, precision):
        return False
    from clipcli.encoder import exports  # what it imports is needed for that alone

    return not exports.is_ready(source, exports.ONNX, precision)


def resolve(device: str, precision: str) -> str:
    """Return the precision that is meant; ``auto`` is fp32."""
    if device not in ("auto", "cpu"):
        raise DeviceError(
            f"--backend onnx runs on the cpu, not on {device!r}", hint="leave --device out"
        )
    if precision == "auto":
        return "fp32"
    if precision not in PRECISIONS:
        raise DeviceError(
            f"precision {precision!r} is not there with onnx", hint=f"use {' or '.join(PRECISIONS)}"
        )
    return precision
