"""Grounding DINO's folders, MM-Grounding-DINO's and LLMDet's too, as transformers saves them.

Liu et al. 2023 (arXiv:2303.05499); Zhao et al. 2024 (arXiv:2401.02361); Fu et al. 2025
(arXiv:2501.18954): Swin, BERT, an encoder in which they meet, and a decoder of queries.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipcli.errors import ModelError
from clipcli.models.config import Preprocessing
from clipcli.models.formats.json_reader import JsonObject, read_object
from clipcli.models.formats.preprocessor import SCALE_TOLERANCE, STEPS, UNLIKE_OURS

MM, ORIGINAL = "mm-grounding-dino", "grounding-dino"
MODEL_TYPES = (MM, ORIGINAL)
ANOTHER = "clipcli runs no such variant of Grounding DINO"
GROUPS = 32  # of channels that are normalised together
# What transformers takes where a config.json leaves it out.
SWIN_DEPTHS, SWIN_HEADS = [2, 2, 6, 2], [3, 6, 12, 24]
USUAL_STAGES = [2, 3, 4]
MOST_LEVELS, MOST_STAGES = 8, 6
LARGEST_PX = 8192
BILINEAR = 2  # Pillow's number
# What cannot be otherwise, by the part of the config.json that says it.
FIXED: dict[str, Any] = {
    "two_stage": True,
    "two_stage_bbox_embed_share": False,
    "embedding_init_target": True,
    "query_dim": 4,
    "position_embedding_type": "sine",
    "activation_function": "relu",
    "layer_norm_eps": 1e-5,
    "use_timm_backbone": False,
}
FIXED_SWIN: dict[str, Any] = {
    "model_type": "swin",
    "use_absolute_embeddings": False,
    "qkv_bias": True,
    "mlp_ratio": 4,
    "hidden_act": "gelu",
    "patch_size": 4,
    "num_channels": 3,
    "layer_norm_eps": 1e-5,
}
FIXED_BERT: dict[str, Any] = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "position_embedding_type": "absolute",
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
}


@dataclass(frozen=True, slots=True)
class GroundingArchitecture:
    """Swin, BERT, encoder and decoder."""

    is_mm: bool  # logits are scaled by the width and have a learned bias
    width: int  # of Swin's first stage
    depths: tuple[int, ...]  # blocks a stage
    heads: tuple[int, ...]  # a stage
    window: int  # cells, square
    first_stage: int  # the first of Swin's stages, from 0, whose map is used
    text_width: int
    text_layers: int
    text_heads: int
    text_mlp_width: int
    vocab_size: int
    context_length: int  # positions that BERT knows
    most_tokens: int  # of a caption
    channels: int  # of encoder and decoder
    n_levels: int  # maps, the coarsest ones made from Swin's last
    n_queries: int
    encoder_layers: int
    encoder_heads: int
    encoder_mlp_width: int
    encoder_points: int  # that a cell looks at, a head and level
    decoder_layers: int
    decoder_heads: int
    decoder_mlp_width: int
    decoder_points: int
    temperature: float  # of the places of cells

    @property
    def n_maps(self) -> int:
        """How many maps come from Swin."""
        return len(self.depths) - self.first_stage


def is_grounding(data: JsonObject) -> bool:
    """Tell whether a ``config.json`` is one of these models'."""
    return data.values.get("model_type") in MODEL_TYPES


def read_grounding(data: JsonObject) -> GroundingArchitecture:
    """Return the architecture that a ``config.json`` says.

    Raises
    ------
    ModelError
        If it makes no sense, or says a variant that is not known here.
    """
    swin, bert = data.section("backbone_config"), data.section("text_config")
    for section, fixed in ((data, FIXED), (swin, FIXED_SWIN), (bert, FIXED_BERT)):
        for key, value in fixed.items():
            section.must_be(key, value, ANOTHER)
    depths = _wholes(swin, "depths", SWIN_DEPTHS)
    architecture = GroundingArchitecture(
        is_mm=data.text("model_type") == MM,
        width=swin.whole("embed_dim", 96),
        depths=depths,
        heads=_wholes(swin, "num_heads", SWIN_HEADS),
        window=swin.whole("window_size", 7, most=64),
        first_stage=_first_stage(swin, len(depths)),
        text_width=bert.whole("hidden_size", 768),
        text_layers=bert.layers("num_hidden_layers", 12),
        text_heads=bert.whole("num_attention_heads", 12),
        text_mlp_width=bert.whole("intermediate_size", 3072),
        vocab_size=bert.whole("vocab_size", 30_522),
        context_length=bert.whole("max_position_embeddings", 512),
        most_tokens=data.whole("max_text_len", 256),
        channels=data.whole("d_model", 256),
        n_levels=data.whole("num_feature_levels", 4, most=MOST_LEVELS),
        n_queries=data.whole("num_queries", 900),
        encoder_layers=data.layers("encoder_layers", 6),
        encoder_heads=data.whole("encoder_attention_heads", 8),
        encoder_mlp_width=data.whole("encoder_ffn_dim", 2048),
        encoder_points=data.whole("encoder_n_points", 4, most=64),
        decoder_layers=data.layers("decoder_layers", 6),
        decoder_heads=data.whole("decoder_attention_heads", 8),
        decoder_mlp_width=data.whole("decoder_ffn_dim", 2048),
        decoder_points=data.whole("decoder_n_points", 4, most=64),
        temperature=data.number("positional_embedding_temperature", 20.0),
    )
    _check(architecture, data)
    return architecture


