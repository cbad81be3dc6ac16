"""The vision transformers and the text tower against Hugging Face's CLIPModel, random weights."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from clipcli.encoder.torch.clip import CLIP
from clipcli.models.config import Activation, Architecture, VisionTransformer
from clipcli.models.formats.openai import RELEASED

from .conftest import make_restless, random_tokens

transformers = pytest.importorskip("transformers")

BLOCK_NAMES = {
    "attn.out_proj": "self_attn.out_proj",
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
NAMES = {
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",  # their spelling
    "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "visual.ln_post.weight": "vision_model.post_layernorm.weight",
    "visual.ln_post.bias": "vision_model.post_layernorm.bias",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias",
    "logit_scale": "logit_scale",
}


def to_transformers(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename our tensors, which are OpenAI's, to those of transformers."""
    renamed = {
        "visual_projection.weight": state["visual.proj"].T,
        "text_projection.weight": state["text_projection"].T,
    }
    for name, tensor in state.items():
        block = re.fullmatch(r"(visual\.)?transformer\.resblocks\.(\d+)\.(.+)", name)
        if block is None:
            if name in NAMES:
                renamed[NAMES[name]] = tensor
            continue
        tower = "vision_model" if block[1] else "text_model"
        prefix, part = f"{tower}.encoder.layers.{block[2]}", block[3]
        if part.startswith("attn.in_proj_"):
            kind = part.removeprefix("attn.in_proj_")
            for letter, third in zip("qkv", tensor.chunk(3), strict=True):
                renamed[f"{prefix}.self_attn.{letter}_proj.{kind}"] = third
        else:
            ours, kind = part.rsplit(".", 1)
            renamed[f"{prefix}.{BLOCK_NAMES[ours]}.{kind}"] = tensor
    return renamed


def reference(model: CLIP) -> torch.nn.Module:
    """Build transformers' CLIPModel with the weights of ours."""
    architecture = model.architecture
    image, text = architecture.image, architecture.text
    assert isinstance(image, VisionTransformer)
    config = transformers.CLIPConfig(
        projection_dim=architecture.embed_dim,
        vision_config={
            "image_size": image.image_size,
            "patch_size": image.patch_size,
            "hidden_size": image.width,
            "intermediate_size": image.mlp_width,
            "num_hidden_layers": image.layers,
            "num_attention_heads": image.heads,
            "hidden_act": architecture.activation,
            "projection_dim": architecture.embed_dim,
        },
        text_config={
            "vocab_size": text.vocab_size,
            "max_position_embeddings": text.context_length,
            "hidden_size": text.width,
            "intermediate_size": text.mlp_width,
            "num_hidden_layers": text.layers,
            "num_attention_heads": text.heads,
            "hidden_act": architecture.activation,
            "projection_dim": architecture.embed_dim,
            "bos_token_id": text.vocab_size - 2,
            "eos_token_id": text.vocab_size - 1,
        },
    )
    with torch.device("meta"):
        made = transformers.CLIPModel(config)
    made.load_state_dict(to_transformers(model.state_dict()), assign=True)
    for tower, length in (
        (made.text_model, text.context_length),
        (made.vision_model, (image.image_size // image.patch_size) ** 2 + 1),
    ):
        tower.embeddings.position_ids = torch.arange(length)[None]  # a buffer without weights
    return made.eval()


def shallow(name: str, activation: Activation = "quick_gelu") -> Architecture:
    """Return a released architecture at its full widths with two layers and few tokens."""
    released = RELEASED[name]
    return replace(
        released,
        image=replace(released.image, layers=2),
        text=replace(released.text, layers=2, vocab_size=600),
        activation=activation,
    )


@pytest.mark.parametrize(
    "architecture",
    [
        pytest.param(shallow("ViT-B/32"), id="B/32"),
        pytest.param(shallow("ViT-B/16"), id="B/16"),
        pytest.param(shallow("ViT-L/14"), id="L/14"),
        pytest.param(shallow("ViT-L/14@336px"), id="L/14@336"),
        pytest.param(shallow("ViT-B/32", "gelu"), id="B/32 with gelu"),
        pytest.param(RELEASED["ViT-B/32"], id="B/32 at full size"),
    ],
)
def test_embeddings_and_logits_equal_those_of_transformers(architecture: Architecture) -> None:
    torch.manual_seed(0)
    model = CLIP(architecture).eval()
    make_restless(model)
    size = architecture.image.image_size
    pixels = torch.randn(1, 3, size, size)
    tokens = random_tokens(2, architecture.text.context_length, architecture.text.vocab_size)

    with torch.inference_mode():
        images, texts = model.encode_image(pixels), model.encode_text(tokens)
        logits = model(pixels, tokens)
        expected = reference(model)(input_ids=tokens, pixel_values=pixels)

    torch.testing.assert_close(F.normalize(images), expected.image_embeds, atol=1e-5, rtol=0)
    torch.testing.assert_close(F.normalize(texts), expected.text_embeds, atol=1e-5, rtol=0)
    torch.testing.assert_close(logits, expected.logits_per_image, atol=1e-5, rtol=0)
