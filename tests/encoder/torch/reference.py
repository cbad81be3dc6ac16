"""Small models as other libraries save them, and what those libraries compute with them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from clipcli.models.open import open_model
from clipcli.models.tokenizer.vocabulary import Vocabulary
from clipcli.pipeline.scoring import ScoringRules, probabilities

VOCABULARY = Vocabulary.from_merges([("c", "a"), ("ca", "t</w>")])  # 512 + 2 + 2 tokens
PROMPTS = ["a cat", "two dogs", "cat and cat"]
Rows = NDArray[np.float32]


@dataclass(frozen=True)
class Answers:
    """What a model says about pictures and prompts."""

    images: Rows  # (n, d) unit rows
    texts: Rows  # (p, d) unit rows
    logits: NDArray[Any]  # (n, p)
    probabilities: NDArray[Any]  # (n, p)

    def deviations(self, other: Answers) -> dict[str, float]:
        """Return the largest difference of each part."""
        return {
            name: float(np.abs(getattr(self, name) - getattr(other, name)).max())
            for name in ("images", "texts", "logits", "probabilities")
        }


def ours(path: Path, pixels: NDArray[np.uint8], prompts: list[str], **given: Any) -> Answers:
    """Answer with what we read from ``path``, in fp32 on the CPU."""
    from clipcli.encoder.encoder import ModelEncoder

    source = open_model(path, **given)
    encoder = ModelEncoder(source, "cpu", "fp32", "torch")
    images, texts = encoder.encode_images(pixels), encoder.encode_texts(prompts)
    config = source.config
    rules = ScoringRules((), config.logit_scale, config.logit_bias, config.scoring)
    cosines = images.astype(float) @ texts.astype(float).T  # (n, p)
    logits = cosines * config.logit_scale + config.logit_bias
    return Answers(images, texts, logits, probabilities(cosines, rules))


def golden(folder: Path) -> Answers:
    """Return what was recorded beside a golden checkpoint."""
    told = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    return Answers(**{name: np.array(told[name]) for name in told})


def waves(size: int) -> NDArray[np.uint8]:
    """Return two pictures (2, size, size, 3) of smooth waves."""
    from tests.golden.make_openclip_files import pixels

    return pixels(size).numpy()


def build_clip(seed: int = 0, activation: str = "quick_gelu") -> Any:
    """Build a small CLIPModel of transformers; no weight of it is idle."""
    from transformers import CLIPConfig, CLIPModel

    sizes = {"intermediate_size": 64, "num_hidden_layers": 2, "hidden_act": activation}
    text = {"hidden_size": 32, "num_attention_heads": 2, "vocab_size": len(VOCABULARY.ids)}
    text |= {"max_position_embeddings": 20, "bos_token_id": 514, "eos_token_id": 515}
    image = {"hidden_size": 48, "num_attention_heads": 3, "image_size": 32, "patch_size": 8}
    torch.manual_seed(seed)
    config = CLIPConfig(text_config=text | sizes, vision_config=image | sizes, projection_dim=24)
    return make_restless(CLIPModel(config).eval())


def build_siglip(vocab_size: int, image_size: int = 30, text_width: int = 32) -> Any:
    """Build a small SiglipModel of transformers; no weight of it is idle."""
    from transformers import SiglipConfig, SiglipModel

    sizes = {"intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {"hidden_size": text_width, "vocab_size": vocab_size, "projection_size": 32}
    text |= {"bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0}
    image = {"hidden_size": 32, "image_size": image_size, "patch_size": 8}
    torch.manual_seed(1)
    config = SiglipConfig(text_config=text | sizes, vision_config=image | sizes)
    model = make_restless(SiglipModel(config).eval())
    with torch.no_grad():
        model.logit_scale.fill_(2.0)
        model.logit_bias.fill_(-3.0)
    return model


def make_restless(model: Any) -> Any:
    """Move everything that starts at zero or one."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim:
                parameter.add_(0.1 * torch.randn_like(parameter).abs())
    return model


@torch.no_grad()
def transformers_answers(model: Any, inputs: dict[str, Any], *, is_siglip: bool) -> Answers:
    """Answer as ``transformers`` does."""
    out = model(**inputs)
    logits = out.logits_per_image.double()
    chances = logits.sigmoid() if is_siglip else logits.softmax(dim=1)
    return Answers(
        out.image_embeds.numpy(), out.text_embeds.numpy(), logits.numpy(), chances.numpy()
    )


def save_clip_tokenizer(folder: Path, kind: str = "tokenizer.json") -> None:
    """Save the tokenizer as ``transformers`` does now, or as it did."""
    from transformers import CLIPTokenizer

    if kind == "tokenizer.json":
        merges = list(VOCABULARY.merges)
        CLIPTokenizer(vocab=dict(VOCABULARY.ids), merges=merges).save_pretrained(folder)
        return
    merges_text = "\n".join(["#version: 0.2", *(f"{a} {b}" for a, b in VOCABULARY.merges), ""])
    (folder / "merges.txt").write_text(merges_text, encoding="utf-8")
    (folder / "vocab.json").write_text(json.dumps(dict(VOCABULARY.ids)), encoding="utf-8")


def save_clip(model: Any, folder: Path, weights: str = "safetensors") -> Path:
    """Save a CLIPModel with all that belongs to it, in one of the ways weights are stored."""
    from transformers import CLIPImageProcessorPil

    size = model.config.vision_config.image_size
    if weights == "shards":
        model.save_pretrained(folder, max_shard_size="100KB")
    else:
        model.save_pretrained(folder)
    if weights in ("bin", "old bin"):
        (folder / "model.safetensors").unlink()
        state = model.state_dict()
        state["text_model.embeddings.position_ids"] = torch.arange(20).expand(1, -1)
        is_zip = weights == "bin"
        torch.save(state, folder / "pytorch_model.bin", _use_new_zipfile_serialization=is_zip)
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": size}, crop_size={"height": size, "width": size}
    )
    processor.save_pretrained(folder)
    save_clip_tokenizer(folder, "merges.txt" if weights == "old bin" else "tokenizer.json")
    return folder


class QuickGELU(torch.nn.Module):
    """Has no weights, and so would leave no trace but its name."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid(1.702 * x)


class Part(torch.nn.Module):
    """A module that holds what its names say."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def save_openai_archive(state: dict[str, torch.Tensor], path: Path) -> Path:
    """Save a TorchScript archive of modules in OpenAI's structure, in fp16 as released ones are."""
    root = Part()
    for name, tensor in state.items():
        *owners, last = name.split(".")
        module = root
        for owner in owners:
            if owner not in module._modules:
                module.add_module(owner, Part())
            module = module._modules[owner]  # type: ignore[assignment]
        value = tensor.half() if tensor.is_floating_point() else tensor
        is_statistic = last.startswith(("running_", "num_"))
        if is_statistic:
            module.register_buffer(last, value)
        else:
            module.register_parameter(last, torch.nn.Parameter(value, requires_grad=False))
        if last == "bias" and owners[-1] == "c_fc":
            mlp = root.get_submodule(".".join(owners[:-1]))
            if "gelu" not in mlp._modules:
                mlp.add_module("gelu", QuickGELU())
    for name, number in (("input_resolution", 32), ("context_length", 16), ("vocab_size", 516)):
        root.register_buffer(name, torch.tensor(number))
    torch.jit.save(torch.jit.script(root), str(path))
    return path
