"""The shapes of published models beside OpenAI's, by name. Data only.

Sources, as read: OpenCLIP's ``src/open_clip/model_configs/*.json``, TinyCLIP's files of that name,
and for SigLIP big_vision's ``models/vit.py`` (``decode_variant``) with the tables in
``configs/proj/image_text/SigLIP_demo.ipynb`` and ``SigLIP2_demo.ipynb``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from clipcli.models.config import (
    AnyArchitecture,
    Architecture,
    SiglipArchitecture,
    TextTransformer,
    VisionTransformer,
)
from clipcli.models.formats.openai import (
    CONTEXT_LENGTH,
    HEAD_WIDTH,
    MLP_RATIO,
    RELEASED,
    VOCAB_SIZE,
)

# SigLIP's four sizes, the same for both towers: width, layers, perceptron's width, heads.
SIGLIP_SIZES = {
    "base": (768, 12, 3072, 12),
    "large": (1024, 24, 4096, 16),
    "so400m": (1152, 27, 4304, 16),  # "shape-optimised", hence the odd numbers
    "giant-opt": (1536, 40, 6144, 16),
}
SIGLIP_TEXT_SIZE = {"giant-opt": "so400m"}  # the others' text tower is of the image tower's size
SIGLIP_CONTEXT = {"siglip-so400m-patch14-224": 16}  # tokens; all others have 64
SIGLIP_VOCAB = 32_000  # SigLIP: English
MULTILINGUAL_VOCAB = 250_000  # SigLIP "multilingual"
SIGLIP2_VOCAB = 256_000  # SigLIP 2: Gemma's


def _text(width: int, layers: int, context_length: int = CONTEXT_LENGTH) -> TextTransformer:
    return TextTransformer(
        context_length=context_length,
        vocab_size=VOCAB_SIZE,
        width=width,
        layers=layers,
        heads=width // HEAD_WIDTH,
        mlp_width=width * MLP_RATIO,
    )


def _clip(
    image_size: int,
    patch_size: int,
    width: int,
    layers: int,
    text: TextTransformer,
    *,
    embed_dim: int | None = None,
    head_width: int = HEAD_WIDTH,
    mlp_width: int | None = None,
) -> Architecture:
    """Return a CLIP with plain GELU; what is not given is as OpenAI has it."""
    image = VisionTransformer(
        image_size=image_size,
        patch_size=patch_size,
        width=width,
        layers=layers,
        heads=width // head_width,
        mlp_width=mlp_width or width * MLP_RATIO,
    )
    return Architecture(embed_dim or text.width, image, text, "gelu")


def _siglip(name: str) -> SiglipArchitecture:
    """Read a SigLIP off its name, such as ``siglip2-so400m-patch16-512``."""
    found = re.fullmatch(r"siglip(2?)-(.+)-patch(\d+)-(\d+)(-multilingual)?", name)
    assert found is not None, name
    is_second, size, patch_size, image_size, multilingual = found.groups()
    vocab_size = MULTILINGUAL_VOCAB if multilingual else SIGLIP_VOCAB
    width, layers, mlp_width, heads = SIGLIP_SIZES[size]
    text_width, text_layers, text_mlp, text_heads = SIGLIP_SIZES[SIGLIP_TEXT_SIZE.get(size, size)]
    return SiglipArchitecture(
        embed_dim=width,
        image=VisionTransformer(int(image_size), int(patch_size), width, layers, heads, mlp_width),
        text=TextTransformer(
            context_length=SIGLIP_CONTEXT.get(name, 64),
            vocab_size=SIGLIP2_VOCAB if is_second else vocab_size,
            width=text_width,
            layers=text_layers,
            heads=text_heads,
            mlp_width=text_mlp,
        ),
        activation="gelu_tanh",
        text_cleaning="lower" if is_second else "canonicalize",
        end_token="<eos>" if is_second else "</s>",
        pad_token="<pad>" if is_second else "</s>",
    )


SIGLIP_NAMES = (
    *("siglip-base-patch16-224", "siglip-base-patch16-256", "siglip-base-patch16-384"),
    *("siglip-base-patch16-512", "siglip-base-patch16-256-multilingual"),
    *("siglip-large-patch16-256", "siglip-large-patch16-384"),
    *("siglip-so400m-patch14-224", "siglip-so400m-patch14-384"),
    *("siglip2-base-patch32-256", "siglip2-base-patch16-224", "siglip2-base-patch16-256"),
    *("siglip2-base-patch16-384", "siglip2-base-patch16-512"),
    *("siglip2-large-patch16-256", "siglip2-large-patch16-384", "siglip2-large-patch16-512"),
    *("siglip2-so400m-patch14-224", "siglip2-so400m-patch14-384"),
    *("siglip2-so400m-patch16-256", "siglip2-so400m-patch16-384", "siglip2-so400m-patch16-512"),
    *("siglip2-giant-opt-patch16-256", "siglip2-giant-opt-patch16-384"),
)
SHAPES: Mapping[str, AnyArchitecture] = {
    **{name.replace("/", "-").replace("@336px", "-336"): shape for name, shape in RELEASED.items()},
    "ViT-B-32-256": _clip(256, 32, 768, 12, _text(512, 12)),
    "ViT-B-16-plus-240": _clip(240, 16, 896, 12, _text(640, 12)),
    "ViT-H-14": _clip(224, 14, 1280, 32, _text(1024, 24), head_width=80),
    "ViT-H-14-378": _clip(378, 14, 1280, 32, _text(1024, 24), head_width=80),
    "ViT-g-14": _clip(224, 14, 1408, 40, _text(1024, 24), head_width=88, mlp_width=6144),
    "ViT-bigG-14": _clip(224, 14, 1664, 48, _text(1280, 32), head_width=104, mlp_width=8192),
    "TinyCLIP-ViT-8M-16-Text-3M": _clip(224, 16, 256, 10, _text(256, 3), embed_dim=512),
    "TinyCLIP-ViT-39M-16-Text-19M": _clip(224, 16, 512, 12, _text(512, 6)),
    "TinyCLIP-ViT-40M-32-Text-19M": _clip(224, 32, 512, 12, _text(512, 6)),
    "TinyCLIP-ViT-61M-32-Text-29M": _clip(224, 32, 640, 12, _text(512, 9)),
    **{name: _siglip(name) for name in SIGLIP_NAMES},
}
# Weights and biases that are learned, the scale among them. The tests count them on the network.
N_PARAMETERS: Mapping[str, int] = {
    "RN50": 102_007_137,
    "RN101": 119_688_033,
    "RN50x4": 178_300_601,
    "RN50x16": 290_979_217,
    "RN50x64": 623_258_305,
    "ViT-B-32": 151_277_313,
    "ViT-B-16": 149_620_737,
    "ViT-L-14": 427_616_513,
    "ViT-L-14-336": 427_944_193,
    "ViT-B-32-256": 151_288_833,
    "ViT-B-16-plus-240": 208_377_345,
    "ViT-H-14": 986_109_441,
    "ViT-H-14-378": 986_714_881,
    "ViT-g-14": 1_366_678_273,
    "ViT-bigG-14": 2_539_567_105,
    "TinyCLIP-ViT-8M-16-Text-3M": 23_446_017,
    "TinyCLIP-ViT-39M-16-Text-19M": 83_101_185,
    "TinyCLIP-ViT-40M-32-Text-19M": 84_205_569,
    "TinyCLIP-ViT-61M-32-Text-29M": 115_382_145,
    "siglip-base-patch16-224": 203_155_970,
    "siglip-base-patch16-256": 203_202_050,
    "siglip-base-patch16-384": 203_447_810,
    "siglip-base-patch16-512": 203_791_874,
    "siglip-base-patch16-256-multilingual": 370_626_050,
    "siglip-large-patch16-256": 652_150_786,
    "siglip-large-patch16-384": 652_478_466,
    "siglip-so400m-patch14-224": 877_360_306,
    "siglip-so400m-patch14-384": 877_960_498,
    "siglip2-base-patch32-256": 376_856_066,
    "siglip2-base-patch16-224": 375_187_970,
    "siglip2-base-patch16-256": 375_234_050,
    "siglip2-base-patch16-384": 375_479_810,
    "siglip2-base-patch16-512": 375_823_874,
    "siglip2-large-patch16-256": 881_526_786,
    "siglip2-large-patch16-384": 881_854_466,
    "siglip2-large-patch16-512": 882_313_218,
    "siglip2-so400m-patch14-224": 1_135_463_602,
    "siglip2-so400m-patch14-384": 1_136_008_498,
    "siglip2-so400m-patch16-256": 1_135_670_962,
    "siglip2-so400m-patch16-384": 1_136_039_602,
    "siglip2-so400m-patch16-512": 1_136_555_698,
    "siglip2-giant-opt-patch16-256": 1_871_393_906,
    "siglip2-giant-opt-patch16-384": 1_871_885_426,
}
