"""The modified ResNet against a plain functional forward pass, written from the paper."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from clipcli.encoder.torch.fold import fold_batch_norms
from clipcli.encoder.torch.resnet import Bottleneck, ResNetTower
from clipcli.models.config import ModifiedResNet
from clipcli.models.formats.openai import RELEASED

from .conftest import make_restless

State = dict[str, Tensor]
RN50 = RELEASED["RN50"].image
assert isinstance(RN50, ModifiedResNet)


def norm(x: Tensor, state: State, name: str) -> Tensor:
    parts = ("running_mean", "running_var", "weight", "bias")
    return F.batch_norm(x, *(state[f"{name}.{part}"] for part in parts))


def block(x: Tensor, state: State, name: str, stride: int) -> Tensor:
    """He et al. 2015, figure 5, with every stride as average pooling before a 1x1 convolution."""
    y = F.relu(norm(F.conv2d(x, state[f"{name}.conv1.weight"]), state, f"{name}.bn1"))
    y = F.relu(norm(F.conv2d(y, state[f"{name}.conv2.weight"], padding=1), state, f"{name}.bn2"))
    y = F.avg_pool2d(y, stride)
    y = norm(F.conv2d(y, state[f"{name}.conv3.weight"]), state, f"{name}.bn3")
    if f"{name}.downsample.0.weight" in state:
        x = F.conv2d(F.avg_pool2d(x, stride), state[f"{name}.downsample.0.weight"])
        x = norm(x, state, f"{name}.downsample.1")
    return F.relu(x + y)


def attention_pool(x: Tensor, state: State, heads: int) -> Tensor:
    """Attend with all positions as queries, by torch's own attention, and keep the first."""
    x = x.flatten(2).permute(2, 0, 1)  # (n, c, h, w) -> (l, n, c), as this function wants it
    x = torch.cat([x.mean(dim=0, keepdim=True), x]) + state["positional_embedding"][:, None]
    pooled, _ = F.multi_head_attention_forward(
        x,
        x,
        x,
        x.shape[-1],
        heads,
        in_proj_weight=None,
        in_proj_bias=torch.cat([state[f"{letter}_proj.bias"] for letter in "qkv"]),
        bias_k=None,
        bias_v=None,
        add_zero_attn=False,
        dropout_p=0.0,
        out_proj_weight=state["c_proj.weight"],
        out_proj_bias=state["c_proj.bias"],
        training=False,
        use_separate_proj_weight=True,
        q_proj_weight=state["q_proj.weight"],
        k_proj_weight=state["k_proj.weight"],
        v_proj_weight=state["v_proj.weight"],
    )
    return pooled[0]


def plain_forward(x: Tensor, state: State, shape: ModifiedResNet) -> Tensor:
    for i, stride in ((1, 2), (2, 1), (3, 1)):
        x = F.conv2d(x, state[f"conv{i}.weight"], stride=stride, padding=1)
        x = F.relu(norm(x, state, f"bn{i}"))
    x = F.avg_pool2d(x, 2)
    for stage, n_blocks in enumerate(shape.layers, start=1):
        for i in range(n_blocks):
            x = block(x, state, f"layer{stage}.{i}", stride=2 if stage > 1 and i == 0 else 1)
    prefix = "attnpool."
    pool = {key.removeprefix(prefix): value for key, value in state.items() if prefix in key}
    return attention_pool(x, pool, shape.heads)


def restless_tower(shape: ModifiedResNet, embed_dim: int) -> ResNetTower:
    torch.manual_seed(0)
    tower = ResNetTower(shape, embed_dim).eval()
    make_restless(tower)
    return tower


SHAPES = [
    pytest.param(RN50, 1024, id="RN50"),
    pytest.param(ModifiedResNet(96, 24, (2, 1, 3, 1), 6), 40, id="odd"),
    pytest.param(ModifiedResNet(32, 8, (1, 1, 1, 1), 1), 10, id="one position, one head"),
]


@pytest.mark.parametrize(("shape", "embed_dim"), SHAPES)
def test_equals_the_papers_description(shape: ModifiedResNet, embed_dim: int) -> None:
    # In float64, because RN50 with random weights makes much of each rounding.
    tower = restless_tower(shape, embed_dim).double()
    pixels = torch.randn(1, 3, shape.image_size, shape.image_size, dtype=torch.float64)

    with torch.inference_mode():
        embeddings = tower(pixels)
        expected = plain_forward(pixels, tower.state_dict(), shape)

    torch.testing.assert_close(embeddings, expected, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize(("shape", "embed_dim"), SHAPES[1:])
def test_folded_batch_norms_change_nothing_but_rounding(
    shape: ModifiedResNet, embed_dim: int
) -> None:
    tower = restless_tower(shape, embed_dim)
    pixels = torch.randn(2, 3, shape.image_size, shape.image_size)

    with torch.inference_mode():
        expected = tower(pixels)
        fold_batch_norms(tower)
        embeddings = tower(pixels)

    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in tower.modules())
    torch.testing.assert_close(embeddings, expected, atol=1e-5, rtol=1e-4)


def test_each_fresh_block_is_its_shortcut_alone() -> None:
    tower = ResNetTower(ModifiedResNet(64, 16, (1, 1, 1, 1), 4), 10)
    blocks = [module for module in tower.modules() if isinstance(module, Bottleneck)]

    gains = [block.bn3.weight for block in blocks]

    assert len(gains) == 4
    assert all((gain == 0).all() for gain in gains)
