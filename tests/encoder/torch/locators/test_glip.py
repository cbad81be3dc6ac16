"""GLIP, stage by stage, against what the reference computed with the same weights.

The golden files were recorded by running https://github.com/microsoft/GLIP on a processor, with a
plain loop in the place of its compiled convolution and of its compiled suppression.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from clipcli.encoder.torch.locators.bert import BertLayer
from clipcli.encoder.torch.locators.deformable import DeformableConvolution
from clipcli.encoder.torch.locators.fusion import Fusion
from clipcli.encoder.torch.locators.glip import Glip
from clipcli.encoder.torch.locators.glip_boxes import level_boxes, merge
from clipcli.encoder.torch.locators.glip_runner import input_size
from clipcli.models.locators.glip import GlipArchitecture

from .glip_weights import build

GOLDEN = Path(__file__).parents[3] / "golden"
TOLERANCE = 1e-4
LABEL_TOKENS = [[1, 2], [4], [5, 6, 7]]
TINY = GlipArchitecture(
    width=96,
    depths=(2, 2, 6, 2),
    heads=(3, 6, 12, 24),
    window=7,
    channels=256,
    tower_depth=6,
    is_fused=True,
    text_width=768,
    text_layers=12,
    text_mlp_width=3072,
    vocab_size=30_522,
    context_length=512,
)
# sha256 of the released models' names and shapes, one "name<tab>axes" a line, in order, without
# constants and what is never used.
RELEASED = {
    "T (A)": "88ad4f9295d6e39557f82722831d3d9e6c98958f5a98a05cac843c297f796bfd",
    "T": "046b0b7981c9d22013259ac10ca79f04ea52a198e58df4cb76464037aa165bcc",
    "L": "d5e3a60b823386533e3b0c32cfa5a3f27fd97fd40653cec17c43f60c92379792",
}
LARGE = {"width": 192, "depths": (2, 2, 18, 2), "heads": (6, 12, 24, 48), "window": 12}
VARIANTS: dict[str, dict[str, Any]] = {
    "T (A)": {"is_fused": False},
    "T": {},
    "L": {**LARGE, "tower_depth": 8},
}


@pytest.fixture(params=["a", "t"])
def case(request: pytest.FixtureRequest) -> tuple[Glip, dict[str, torch.Tensor]]:
    with np.load(GOLDEN / f"glip_{request.param}.npz") as file:
        told = {name: torch.from_numpy(file[name]) for name in file.files}
    return build(is_fused=request.param == "t"), told


def padded(image: torch.Tensor) -> torch.Tensor:
    height, width = image.shape[1:]
    return F.pad(image, (0, -width % 32, 0, -height % 32))[None]


def assert_close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    assert ours.shape == theirs.shape
    assert float(theirs.abs().mean()) > 0.05  # a stage that says nothing shows nothing
    assert float((ours - theirs).abs().max()) < TOLERANCE


@torch.inference_mode()
def test_every_stage_is_the_references(case: tuple[Glip, dict[str, torch.Tensor]]) -> None:
    network, told = case
    maps = network.backbone["body"](padded(told["image"]))
    levels = network.backbone["fpn"](maps)
    text = network.encode_text(told["ids"])

    assert_close(text, told["text"])
    for i, ours in enumerate(maps):
        if f"swin_{i}" in told:
            assert_close(ours[0], told[f"swin_{i}"])
    for i, ours in enumerate(levels):
        if f"pyramid_{i}" in told:
            assert_close(ours[0], told[f"pyramid_{i}"])
    for n, part in enumerate(network.rpn["head"].dyhead_tower):
        if isinstance(part, Fusion):
            levels, text = part(levels, text)
        elif isinstance(part, BertLayer):
            text = part(text[None])[0]
        else:
            levels = part(levels)
        assert_close(text, told[f"tower{n}_text"])
        for i, ours in enumerate(levels):
            assert_close(ours[0], told[f"tower{n}_{i}"])


@torch.inference_mode()
def test_boxes_are_the_references(case: tuple[Glip, dict[str, torch.Tensor]]) -> None:
    network, told = case
    size = (told["image"].shape[1], told["image"].shape[2])

    levels = network.read(
        network.encode_image(padded(told["image"])), network.encode_text(told["ids"])
    )
    found = [level_boxes(network, i, x, LABEL_TOKENS, size) for i, x in enumerate(levels)]
    boxes, scores, labels = merge(found, nms=0.6)

    for i, level in enumerate(levels):
        for name in ("moves", "centerness", "fits"):
            assert_close(getattr(level, name), told[f"{name}_{i}"])
    theirs = {name: told[name].numpy() for name in ("boxes", "scores", "labels")}
    order = np.argsort(-theirs["scores"], kind="stable")
    assert len(boxes) == len(order) == 100
    assert np.abs(scores - theirs["scores"][order]).max() < TOLERANCE
    assert np.abs(boxes - theirs["boxes"][order]).max() < 1e-2  # pixels
    assert (labels + 1 == theirs["labels"][order]).all()


@pytest.mark.parametrize("variant", VARIANTS)
def test_names_and_shapes_are_those_of_the_released_files(variant: str) -> None:
    from dataclasses import replace

    with torch.device("meta"):
        network = Glip(replace(TINY, **VARIANTS[variant]))

    lines = sorted(
        f"{name}\t{'x'.join(map(str, t.shape))}" for name, t in network.state_dict().items()
    )
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == RELEASED[variant]


@pytest.mark.parametrize("stride", [1, 2])
def test_deformable_convolution_is_a_plain_loop(stride: int) -> None:
    torch.manual_seed(0)
    conv = DeformableConvolution(4, stride)
    torch.nn.init.normal_(conv.weight)
    torch.nn.init.normal_(conv.bias)
    x = torch.randn(1, 4, 7, 5)
    height, width = (7 + 1) // stride if stride == 2 else 7, 3 if stride == 2 else 5
    offset, mask = 2 * torch.randn(18, height, width), torch.rand(9, height, width)

    with torch.no_grad():
        found = conv(x, offset, mask)

    expected = torch.zeros(4, height, width)
    for i in range(height):
        for j in range(width):
            for t in range(9):
                y = i * stride - 1 + t // 3 + float(offset[2 * t, i, j])
                z = j * stride - 1 + t % 3 + float(offset[2 * t + 1, i, j])
                value = between(x[0], y, z) * mask[t, i, j]
                expected[:, i, j] += conv.weight[:, :, t // 3, t % 3].detach() @ value
    expected += conv.bias.detach()[:, None, None]
    assert float((found[0] - expected).abs().max()) < 1e-5


def between(x: torch.Tensor, y: float, z: float) -> torch.Tensor:
    """Interpolate a map (c, h, w) at a place; out of it is zero."""
    value = torch.zeros(len(x))
    top, left = int(np.floor(y)), int(np.floor(z))
    for row in (top, top + 1):
        for column in (left, left + 1):
            if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
                share = (1 - abs(y - row)) * (1 - abs(z - column))
                value += share * x[:, row, column]
    return value


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((480, 640), (800, 1066)),  # the short side is 800
        ((640, 480), (1066, 800)),
        ((300, 20_000), (20, 1333)),  # the long side would be beyond 1333
        ((16, 16), (800, 800)),
        ((800, 1000), (800, 1000)),
    ],
)
def test_input_sizes(given: tuple[int, int], expected: tuple[int, int]) -> None:
    assert input_size(*given) == expected
