"""Making a model ready for OpenVINO: exported, quantised, compared.

It runs once for a model, in a process of its own (``python -m clipcli.encoder.openvino.export``):
torch and the quantiser take much memory and write to standard output; who classifies needs neither.
"""

from __future__ import annotations

import logging
import pickle
import statistics
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipcli.encoder.check_images import calibration_pixels, check_pixels
from clipcli.encoder.comparison import Comparison, compare_to_torch, images_per_s
from clipcli.models.config import EfficientNetLite, ModifiedResNet
from clipcli.models.source import ModelSource

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipcli.encoder.onnx.runner import OnnxRunner
    from clipcli.encoder.torch.runner import TorchRunner

MODEL_NAME = "model.xml"
HINTS = {"int8": "bf16", "bf16": "bf16", "fp32": "f32"}  # for what is not quantised
ROUNDS, ROUND_S = 3, 0.5


def export(source: ModelSource, precision: str, folder: Path, rival: str) -> None:
    """Write a model into ``folder``, how far it is from torch, and how fast beside ``rival``."""
    import openvino

    from clipcli.encoder.torch.export import PixelsToEmbeddings

    tower = PixelsToEmbeddings(source)
    size = tower.size
    model = openvino.convert_model(
        tower, example_input=tower.example(), input=[openvino.PartialShape([-1, size, size, 3])]
    )
    if precision == "int8":
        model = _quantise(model, source)
    openvino.save_model(model, folder / MODEL_NAME, compress_to_fp16=precision == "bf16")

    def encode(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        return unit_rows(compiled(folder, precision, len(pixels)), pixels)

    comparison = compare_to_torch(source, encode)
    _with_rates(comparison, source, precision, folder, rival).write(folder)


def _with_rates(
    comparison: Comparison, source: ModelSource, precision: str, folder: Path, rival: str
) -> Comparison:
    """Measure how fast it is, in turns with the engine that would run otherwise."""
    import numpy as np

    runner = _load(source, rival)
    pixels = check_pixels(source.config.preprocessing)  # (16, s, s, 3)
    batch = np.resize(pixels, (runner.batch_size, *pixels.shape[1:]))
    model = compiled(folder, precision, len(batch))
    rates: dict[str, list[float]] = {"own": [], "usual": []}
    for _ in range(ROUNDS):
        rates["own"].append(images_per_s(lambda x: unit_rows(model, x), batch, ROUND_S))
        rates["usual"].append(images_per_s(runner.encode_images, batch, ROUND_S))
    return replace(
        comparison,
        images_per_s=statistics.median(rates["own"]),
        usual_images_per_s=statistics.median(rates["usual"]),
        usual=f"{rival} {runner.precision.removesuffix(f'-{rival}')}",
    )


def _load(source: ModelSource, backend: str) -> TorchRunner | OnnxRunner:
    if backend == "onnx":
        from clipcli.encoder.onnx.runner import OnnxRunner

        return OnnxRunner.load(source)
    from clipcli.encoder.torch.runner import TorchRunner

    return TorchRunner.load(source, "cpu")


def compiled(folder: Path, precision: str, n: int) -> Any:
    """Return the model in ``folder``, compiled for this processor and n pictures at a time.

    With a number that is fixed it is a seventh faster than with one that is left open.
    """
    import openvino

    core = openvino.Core()
    settings = {
        "PERFORMANCE_HINT": "LATENCY",  # one batch at a time, on all cores
        "INFERENCE_PRECISION_HINT": HINTS[precision],
        "CACHE_DIR": str(folder / "compiled"),
    }
    model = core.read_model(str(folder / MODEL_NAME))
    model.reshape([n, *model.input().partial_shape[1:]])
    return core.compile_model(model, "CPU", settings)


def unit_rows(model: Any, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Embed pictures (n, s, s, 3) into unit rows (n, d), n at most what the model is made for.

    Always as many go through it, so a picture's row is the same whatever comes with it.
    """
    import numpy as np

    filled = np.zeros(tuple(model.input().shape), np.uint8)
    filled[: len(pixels)] = pixels
    embeddings = model(filled)[0][: len(pixels)].astype(np.float32)  # (n, d)
    rows: NDArray[np.float32] = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    return rows


def _quantise(model: Any, source: ModelSource) -> Any:
    """Round weights and activations to eight bits, by the ranges that photographs need."""
    import nncf
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    nncf.set_log_level(logging.ERROR)
    pixels = calibration_pixels(source.config.preprocessing)  # (n, s, s, 3)
    image = source.config.architecture.image
    convolves = isinstance(image, ModifiedResNet | EfficientNetLite)
    # With few pictures their full range; a mean over pictures' ranges, which is usual, cuts off
    # what other pictures need, and cost a ResNet a cosine of 0.05.
    ranges = nncf.AdvancedQuantizationParameters(
        activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX
    )
    return nncf.quantize(
        model,
        nncf.Dataset([picture[None] for picture in pixels]),  # each (1, s, s, 3)
        subset_size=len(pixels),
        preset=nncf.QuantizationPreset.MIXED if convolves else nncf.QuantizationPreset.PERFORMANCE,
        model_type=None if convolves else nncf.ModelType.TRANSFORMER,
        advanced_parameters=ranges,
    )


def main() -> None:
    """Do what the process that started this one asks for on standard input."""
    source, precision, folder, rival = pickle.load(sys.stdin.buffer)  # noqa: S301  # from ourselves
    export(source, precision, Path(folder), rival)


if __name__ == "__main__":
    main()
