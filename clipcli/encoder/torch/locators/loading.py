"""Putting stored tensors into a locating network: all of them, and only those."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from clipcli.models.formats.tensor_map import complain

Network = TypeVar("Network", bound=nn.Module)


def build_strictly(
    build: Callable[[], Network],
    tensors: Mapping[str, Tensor],
    source: object,
    dtype: torch.dtype = torch.float32,
) -> Network:
    """Build a network without storage and give it the tensors.

    Parameters
    ----------
    build
        Makes the network; it is called on the meta device, so nothing is drawn at random.
    tensors
        All of the network's tensors by its own names.
    source
        What errors name.
    dtype
        What the tensors are converted to.

    Raises
    ------
    ModelError
        If a tensor is missing, unexpected or of another shape.
    """
    with torch.device("meta"):
        network = build()
    expected = network.state_dict()
    misshapen = [
        f"{name} {_axes(tensor)} where {_axes(expected[name])} belongs"
        for name, tensor in tensors.items()
        if name in expected and tensor.shape != expected[name].shape
    ]
    faults = {
        "missing": [name for name in expected if name not in tensors],
        "unexpected": [name for name in tensors if name not in expected],
        "of another shape": misshapen,
    }
    complain(source, faults)
    state = {name: tensor.to(dtype) for name, tensor in tensors.items()}
    network.load_state_dict(state, assign=True)
    return network.eval().requires_grad_(False)


def _axes(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"
