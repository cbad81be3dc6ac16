"""The shapes of the models that OpenAI released.

Radford et al. 2021 (arXiv:2103.00020), tables 19 and 20. Data only: no weights, no torch.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Set

from clipcli.errors import ModelError
from clipcli.models.config import (
    Activation,
    Architecture,
    ModifiedResNet,
    TextTransformer,
    VisionTransformer,
)

HEAD_WIDTH = 64  # every head of every released model
MLP_RATIO = 4  # a perceptron's inner width to its outer one
RESNET_STRIDE = 32  # pixels to one position of the last stage
CONTEXT_LENGTH = 77  # tokens
VOCAB_SIZE = 49_408  # 256 bytes, 256 bytes that end a word, 48,894 merges, start and end


def _text(width: int) -> TextTransformer:
    return TextTransformer(
        context_length=CONTEXT_LENGTH,
        vocab_size=VOCAB_SIZE,
        width=width,
        layers=12,
        heads=width // HEAD_WIDTH,
        mlp_width=width * MLP_RATIO,
    )


def _vit(embed_dim: int, image_size: int, patch_size: int, width: int, layers: int) -> Architecture:
    image = VisionTransformer(
        image_size=image_size,
        patch_size=patch_size,
        width=width,
        layers=layers,
        heads=width // HEAD_WIDTH,
        mlp_width=width * MLP_RATIO,
    )
    return Architecture(embed_dim, image, _text(embed_dim), "quick_gelu")


def _resnet(
    embed_dim: int,
    image_size: int,
    width: int,
    layers: tuple[int, int, int, int],
    text_width: int,
) -> Architecture:
    heads = width * RESNET_STRIDE // HEAD_WIDTH  # the last stage has 32 times the stem's channels
    image = ModifiedResNet(image_size=image_size, width=width, layers=layers, heads=heads)
    return Architecture(embed_dim, image, _text(text_width), "quick_gelu")


RELEASED: Mapping[str, Architecture] = {
    "RN50": _resnet(1024, 224, 64, (3, 4, 6, 3), 512),
    "RN101": _resnet(512, 224, 64, (3, 4, 23, 3), 512),
    "RN50x4": _resnet(640, 288, 80, (4, 6, 10, 6), 640),
    "RN50x16": _resnet(768, 384, 96, (6, 8, 18, 8), 768),
    "RN50x64": _resnet(1024, 448, 128, (3, 15, 36, 10), 1024),
    "ViT-B/32": _vit(512, 224, 32, 768, 12),
    "ViT-B/16": _vit(512, 224, 16, 768, 12),
    "ViT-L/14": _vit(768, 224, 14, 1024, 24),
    "ViT-L/14@336px": _vit(768, 336, 14, 1024, 24),
}


def architecture_from_shapes(
    shapes: Mapping[str, tuple[int, ...]], activation: Activation
) -> Architecture:
    """Infer the architecture of a state dict in OpenAI's layout from its tensors' shapes.

    The number of heads leaves no trace in the shapes: it follows from OpenAI's 64 channels a
    head. The activation leaves none either, and must be known.
    """
    try:
        image = (
            _resnet_shape(shapes)
            if "visual.layer1.0.conv1.weight" in shapes
            else _vit_shape(shapes)
        )
        width = shapes["ln_final.weight"][0]
        text = TextTransformer(
            context_length=shapes["positional_embedding"][0],
            vocab_size=shapes["token_embedding.weight"][0],
            width=width,
            layers=_count(shapes.keys(), r"transformer\.resblocks\.(\d+)\."),
            heads=width // HEAD_WIDTH,
            mlp_width=shapes["transformer.resblocks.0.mlp.c_fc.weight"][0],
        )
        embed_dim = shapes["text_projection"][1]
    except KeyError as error:
        raise ModelError(
            f"these weights are not in OpenAI's layout: there is no {error.args[0]}"
        ) from error
    return Architecture(embed_dim, image, text, activation, logit_bias="logit_bias" in shapes)


def _vit_shape(shapes: Mapping[str, tuple[int, ...]]) -> VisionTransformer:
    width, _, patch_size, _ = shapes["visual.conv1.weight"]
    grid = math.isqrt(shapes["visual.positional_embedding"][0] - 1)  # less the class token
    return VisionTransformer(
        image_size=grid * patch_size,
        patch_size=patch_size,
        width=width,
        layers=_count(shapes.keys(), r"visual\.transformer\.resblocks\.(\d+)\."),
        heads=width // HEAD_WIDTH,
        mlp_width=shapes["visual.transformer.resblocks.0.mlp.c_fc.weight"][0],
    )


def _resnet_shape(shapes: Mapping[str, tuple[int, ...]]) -> ModifiedResNet:
    width = shapes["visual.layer1.0.conv1.weight"][0]
    grid = math.isqrt(shapes["visual.attnpool.positional_embedding"][0] - 1)  # less the mean
    first, second, third, fourth = (
        _count(shapes.keys(), rf"visual\.layer{stage}\.(\d+)\.") for stage in (1, 2, 3, 4)
    )
    return ModifiedResNet(
        image_size=grid * RESNET_STRIDE,
        width=width,
        layers=(first, second, third, fourth),
        heads=width * RESNET_STRIDE // HEAD_WIDTH,
    )


def _count(keys: Set[str], pattern: str) -> int:
    return len({found[1] for key in keys if (found := re.match(pattern, key))})
