"""An image tower written as an ONNX graph, its weights beside it.

The graph is small: it names each weight and says in which file, and where in it, its bytes are
(ONNX calls it external data). Where the model is a folder of ours, the weights are those of
``model.safetensors``, so that they are on the disk once; see :mod:`clipcli.encoder.onnx.folded`.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from clipcli.encoder.onnx.folded import RECIPE_NAME, write_recipe
from clipcli.encoder.onnx.library import onnx_runtime
from clipcli.encoder.onnx.places import DEEP, FINE, OUTPUTS, VECTORS
from clipcli.encoder.onnx.runner import FINGERPRINT, INPUT
from clipcli.encoder.torch.export import PixelsToEmbeddings, PixelsToPlaces
from clipcli.encoder.torch.onnx_folding import fold_norms, fold_pads
from clipcli.encoder.torch.tensors import gather
from clipcli.models.folder import WEIGHTS_NAME
from clipcli.models.formats.safetensors import ITEM_BYTES
from clipcli.models.source import ModelSource

if TYPE_CHECKING:
    from onnx import GraphProto

OPSET = 17  # the first with LayerNormalization
OUTPUT = "embeddings"
COPY_NAME = "weights.bin"
# Whoever maps a file into memory can only begin at a page; on Windows these are 64 KiB apart.
LARGE_BYTES, PAGE_BYTES = 2**20, 2**16
STORED_TYPES = {"F32": 1, "F16": 10, "BF16": 16}  # numbers of onnx.TensorProto
TORCH_TYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}


@dataclass(frozen=True, slots=True)
class Weight:
    """Where a weight's bytes are, and in which type."""

    location: str  # a file beside the graph
    offset: int
    dtype: str

    def length(self, shape: list[int]) -> int:
        """Return the bytes of a weight of this shape."""
        return torch.Size(shape).numel() * ITEM_BYTES[self.dtype]


class Traced(NamedTuple):
    """A network to be followed through."""

    network: PixelsToEmbeddings
    example: Tensor
    outputs: tuple[str, ...]
    sides: dict[str, dict[int, str]] = {}  # noqa: RUF012  # names of sizes that are left open


def write_graph(source: ModelSource, path: Path, n: int) -> None:
    """Write the graph for ``n`` pictures at once, pixels (n, s, s, 3), uint8 -> (n, d), float32.

    Weights that are not in a file beside ``path`` as the graph needs them are copied to one.
    """
    network = PixelsToEmbeddings(source, fold=False)
    _write(source, path, Traced(network, network.example(n), (OUTPUT,)))


def write_places(source: ModelSource, path: Path) -> None:
    """Write the graph that looks at places, pixels (2, h, w, 3) -> the outputs of ``onnx/places``.

    It takes sides that are whole numbers of places: what an EfficientNet pads is the same for all.
    """
    network = PixelsToPlaces(source)
    sides = {INPUT: {1: "h", 2: "w"}, FINE: {2: "2 gh", 3: "2 gw"}}
    sides |= {DEEP: {2: "gh", 3: "gw"}, VECTORS: {1: "gh", 2: "gw"}}
    _write(source, path, Traced(network, network.example(2), OUTPUTS, sides))


def _write(source: ModelSource, path: Path, traced: Traced) -> None:
    import onnx

    _trace(traced, path)
    _simplify(path)
    model = onnx.load(path)
    fold_pads(model.graph)
    names = [value.name for value in model.graph.input if value.name != INPUT]
    if _are_beside(source, names, path.parent):
        recipe = fold_norms(model.graph, {name: _our_name(name) for name in names})
        write_recipe(path.with_name(RECIPE_NAME), recipe)
        left = [value.name for value in model.graph.input if value.name != INPUT]
        _put_weights(model.graph, {name: _beside(source, name) for name in left})
    else:
        copied = _copied(gather({name: source.plan[_our_name(name)] for name in names}), path)
        _put_weights(model.graph, copied)
    onnx.helper.set_model_props(model, {FINGERPRINT: source.config.fingerprint})
    path.write_bytes(model.SerializeToString())


def _trace(traced: Traced, path: Path) -> None:
    """Follow the network through; its weights become inputs of the graph."""
    network = traced.network
    network.training = True  # of the outermost alone: else equal weights become one, with one name
    with warnings.catch_warnings():
        # The successor of this exporter needs a package more, and takes ten times as long.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (traced.example,),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=list(traced.outputs),
            dynamic_axes=traced.sides,
            export_params=False,
            do_constant_folding=False,
            training=torch.onnx.TrainingMode.PRESERVE,  # batch norms stay, with their own weights
        )


def _simplify(path: Path) -> None:
    """Work out once what depends on shapes alone, four of five nodes of a trace.

    While weights are inputs still, nothing else can be worked out. A session is made in half the
    time then.
    """
    import onnx

    onnxruntime = onnx_runtime()
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path.with_suffix(".simple"))
    options.log_severity_level = 3  # errors
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    path.with_suffix(".simple").replace(path)
    model = onnx.load(path)
    used = {node.domain for node in model.graph.node}
    for opset in [opset for opset in model.opset_import if opset.domain not in used]:
        model.opset_import.remove(opset)
    path.write_bytes(model.SerializeToString())


def _are_beside(source: ModelSource, names: list[str], folder: Path) -> bool:
    """Tell whether a folder of ours holds all weights as the network has them."""
    plan = [source.plan[_our_name(name)] for name in names]
    return all(
        len(piece.parts) == 1
        and not piece.is_transposed
        and piece.parts[0].place.strides is None
        and piece.parts[0].path == folder / WEIGHTS_NAME
        for piece in plan
    )


def _beside(source: ModelSource, name: str) -> Weight:
    place = source.plan[_our_name(name)].parts[0].place
    return Weight(WEIGHTS_NAME, place.begin, place.dtype)


def _copied(tensors: dict[str, Tensor], graph: Path) -> dict[str, Weight]:
    weights, path = {}, graph.with_name(COPY_NAME)
    with path.open("wb") as file:
        for name, tensor in tensors.items():
            kept = tensor if tensor.dtype in TORCH_TYPES else tensor.float()
            data = kept.contiguous().reshape(-1).view(torch.uint8).numpy()
            if len(data) >= LARGE_BYTES:
                file.seek(-(-file.tell() // PAGE_BYTES) * PAGE_BYTES)
            weights[name] = Weight(path.name, file.tell(), TORCH_TYPES[kept.dtype])
            file.write(data.data)
    return weights


def _our_name(parameter: str) -> str:
    return parameter.replace("tower.", "visual.", 1)


def _put_weights(graph: GraphProto, weights: dict[str, Weight]) -> None:
    """Turn inputs into weights; those that are not fp32 are cast, once, when they are loaded."""
    import onnx

    casts = []
    for value in [value for value in graph.input if value.name in weights]:
        weight = weights[value.name]
        shape = [size.dim_value for size in value.type.tensor_type.shape.dim]
        stored_name = _our_name(value.name)
        if weight.dtype != "F32":
            casts.append(onnx.helper.make_node("Cast", [stored_name], [value.name], to=1))
        else:
            stored_name = value.name
        tensor = graph.initializer.add(
            name=stored_name,
            dims=shape,
            data_type=STORED_TYPES[weight.dtype],
            data_location=onnx.TensorProto.EXTERNAL,
        )
        places = (weight.location, weight.offset, weight.length(shape))
        for key, text in zip(("location", "offset", "length"), places, strict=True):
            tensor.external_data.add(key=key, value=str(text))
        graph.input.remove(value)
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
