"""Vectors of places: laws that tie them to what the towers say of whole pictures."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from clipcli.encoder.torch.dense import alike_attention, dense_vectors, stretched
from clipcli.encoder.torch.efficientnet import EfficientNetTower
from clipcli.encoder.torch.resnet import ResNetTower
from clipcli.encoder.torch.siglip import SiglipVisionTower
from clipcli.encoder.torch.transformer import SelfAttention
from clipcli.encoder.torch.vision import VisionTower
from clipcli.models.config import EfficientNetLite, ModifiedResNet, VisionTransformer

from .conftest import make_restless


@torch.no_grad()
def test_a_resnets_pool_is_a_mean_of_its_places() -> None:
    torch.manual_seed(0)
    tower = ResNetTower(ModifiedResNet(96, 8, (1, 1, 1, 1), 4), 24).eval()
    make_restless(tower)
    pixels = torch.randn(2, 3, 96, 96)
    pool = tower.attnpool

    places = dense_vectors(tower, pixels)

    x = tower.features(pixels).flatten(2).transpose(1, 2)  # (2, 9, c)
    x = torch.cat([x.mean(dim=1, keepdim=True), x], dim=1) + pool.positional_embedding
    values = pool.c_proj(pool.v_proj(x))[:, 1:].unflatten(1, (3, 3))
    assert places.shape == (2, 3, 3, 24)
    assert torch.allclose(places, values, atol=1e-5)


@torch.no_grad()
def test_a_single_place_of_an_efficientnet_is_the_whole_picture() -> None:
    torch.manual_seed(0)
    shape = EfficientNetLite(32, (8, 8, 8, 16, 16, 16, 16), (1,) * 7, 32)
    tower = EfficientNetTower(shape, 24).eval()
    pixels = torch.randn(3, 3, 32, 32)

    places = dense_vectors(tower, pixels)

    assert places.shape == (3, 1, 1, 24)
    assert torch.allclose(places[:, 0, 0], tower(pixels), atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["vit", "siglip"])
def test_a_transformer_takes_any_shape_and_tells_places_apart(kind: str) -> None:
    torch.manual_seed(0)
    shape = VisionTransformer(32, 8, 48, 2, 3, 96)
    if kind == "vit":
        tower: torch.nn.Module = VisionTower(shape, 24, "quick_gelu").eval()
    else:
        tower = SiglipVisionTower(shape, "gelu").eval()
    for parameter in tower.parameters():  # some are made without values
        torch.nn.init.normal_(parameter, std=0.1)
    make_restless(tower)

    places = dense_vectors(tower, torch.randn(1, 3, 40, 64))

    assert places.shape == (1, 5, 8, 24 if kind == "vit" else 48)
    assert float(places.std(dim=(1, 2)).min()) > 0


@torch.no_grad()
def test_alike_attention_is_a_plain_loop() -> None:
    torch.manual_seed(0)
    attention = SelfAttention(12, 3, is_causal=False)
    for parameter in attention.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(1, 5, 12)

    found = alike_attention(attention, x)[0]

    q, k, v = F.linear(x[0], attention.in_proj_weight, attention.in_proj_bias).chunk(3, dim=1)
    mixed = torch.zeros(5, 12)
    for head in range(3):
        part = slice(4 * head, 4 * head + 4)
        for i in range(5):
            for rows in (q, k):
                logits = [float(rows[i, part] @ rows[j, part]) / 2 for j in range(5)]
                shares = [math.exp(logit) for logit in logits]
                for j in range(5):
                    mixed[i, part] += shares[j] / sum(shares) * v[j, part]
    assert torch.allclose(found, attention.out_proj(mixed), atol=1e-4)


def test_positions_of_the_towers_own_size_are_left_alone() -> None:
    positions = torch.randn(9, 4)

    assert stretched(positions, 3, 3) is positions
    assert stretched(positions, 2, 6).shape == (12, 4)
