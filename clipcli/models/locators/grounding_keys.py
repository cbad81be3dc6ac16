"""Grounding DINO's tensors: what transformers calls them, and which of ours they make up."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from clipcli.errors import ModelError
from clipcli.models.formats.tensor_map import (
    JoinedTensor,
    StoredTensor,
    TensorSpec,
    WeightsFile,
    make_plan,
)
from clipcli.models.locators.grounding import GroundingArchitecture

SWIN = "model.backbone.conv_encoder.model"
# Constants, and the norm of a classifier that this model does not have.
UNUSED = re.compile(r".*\.relative_position_index|.*\.swin\.layernorm\.(weight|bias)")
# The decoder's own names of the heads, which are the same tensors.
TWIN = re.compile(r"model\.decoder\.((?:bbox|class)_embed\..*)")
BOTH = ("weight", "bias")
SWIN_BLOCK = {  # ours: theirs
    "norm1": "layernorm_before",
    "attn.proj": "attention.output.dense",
    "norm2": "layernorm_after",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}
FUSION = {
    "layer_norm_v": "layer_norm_vision",
    "layer_norm_l": "layer_norm_text",
    "attn.v_proj": "attn.vision_proj",
    "attn.l_proj": "attn.text_proj",
    "attn.values_v_proj": "attn.values_vision_proj",
    "attn.values_l_proj": "attn.values_text_proj",
    "attn.out_v_proj": "attn.out_vision_proj",
    "attn.out_l_proj": "attn.out_text_proj",
}
ATTENTION = ("query", "key", "value", "out_proj")
SAMPLING = ("sampling_offsets", "attention_weights", "value_proj", "output_proj")
ENCODER_LAYER = (
    *(f"text_enhancer_layer.self_attn.{part}" for part in ATTENTION),
    *(f"text_enhancer_layer.{part}" for part in ("fc1", "fc2")),
    *(f"text_enhancer_layer.layer_norm_{part}" for part in ("before", "after")),
    *(f"deformable_layer.self_attn.{part}" for part in SAMPLING),
    *(f"deformable_layer.{part}" for part in ("fc1", "fc2")),
    *(f"deformable_layer.{part}_layer_norm" for part in ("self_attn", "final")),
)
DECODER_LAYER = (
    *(f"self_attn.{part}" for part in ATTENTION),
    *(f"encoder_attn_text.{part}" for part in ATTENTION),
    *(f"encoder_attn.{part}" for part in SAMPLING),
    *("fc1", "fc2"),
    *(f"{part}_layer_norm" for part in ("self_attn", "encoder_attn_text", "encoder_attn", "final")),
)
BERT_LAYER = (
    *(f"attention.self.{part}" for part in ("query", "key", "value")),
    *("attention.output.dense", "attention.output.LayerNorm"),
    *("intermediate.dense", "output.dense", "output.LayerNorm"),
)
BOX_HEAD_LAYERS = 3
BLOCK = 2**20  # bytes


def grounding_plan(
    shape: GroundingArchitecture, file: WeightsFile, *, is_shared: bool
) -> dict[str, JoinedTensor]:
    """Return where each of our tensors lies; all must be there, and nothing else.

    ``is_shared`` says that all of the decoder's layers may have the first one's heads.

    Raises
    ------
    ModelError
    """
    table = _without_twins(file)
    wanted = grounding_tensors(shape)
    if is_shared:
        wanted = {ours: _first_if_absent(want, table) for ours, want in wanted.items()}
    return make_plan(wanted, WeightsFile(file.path, table))


def grounding_tensors(shape: GroundingArchitecture) -> dict[str, TensorSpec]:
    """Return all tensors of ``MMGroundingDinoForObjectDetection``, or of the original."""
    named = dict([*_swin(shape), *_bert(shape), *_between(shape), *_layers(shape), *_heads(shape)])
    specs = {ours: TensorSpec((theirs,)) for ours, theirs in named.items()}
    for i, depth in enumerate(shape.depths):
        for j in range(depth):
            theirs = f"{SWIN}.encoder.layers.{i}.blocks.{j}.attention.self"
            for leaf in BOTH:
                parts = tuple(f"{theirs}.{name}.{leaf}" for name in ("query", "key", "value"))
                specs[f"backbone.layers.{i}.blocks.{j}.attn.qkv.{leaf}"] = TensorSpec(parts)
    return specs


def _swin(shape: GroundingArchitecture) -> Iterator[tuple[str, str]]:
    yield from _both("backbone.patch_embed.proj", f"{SWIN}.embeddings.patch_embeddings.projection")
    yield from _both("backbone.patch_embed.norm", f"{SWIN}.embeddings.norm")
    for i, depth in enumerate(shape.depths):
        ours, theirs = f"backbone.layers.{i}", f"{SWIN}.encoder.layers.{i}"
        for j in range(depth):
            for a, b in SWIN_BLOCK.items():
                yield from _both(f"{ours}.blocks.{j}.{a}", f"{theirs}.blocks.{j}.{b}")
            bias = "relative_position_bias_table"
            yield f"{ours}.blocks.{j}.attn.{bias}", f"{theirs}.blocks.{j}.attention.self.{bias}"
        if i < len(shape.depths) - 1:
            yield f"{ours}.downsample.reduction.weight", f"{theirs}.downsample.reduction.weight"
            yield from _both(f"{ours}.downsample.norm", f"{theirs}.downsample.norm")
        if i >= shape.first_stage:
            yield from _both(f"backbone.norm{i}", f"{SWIN}.hidden_states_norms.stage{i + 1}")


def _bert(shape: GroundingArchitecture) -> Iterator[tuple[str, str]]:
    kinds = ("word", "position", "token_type")
    single = [f"embeddings.{kind}_embeddings.weight" for kind in kinds]
    layers = [f"encoder.layer.{i}.{part}" for i in range(shape.text_layers) for part in BERT_LAYER]
    for name in single:
        yield f"text_backbone.{name}", f"model.text_backbone.{name}"
    for name in ("embeddings.LayerNorm", *layers):
        yield from _both(f"text_backbone.{name}", f"model.text_backbone.{name}")


def _between(shape: GroundingArchitecture) -> Iterator[tuple[str, str]]:
    norms = [f"input_proj_vision.{i}.{j}" for i in range(shape.n_levels) for j in (0, 1)]
    for name in ("text_projection", "enc_output", "enc_output_norm", *norms):
        yield from _both(name, f"model.{name}")
    for name in ("level_embed", "query_position_embeddings.weight"):
        yield name, f"model.{name}"


def _layers(shape: GroundingArchitecture) -> Iterator[tuple[str, str]]:
    for i in range(shape.encoder_layers):
        layer = f"encoder.layers.{i}"
        for name in ENCODER_LAYER:
            yield from _both(f"{layer}.{name}", f"model.{layer}.{name}")
        for a, b in FUSION.items():
            yield from _both(f"{layer}.fusion_layer.{a}", f"model.{layer}.fusion_layer.{b}")
        yield f"{layer}.fusion_layer.gamma_v", f"model.{layer}.fusion_layer.vision_param"
        yield f"{layer}.fusion_layer.gamma_l", f"model.{layer}.fusion_layer.text_param"
    for i in range(shape.decoder_layers):
        for name in DECODER_LAYER:
            yield from _both(f"decoder.layers.{i}.{name}", f"model.decoder.layers.{i}.{name}")
    for name in ("layer_norm", "reference_points_head.layers.0", "reference_points_head.layers.1"):
        yield from _both(f"decoder.{name}", f"model.decoder.{name}")


def _heads(shape: GroundingArchitecture) -> Iterator[tuple[str, str]]:
    for j in range(BOX_HEAD_LAYERS):
        name = f"encoder_output_bbox_embed.layers.{j}"
        yield from _both(name, f"model.{name}")
        for i in range(shape.decoder_layers):
            yield from _both(f"bbox_embed.{i}.layers.{j}", f"bbox_embed.{i}.layers.{j}")
    if shape.is_mm:
        yield "encoder_output_class_embed.bias", "model.encoder_output_class_embed.bias"
        for i in range(shape.decoder_layers):
            yield f"class_embed.{i}.bias", f"class_embed.{i}.bias"


def _both(ours: str, theirs: str) -> Iterator[tuple[str, str]]:
    for leaf in BOTH:
        yield f"{ours}.{leaf}", f"{theirs}.{leaf}"


def _first_if_absent(want: TensorSpec, table: Mapping[str, StoredTensor]) -> TensorSpec:
    (name, *more) = want.names
    head = re.fullmatch(r"((?:bbox|class)_embed)\.\d+\.(.*)", name)
    if more or name in table or head is None:
        return want
    return TensorSpec((f"{head[1]}.0.{head[2]}",))


def _without_twins(file: WeightsFile) -> dict[str, StoredTensor]:
    """Return the tensors that count, each under one name."""
    table = {name: stored for name, stored in file.table.items() if not UNUSED.fullmatch(name)}
    for name in list(table):
        twin = TWIN.fullmatch(name)
        if twin is None:
            continue
        stored = table.pop(name)
        other = table.setdefault(twin[1], stored)
        if other is not stored and not _is_same(other, stored):
            raise ModelError(
                f"{file.path}: {name} is not the same as {twin[1]}: clipcli runs no such variant"
            )
    return table


def _is_same(one: StoredTensor, other: StoredTensor) -> bool:
    """Compare two tensors block by block."""
    a, b = one.place, other.place
    if (a.dtype, a.shape, a.strides) != (b.dtype, b.shape, b.strides):
        return False
    try:
        with one.path.open("rb") as file, other.path.open("rb") as beside:
            for start in range(0, a.end - a.begin, BLOCK):
                n = min(BLOCK, a.end - a.begin - start)
                file.seek(a.begin + start)
                beside.seek(b.begin + start)
                if file.read(n) != beside.read(n):
                    return False
    except OSError as error:
        raise ModelError(f"{one.path}: {error.strerror or error}") from error
    return True
