"""A start from a published image trunk: its layers, a new head, a model's text tower.

Locked-image tuning the other way round (Zhai et al. 2022, arXiv:2111.07991): the trunk sees
already, the text tower reads already, and what is to be learned is how one's features become the
other's.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from clipcli.encoder.torch.efficientnet import EfficientNetTower
from clipcli.encoder.torch.load import empty_model, load_model
from clipcli.encoder.torch.tensors import gather
from clipcli.errors import ModelError
from clipcli.models.config import Architecture, EfficientNetLite, ModelConfig, Preprocessing
from clipcli.models.formats.efficientnet import Trunk
from clipcli.models.formats.tensor_map import complain
from clipcli.models.source import ModelSource

IMAGE_SIZE = 224  # pixels; what Lite0 was trained with, and near enough for its sisters
HIDDEN_WIDTH = 1024
MEAN, STD = 127 / 255, 128 / 255  # TensorFlow's TPU models: minus 127, over 128


def trunk_model(trunk: Trunk, reader: ModelSource) -> ModelConfig:
    """Return the configuration of a trunk beside the text tower of ``reader``."""
    architecture = reader.config.architecture
    if not isinstance(architecture, Architecture):
        raise ModelError(f"{reader.path}: is a SigLIP model; training starts from CLIP's alone")
    shape = trunk.shape(IMAGE_SIZE, HIDDEN_WIDTH)
    pixels = Preprocessing(IMAGE_SIZE, mean=(MEAN,) * 3, std=(STD,) * 3)
    return replace(
        reader.config,
        name="new",
        architecture=replace(architecture, image=shape),
        preprocessing=pixels,
        fingerprint="",
    )


def trunk_weights(
    trunk: Trunk, model: ModelConfig, reader: ModelSource, seed: int, source: str
) -> dict[str, Tensor]:
    """Return the trunk's layers, a head drawn from ``seed``, and the text tower of ``reader``.

    Raises
    ------
    ModelError
        If a tensor of the trunk has another shape than an EfficientNet-Lite of these stages.
    """
    assert isinstance(model.architecture, Architecture)
    texts = load_model(reader).state_dict()
    weights = {name: tensor for name, tensor in texts.items() if not name.startswith("visual.")}
    layers = {f"visual.{name}": tensor.float() for name, tensor in gather(trunk.plan).items()}
    expected = empty_model(model.architecture).state_dict()
    odd = [
        f"{trunk.plan[name.removeprefix('visual.')].names[0]} {_axes(tensor)} "
        f"where {_axes(expected[name])} belongs"
        for name, tensor in layers.items()
        if tensor.shape != expected[name].shape
    ]
    complain(source, {"of another shape": odd})
    return {**weights, **layers, **_fresh(model.architecture, seed)}


def _fresh(architecture: Architecture, seed: int) -> dict[str, Tensor]:
    """Draw the head; batch norms' counters, which say nothing, come along."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        assert isinstance(architecture.image, EfficientNetLite)
        tower = EfficientNetTower(architecture.image, architecture.embed_dim)
    return {
        f"visual.{name}": tensor
        for name, tensor in tower.state_dict().items()
        if name.startswith("head.") or name.endswith("num_batches_tracked")
    }


def _axes(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"
