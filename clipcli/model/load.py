"""This file knows about putting weights into the network, strictly and without copying them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.overrides import TorchFunctionMode

from clipcli.architecture import Activation, Architecture
from clipcli.errors import ModelError
from clipcli.model.clip import CLIP
from clipcli.released import architecture_from_shapes
from clipcli.tensorfile import RawTensor, read_tensor_table
from clipcli.weights import ModelFolder

# What published files carry beside their weights: counters, masks and sizes that are known anyway.
WEIGHTLESS = (
    "attn_mask",
    "context_length",
    "input_resolution",
    "num_batches_tracked",
    "position_ids",
    "vocab_size",
)
STORED_TYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
NAMED_AT_MOST = 3  # of each kind of misfit, so that the error stays a line


def load_model(folder: ModelFolder, dtype: torch.dtype | None = torch.float32) -> CLIP:
    """Load a model folder for inference; None keeps the types of the file, and its memory map.

    Raises
    ------
    ModelError
        If the weights do not fit the folder's architecture exactly.
    """
    state = read_state(folder.weights_path)
    return build_model(folder.config.architecture, state, str(folder.weights_path), dtype)


def read_state(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file: nothing is copied, the tensors are windows on the file."""
    read_tensor_table(path)  # finds what is wrong and says it in one line
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: cannot be read: {error}") from error


def build_from_state(state: Mapping[str, Tensor], activation: Activation, source: str) -> CLIP:
    """Build the model whose plain state dict in OpenAI's layout this is."""
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    return build_model(architecture_from_shapes(shapes, activation), state, source)


def build_model(
    architecture: Architecture,
    state: Mapping[str, Tensor],
    source: str,
    dtype: torch.dtype | None = torch.float32,
) -> CLIP:
    """Build the network around the given tensors; ``source`` names them in errors.

    No weights are drawn that would be thrown away: the network is built without storage, and
    then takes the tensors themselves where their type is ``dtype`` already.
    """
    model = empty_model(architecture)
    state = {name: tensor for name, tensor in state.items() if not _is_weightless(name)}
    expected = model.state_dict()
    _check_fit(expected, state, source)
    whole = {name: tensor if dtype is None else tensor.to(dtype) for name, tensor in state.items()}
    whole |= {
        name: torch.zeros_like(expected[name], device="cpu") for name in expected.keys() - state
    }
    model.load_state_dict(whole, assign=True)
    return model.eval()


def empty_model(architecture: Architecture) -> CLIP:
    """Build the network on the meta device: names and shapes without storage."""
    with torch.device("meta"), _WithoutDrawing():
        return CLIP(architecture)


def stored_tensors(
    state: Mapping[str, Tensor], dtype: torch.dtype = torch.float16
) -> dict[str, RawTensor]:
    """Turn a state dict into what :func:`clipcli.weights.write_model_folder` writes."""
    return {
        name: _stored(tensor.to("cpu", dtype))
        for name, tensor in state.items()
        if not _is_weightless(name)
    }


class _WithoutDrawing(TorchFunctionMode):
    """Skip random initialisation, which on the meta device does nothing but takes seconds.

    The first ``normal_`` on that device makes torch import its compiler.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if getattr(func, "__module__", None) == "torch.nn.init":
            return None  # nobody looks at what they return
        return func(*args, **(kwargs or {}))


def _stored(tensor: Tensor) -> RawTensor:
    # As bytes, because numpy has no bfloat16; a scalar has no last axis to view as bytes.
    data = tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().data
    return RawTensor(STORED_TYPES[tensor.dtype], tuple(tensor.shape), data)


def _is_weightless(name: str) -> bool:
    return name.rpartition(".")[2] in WEIGHTLESS


def _check_fit(expected: Mapping[str, Tensor], state: Mapping[str, Tensor], source: str) -> None:
    missing = [name for name in expected if name not in state and not _is_weightless(name)]
    unexpected = [name for name in state if name not in expected]
    misshapen = [
        f"{name} {_axes(tensor)} where {_axes(expected[name])} belongs"
        for name, tensor in state.items()
        if name in expected and tensor.shape != expected[name].shape
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": misshapen}
    faults = [_list(kind, names) for kind, names in kinds.items() if names]
    if faults:
        raise ModelError(f"{source}: does not fit the architecture: {'; '.join(faults)}")


def _list(kind: str, names: list[str]) -> str:
    more = [f"and {len(names) - NAMED_AT_MOST} more"] if len(names) > NAMED_AT_MOST else []
    return f"{len(names)} {kind} ({', '.join(names[:NAMED_AT_MOST] + more)})"


def _axes(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"
