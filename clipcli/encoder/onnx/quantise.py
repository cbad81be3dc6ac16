"""Eight bits for a graph's weights and, as they come, its values."""

from __future__ import annotations

from pathlib import Path

OPTIMISED_NAME = "optimised.onnx"


def quantise(plain: Path, path: Path) -> None:
    """Write a graph whose products are of eight-bit numbers; files on the way are removed.

    Values are scaled by the range that they have at the time (Jacob et al. 2018, section 2.1, has
    the arithmetic), so no photographs are needed to tell the ranges.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    optimised = plain.with_name(OPTIMISED_NAME)
    _optimise(plain, optimised)
    quantize_dynamic(
        optimised,
        path,
        op_types_to_quantize=["MatMul", "Gemm"],
        weight_type=QuantType.QInt8,
        use_external_data_format=False,
    )
    model = onnx.load(path)
    told = {
        prop.key: prop.value for prop in onnx.load(plain, load_external_data=False).metadata_props
    }
    onnx.helper.set_model_props(model, told)
    onnx.save(model, path)
    for file in plain.parent.iterdir():
        if file not in (path,):
            file.unlink()


def _optimise(plain: Path, path: Path) -> None:
    """Fold what is known: casts and transposes of weights, batch norms."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(plain), options, providers=["CPUExecutionProvider"])
