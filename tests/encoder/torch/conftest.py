"""Small models of every kind, and a folder that one of them lives in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from clipcli.encoder.torch.clip import CLIP
from clipcli.encoder.torch.load import stored_tensors
from clipcli.models.config import (
    Architecture,
    EfficientNetLite,
    ModelConfig,
    ModifiedResNet,
    Preprocessing,
    TextTransformer,
    VisionTransformer,
)
from clipcli.models.fingerprint import ModelFolder
from clipcli.models.folder import write_model_folder
from clipcli.models.tokenizer.vocabulary import Vocabulary

VOCABULARY = Vocabulary.from_merges([("c", "a"), ("ca", "t</w>")])  # 512 + 2 + 2 tokens
TEXT = TextTransformer(20, len(VOCABULARY.ids), width=32, layers=2, heads=2, mlp_width=128)
ARCHITECTURES = {
    "vit": Architecture(24, VisionTransformer(32, 8, 48, 2, 3, 192), TEXT, "quick_gelu"),
    "resnet": Architecture(24, ModifiedResNet(64, 8, (2, 1, 1, 1), 4), TEXT, "gelu"),
    "efficientnet": Architecture(
        24,
        EfficientNetLite(64, (16, 24, 32, 40, 48, 56, 64), (1, 2, 1, 1, 2, 1, 1), 40),
        TEXT,
        "gelu",
    ),
    "sigmoid": Architecture(
        24, VisionTransformer(32, 16, 48, 1, 3, 96), TEXT, "gelu", logit_bias=True
    ),
}


def make_restless(model: nn.Module) -> None:
    """Move everything that starts at zero or one, so that no part of the model is idle."""
    tensors = [*model.named_parameters(), *model.named_buffers()]
    with torch.no_grad():
        for name, tensor in tensors:
            if name.endswith("running_var") or (tensor.ndim == 1 and name.endswith("weight")):
                tensor.uniform_(0.7, 1.4)
            elif tensor.ndim == 1 and tensor.is_floating_point():
                tensor.normal_(std=0.1)


def random_tokens(n: int, length: int, vocab_size: int) -> Tensor:
    """Return n texts (n, length) of unequal length; the largest id ends each."""
    tokens = torch.randint(1, vocab_size - 2, (n, length))
    for row, end in enumerate(torch.linspace(2, length - 1, n).long().tolist()):
        tokens[row, end] = vocab_size - 1
        tokens[row, end + 1 :] = 0
    return tokens


@pytest.fixture(params=ARCHITECTURES)
def architecture(request: pytest.FixtureRequest) -> Architecture:
    return ARCHITECTURES[request.param]


@pytest.fixture
def model(architecture: Architecture) -> CLIP:
    torch.manual_seed(0)
    made = CLIP(architecture).eval()
    make_restless(made)
    return made


@pytest.fixture
def write_folder(tmp_path: Path) -> Callable[..., ModelFolder]:
    """Return a function that writes a model folder; every part can be said."""

    def write(
        model: CLIP,
        name: str = "model",
        *,
        vocabulary: Vocabulary = VOCABULARY,
        card: str = "# A model\n",
        dtype: torch.dtype = torch.float32,
    ) -> ModelFolder:
        size = model.architecture.image.image_size
        config = ModelConfig(name, model.architecture, Preprocessing(size), logit_scale=1.0)
        tensors = stored_tensors(model.state_dict(), dtype)
        return write_model_folder(tmp_path / name, tensors, config, vocabulary, card)

    return write
