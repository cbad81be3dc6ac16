"""State dicts as tests need them: read from a file as it is, and made into a model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from clipcli.encoder.torch.clip import CLIP
from clipcli.encoder.torch.load import build_model
from clipcli.encoder.torch.tensors import gather
from clipcli.models.config import Activation
from clipcli.models.formats.openai import architecture_from_shapes
from clipcli.models.formats.safetensors import read_tensor_table
from clipcli.models.formats.tensor_map import StoredTensor, as_they_are

if TYPE_CHECKING:
    from torch import Tensor


def read_state(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file under its own names."""
    table = read_tensor_table(path)
    return gather(as_they_are({name: StoredTensor(path, place) for name, place in table.items()}))


def build_from_state(state: Mapping[str, Tensor], activation: Activation, source: str) -> CLIP:
    """Build the model whose plain state dict in OpenAI's layout this is."""
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    return build_model(architecture_from_shapes(shapes, activation), state, source)
