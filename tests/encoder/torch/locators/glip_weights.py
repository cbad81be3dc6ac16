"""Small GLIP networks whose weights follow from their names, so that no file has to hold them."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from clipcli.encoder.torch.locators.glip import Glip
from clipcli.encoder.torch.locators.loading import build_strictly
from clipcli.models.locators.glip import GlipArchitecture

SIZES = (64, 128, 256, 512, 1024)  # pixels, of the anchors
STRIDES = (8, 16, 32, 64, 128)


def architecture(*, is_fused: bool) -> GlipArchitecture:
    return GlipArchitecture(
        width=16,
        depths=(1, 2, 2, 1),
        heads=(1, 2, 2, 4),
        window=4,
        channels=32,
        tower_depth=2,
        is_fused=is_fused,
        text_width=128,
        text_layers=2,
        text_mlp_width=256,
        vocab_size=60,
        context_length=300,
    )


def weights(shape: GlipArchitecture) -> dict[str, Tensor]:
    """Return all tensors; offsets, biases and scales are large, or mistakes there would hide."""
    with torch.device("meta"):
        expected = Glip(shape).state_dict()
    return {name: torch.from_numpy(_fill(name, tuple(t.shape))) for name, t in expected.items()}


def build(*, is_fused: bool) -> Glip:
    shape = architecture(is_fused=is_fused)
    return build_strictly(lambda: Glip(shape), weights(shape), "made up")


def released(state: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Wrap tensors as released files have them, with what these carry and nobody uses."""
    extra = {
        "rpn.head.cls_logits.weight": torch.zeros(80, 32, 1, 1),
        "rpn.head.cls_logits.bias": torch.zeros(80),
        "language_backbone.body.model.embeddings.position_ids": torch.arange(300)[None],
        "backbone.body.layers.0.blocks.0.attn.relative_position_index": torch.zeros(16, 16).long(),
    }
    return {"model": {f"module.{name}": t for name, t in {**state, **extra}.items()}}


def _fill(name: str, shape: tuple[int, ...]) -> np.ndarray:  # noqa: PLR0911 - a table of rules
    drawn = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    v = drawn.astype(np.float32)
    leaf = name.rpartition(".")[2]
    if "cell_anchors" in name:
        size, stride = SIZES[int(leaf)], STRIDES[int(leaf)]
        low, high = (stride - 1) / 2 - (size - 1) / 2, (stride - 1) / 2 + (size - 1) / 2
        return np.array([[low, low, high, high]], np.float32)
    fixed = {"log_scale": 0.3, "bias0": -1.0}
    if leaf in fixed:
        return np.full(shape, fixed[leaf], np.float32)
    if ".scales." in name:
        return 1 + np.float32(0.1) * v
    if leaf in ("gamma_v", "gamma_l"):
        return np.float32(0.3) + np.float32(0.1) * v
    if ".offset." in name:
        return np.float32(0.8 if leaf == "bias" else 0.05) * v
    if "relative_position_bias_table" in name or ("embeddings" in name and len(shape) == 2):
        return np.float32(0.5) * v
    if len(shape) == 1:
        return 1 + np.float32(0.2) * v if leaf == "weight" else np.float32(0.1) * v
    return v * np.float32(1.2 / np.sqrt(int(np.prod(shape[1:]))))
