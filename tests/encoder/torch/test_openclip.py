"""Whole small models against embeddings that OpenCLIP computed from weights of a formula."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from clipcli.encoder.torch.clip import CLIP
from clipcli.models.config import Architecture, ModifiedResNet, TextTransformer, VisionTransformer
from tests.golden.make_openclip import formula, pixels, tokens

GOLDEN = Path(__file__).parents[2] / "golden" / "openclip_towers.json"
TEXT = TextTransformer(16, 64, width=32, layers=2, heads=2, mlp_width=128)
ARCHITECTURES = {
    "vit-quick-gelu": Architecture(24, VisionTransformer(32, 8, 48, 3, 3, 192), TEXT, "quick_gelu"),
    "vit-gelu": Architecture(24, VisionTransformer(32, 16, 64, 2, 2, 256), TEXT, "gelu"),
    "resnet": Architecture(24, ModifiedResNet(96, 8, (2, 1, 3, 1), 8), TEXT, "quick_gelu"),
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_embeddings_equal_those_that_openclip_computed(name: str) -> None:
    expected = json.loads(GOLDEN.read_text(encoding="utf-8"))[name]
    model = CLIP(ARCHITECTURES[name]).eval()
    for key, tensor in model.state_dict().items():
        if not key.endswith(("num_batches_tracked", "logit_scale")):
            tensor.copy_(torch.from_numpy(formula(key, tuple(tensor.shape))))

    with torch.inference_mode():
        images = model.encode_image(
            torch.from_numpy(pixels(model.architecture.image.image_size)).float()
        )
        texts = model.encode_text(torch.from_numpy(tokens()))

    torch.testing.assert_close(images, torch.tensor(expected["images"]), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(texts, torch.tensor(expected["texts"]), atol=1e-5, rtol=1e-5)
