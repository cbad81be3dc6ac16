"""Names of tensors: ours, and what Hugging Face's libraries call the same.

Ours are OpenAI's, with q, k and v of an attention in one matrix. Each function returns all of a
network's tensors, so that what a file lacks, or has too many, is found by comparing.
"""

from __future__ import annotations

from clipcli.errors import ModelError
from clipcli.models.config import Architecture, SiglipArchitecture, VisionTransformer
from clipcli.models.formats.tensor_map import TensorSpec

BLOCK = {  # ours -> theirs, within one block of a transformer
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
TENSORS = ("weight", "bias")


def huggingface_clip(architecture: Architecture) -> dict[str, TensorSpec]:
    """Return the tensors of ``transformers``' ``CLIPModel``."""
    if not isinstance(architecture.image, VisionTransformer):
        raise ModelError("Hugging Face's layout has no convolutional towers")
    text, image = "text_model", "vision_model"
    wanted = {
        "visual.class_embedding": f"{image}.embeddings.class_embedding",
        "visual.conv1.weight": f"{image}.embeddings.patch_embedding.weight",
        "visual.positional_embedding": f"{image}.embeddings.position_embedding.weight",
        **_pairs("visual.ln_pre", f"{image}.pre_layrnorm"),  # the typo is theirs
        **_pairs("visual.ln_post", f"{image}.post_layernorm"),
        "token_embedding.weight": f"{text}.embeddings.token_embedding.weight",
        "positional_embedding": f"{text}.embeddings.position_embedding.weight",
        **_pairs("ln_final", f"{text}.final_layer_norm"),
        "logit_scale": "logit_scale",
    }
    return {
        **_as_wanted(wanted),
        "visual.proj": TensorSpec(("visual_projection.weight",), is_transposed=True),
        "text_projection": TensorSpec(("text_projection.weight",), is_transposed=True),
        **_blocks("visual.transformer", f"{image}.encoder", architecture.image.layers),
        **_blocks("transformer", f"{text}.encoder", architecture.text.layers),
    }


def huggingface_siglip(architecture: SiglipArchitecture) -> dict[str, TensorSpec]:
    """Return the tensors of ``transformers``' ``SiglipModel``."""
    text, image, head = "text_model", "vision_model", "vision_model.head"
    wanted = {
        **_pairs("visual.conv1", f"{image}.embeddings.patch_embedding"),
        "visual.positional_embedding": f"{image}.embeddings.position_embedding.weight",
        **_pairs("visual.ln_post", f"{image}.post_layernorm"),
        "visual.pool.attn.in_proj_weight": f"{head}.attention.in_proj_weight",
        "visual.pool.attn.in_proj_bias": f"{head}.attention.in_proj_bias",
        **_pairs("visual.pool.attn.out_proj", f"{head}.attention.out_proj"),
        **_pairs("visual.pool.ln", f"{head}.layernorm"),
        **_pairs("visual.pool.mlp.c_fc", f"{head}.mlp.fc1"),
        **_pairs("visual.pool.mlp.c_proj", f"{head}.mlp.fc2"),
        "token_embedding.weight": f"{text}.embeddings.token_embedding.weight",
        "positional_embedding": f"{text}.embeddings.position_embedding.weight",
        **_pairs("ln_final", f"{text}.final_layer_norm"),
        **_pairs("text_projection", f"{text}.head"),
    }
    flat = {
        "visual.pool.probe": f"{head}.probe",
        "logit_scale": "logit_scale",
        "logit_bias": "logit_bias",
    }
    return {
        **_as_wanted(wanted),
        **{ours: TensorSpec((theirs,), is_flat=True) for ours, theirs in flat.items()},
        **_blocks("visual.transformer", f"{image}.encoder", architecture.image.layers),
        **_blocks("transformer", f"{text}.encoder", architecture.text.layers),
    }


def _blocks(ours: str, theirs: str, layers: int) -> dict[str, TensorSpec]:
    wanted: dict[str, TensorSpec] = {}
    for i in range(layers):
        block, layer = f"{ours}.resblocks.{i}", f"{theirs}.layers.{i}"
        for tensor in TENSORS:
            parts = tuple(f"{layer}.self_attn.{part}_proj.{tensor}" for part in "qkv")
            wanted[f"{block}.attn.in_proj_{tensor}"] = TensorSpec(parts)
        for part, their_part in BLOCK.items():
            wanted |= _as_wanted(_pairs(f"{block}.{part}", f"{layer}.{their_part}"))
    return wanted


def _pairs(ours: str, theirs: str) -> dict[str, str]:
    return {f"{ours}.{tensor}": f"{theirs}.{tensor}" for tensor in TENSORS}


def _as_wanted(names: dict[str, str]) -> dict[str, TensorSpec]:
    return {ours: TensorSpec((theirs,)) for ours, theirs in names.items()}
