"""Hugging Face folders: ``transformers``' ``CLIPModel`` and ``SiglipModel``.

``config.json`` says the architecture; what it leaves out has the value that ``transformers`` would
take, which is part of the format: published SigLIP configurations say hardly more than their name.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clipcli.errors import ModelError
from clipcli.models.config import (
    Activation,
    Architecture,
    SiglipArchitecture,
    TextTransformer,
    VisionTransformer,
)
from clipcli.models.formats.json_reader import JsonObject

if TYPE_CHECKING:
    from clipcli.models.formats.tokenizer_files import SiglipTokens

CONFIG_NAME = "config.json"
WEIGHTS_NAMES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
ACTIVATIONS: dict[str, Activation] = {
    "quick_gelu": "quick_gelu",
    "gelu": "gelu",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_new": "gelu_tanh",
}
# transformers' own defaults: CLIPTextConfig and its like.
CLIP_TEXT = {
    "vocab_size": 49_408,
    "hidden_size": 512,
    "intermediate_size": 2048,
    "num_hidden_layers": 12,
    "num_attention_heads": 8,
    "max_position_embeddings": 77,
}
CLIP_IMAGE = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "image_size": 224,
    "patch_size": 32,
}
SIGLIP_TEXT = {
    "vocab_size": 32_000,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "max_position_embeddings": 64,
}
SIGLIP_IMAGE = CLIP_IMAGE | {"patch_size": 16}
CLIP_EPSILON, SIGLIP_EPSILON = 1e-5, 1e-6
PROJECTION = 512


def find_weights(folder: Path) -> Path | None:
    """Return the weights of a folder, or the index of their shards."""
    return next((folder / name for name in WEIGHTS_NAMES if (folder / name).is_file()), None)


def is_huggingface(data: JsonObject) -> bool:
    """Tell whether a ``config.json`` is one of ``transformers``'."""
    return "model_type" in data.values or "architectures" in data.values


def model_type(data: JsonObject) -> str:
    """Return ``clip`` or ``siglip``; other models are refused by name."""
    kind = data.text("model_type", "nothing")
    if kind == "siglip2":
        raise ModelError(
            f"{data.path}: model_type 'siglip2' is the kind for any picture size (NaFlex), "
            "which is not read",
            hint="SigLIP 2 of one size is read, such as google/siglip2-base-patch16-256",
        )
    if kind not in ("clip", "siglip"):
        raise ModelError(f"{data.path}: model_type is {kind!r}; clipcli reads 'clip' and 'siglip'")
    return kind


def read_clip(data: JsonObject) -> Architecture:
    """Return the architecture that the ``config.json`` of a ``CLIPModel`` says."""
    text, image = _tower(data, "text_config"), _tower(data, "vision_config")
    return Architecture(
        embed_dim=data.whole("projection_dim", PROJECTION),
        image=_image(image, CLIP_IMAGE, CLIP_EPSILON),
        text=_text(text, CLIP_TEXT, CLIP_EPSILON),
        activation=_activation(text, image, "quick_gelu"),
    )


def read_siglip(data: JsonObject, tokens: SiglipTokens) -> SiglipArchitecture:
    """Return the architecture that the ``config.json`` of a ``SiglipModel`` says."""
    text, image = _tower(data, "text_config"), _tower(data, "vision_config")
    image.must_be("vision_use_head", True, "clipcli reads SigLIP with its pooling head")
    shape = _image(image, SIGLIP_IMAGE, SIGLIP_EPSILON)
    text_shape = _text(text, SIGLIP_TEXT, SIGLIP_EPSILON)
    if (width := text.whole("projection_size", text_shape.width)) != shape.width:
        raise ModelError(
            f"{data.path}: text vectors have {width} numbers, image vectors {shape.width}"
        )
    return SiglipArchitecture(
        embed_dim=shape.width,
        image=shape,
        text=text_shape,
        activation=_activation(text, image, "gelu_pytorch_tanh"),
        text_cleaning=tokens.cleaning,
        end_token=tokens.end,
        pad_token=tokens.pad,
    )


def siglip_vocab_size(data: JsonObject) -> int:
    """Return how many tokens a SigLIP folder's text tower knows."""
    return _size(_tower(data, "text_config"), "vocab_size", SIGLIP_TEXT)


def _tower(data: JsonObject, key: str) -> JsonObject:
    """Return one tower's section; the older name beside it wins, as it does in ``transformers``."""
    older = f"{key}_dict"
    return data.section(older if data.values.get(older) is not None else key)


def _text(data: JsonObject, usual: dict[str, int], epsilon: float) -> TextTransformer:
    _check_epsilon(data, epsilon)
    return TextTransformer(
        context_length=_size(data, "max_position_embeddings", usual),
        vocab_size=_size(data, "vocab_size", usual),
        width=_size(data, "hidden_size", usual),
        layers=data.layers("num_hidden_layers", usual["num_hidden_layers"]),
        heads=_heads(data, usual),
        mlp_width=_size(data, "intermediate_size", usual),
    )


def _image(data: JsonObject, usual: dict[str, int], epsilon: float) -> VisionTransformer:
    _check_epsilon(data, epsilon)
    data.must_be("num_channels", 3, "pictures have three channels here")
    return VisionTransformer(
        image_size=_size(data, "image_size", usual),
        patch_size=_size(data, "patch_size", usual),
        width=_size(data, "hidden_size", usual),
        layers=data.layers("num_hidden_layers", usual["num_hidden_layers"]),
        heads=_heads(data, usual),
        mlp_width=_size(data, "intermediate_size", usual),
    )


def _size(data: JsonObject, key: str, usual: dict[str, int]) -> int:
    return data.whole(key, usual[key])


def _heads(data: JsonObject, usual: dict[str, int]) -> int:
    heads = _size(data, "num_attention_heads", usual)
    if _size(data, "hidden_size", usual) % heads:
        raise data.wrong("num_attention_heads", "a divisor of hidden_size")
    return heads


def _check_epsilon(data: JsonObject, expected: float) -> None:
    if data.number("layer_norm_eps", expected) != expected:
        raise data.wrong("layer_norm_eps", str(expected))


def _activation(text: JsonObject, image: JsonObject, usual: str) -> Activation:
    names = [tower.text("hidden_act", usual) for tower in (text, image)]
    for tower, name in zip((text, image), names, strict=True):
        if name not in ACTIVATIONS:
            raise tower.wrong("hidden_act", " or ".join(ACTIVATIONS))
    if ACTIVATIONS[names[0]] != ACTIVATIONS[names[1]]:
        raise ModelError(f"{text.path}: the towers' activations differ: {' and '.join(names)}")
    return ACTIVATIONS[names[0]]