def may_share_heads(data: JsonObject) -> bool:
    """Tell whether all of the decoder's layers may have one head, which is then stored once."""
    return data.flag("decoder_bbox_embed_share", True)


def grounding_preprocessing(path: Path) -> tuple[Preprocessing, int]:
    """Read a ``preprocessor_config.json``: how pictures are prepared, and their long side's limit.

    Raises
    ------
    ModelError
        If it makes no sense, or is another preprocessing.
    """
    data = read_object(path)
    if "image_processor" in data.values:
        data = data.section("image_processor")
    for step in STEPS:
        data.must_be(step, True, UNLIKE_OURS)
    data.must_be("resample", BILINEAR, UNLIKE_OURS)
    data.must_be("pad_size", None, UNLIKE_OURS)
    factor = data.number("rescale_factor", 1 / 255)
    if abs(factor * 255 - 1) > SCALE_TOLERANCE:
        raise data.wrong("rescale_factor", "1/255")
    size = data.section("size")
    short = size.whole("shortest_edge", most=LARGEST_PX)
    long = size.whole("longest_edge", most=LARGEST_PX)
    if short > long:
        raise data.wrong("size", "a shortest edge that is not longer than the longest")
    std = data.triple("image_std")
    if min(std) <= 0:
        raise data.wrong("image_std", "numbers above zero")
    return Preprocessing(
        short, "shortest", "bilinear", mean=data.triple("image_mean"), std=std
    ), long


def _check(shape: GroundingArchitecture, data: JsonObject) -> None:
    """Refuse sizes that do not go into each other."""
    if len(shape.heads) != len(shape.depths):
        raise ModelError(f"{data.path}: backbone_config.num_heads and depths differ in length")
    divisions = {
        "d_model by its groups": (shape.channels, GROUPS),
        "d_model by encoder_attention_heads": (shape.channels, shape.encoder_heads),
        "d_model by decoder_attention_heads": (shape.channels, shape.decoder_heads),
        "encoder_attention_heads by 2": (shape.encoder_heads, 2),
        "encoder_ffn_dim by encoder_attention_heads": (
            shape.encoder_mlp_width,
            shape.encoder_heads,
        ),
        "text_config.hidden_size by its heads": (shape.text_width, shape.text_heads),
    }
    for i, heads in enumerate(shape.heads):
        divisions[f"width of Swin's stage {i + 1} by its heads"] = (shape.width * 2**i, heads)
    for what, (whole, part) in divisions.items():
        if whole % part:
            raise ModelError(f"{data.path}: {what}: {part} does not divide {whole}")
    if shape.n_levels < shape.n_maps:
        raise ModelError(
            f"{data.path}: num_feature_levels is {shape.n_levels}, but Swin gives {shape.n_maps} "
            "maps"
        )
    if shape.most_tokens > shape.context_length:
        raise ModelError(
            f"{data.path}: max_text_len is {shape.most_tokens}, but BERT knows "
            f"{shape.context_length} positions"
        )
    if not 0 < shape.temperature < float("inf"):
        raise data.wrong("positional_embedding_temperature", "a number above zero")


def _first_stage(swin: JsonObject, n_stages: int) -> int:
    """Return the first stage, from 0, whose map is used; all later ones have to be used too."""
    names, numbers = swin.values.get("out_features"), swin.values.get("out_indices")
    stages = [f"stage{i}" for i in range(1, n_stages + 1)]
    if isinstance(names, list) and names:
        numbers = [stages.index(name) + 1 for name in names if name in stages]
        numbers = numbers if len(numbers) == len(names) else None
        key = "out_features"
    else:
        key = "out_indices"
        numbers = USUAL_STAGES if not swin.values else numbers
    if not isinstance(numbers, list) or not numbers:
        raise swin.wrong(key, f"stages, the last of them {n_stages}")
    if numbers != list(range(n_stages + 1 - len(numbers), n_stages + 1)) or numbers[0] < 1:
        raise swin.wrong(key, f"stages that follow each other, the last of them {n_stages}")
    return n_stages - len(numbers)


def _wholes(data: JsonObject, key: str, default: list[int]) -> tuple[int, ...]:
    values = data.values.get(key)
    values = default if values is None else values
    if not isinstance(values, list) or not 0 < len(values) <= MOST_STAGES:
        raise data.wrong(key, "a whole number a stage")
    if not all(type(each) is int and 0 < each <= 1024 for each in values):
        raise data.wrong(key, "a whole number a stage")
    return tuple(values)
