"""Small Grounding DINOs of transformers, with random weights of no idle part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

SHORT, LONG = 96, 160  # pixels
SPECIAL = {
    0: "[PAD]",
    100: "[UNK]",
    101: "[CLS]",
    102: "[SEP]",
    103: "[MASK]",
    1012: ".",
    1029: "?",
}
WORDS = ("cat", "dog", "remote", "control", "red", "##s", "a", "on", "grass", "st", "bernard", ",")
N_WORDS = 1100


def build(kind: str, **changes: Any) -> Any:
    """Build a reference: MM's with three maps (``tiny``) or four (``large``), or ``original``."""
    import transformers

    first = 1 if kind == "large" else 2
    swin = transformers.SwinConfig(
        embed_dim=16,
        depths=[1, 2, 2, 1],
        num_heads=[1, 2, 2, 4],
        window_size=4,
        out_features=[f"stage{i}" for i in range(first, 5)],
    )
    bert = transformers.BertConfig(
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        vocab_size=N_WORDS,
    )
    sizes = {
        "backbone_config": swin,
        "text_config": bert,
        "d_model": 64,
        "encoder_layers": 2,
        "decoder_layers": 3,
        "encoder_ffn_dim": 128,
        "decoder_ffn_dim": 96,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 8,
        "encoder_n_points": 3,
        "num_queries": 40,
        "num_feature_levels": 5 if kind == "large" else 4,
    }
    if kind == "original":
        config = transformers.GroundingDinoConfig(**sizes | changes)
        model = transformers.GroundingDinoForObjectDetection(config)
    else:
        own = {"decoder_bbox_embed_share": False, "decoder_cls_embed_share": False}
        config = transformers.MMGroundingDinoConfig(**sizes | own | changes)
        model = transformers.MMGroundingDinoForObjectDetection(config)
    _fill(model)
    return model.eval()


def write(model: Any, folder: Path) -> None:
    """Write a folder as the hub has it."""
    model.save_pretrained(folder)
    told = {
        "size": {"shortest_edge": SHORT, "longest_edge": LONG},
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
        "do_pad": True,
        "resample": 2,
        "rescale_factor": 0.00392156862745098,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(told), encoding="utf-8")
    (folder / "vocab.txt").write_text("\n".join(vocabulary()) + "\n", encoding="utf-8")


def vocabulary() -> list[str]:
    """Return words at the numbers that transformers takes for granted."""
    words = [SPECIAL.get(i, f"unused{i}") for i in range(N_WORDS)]
    words[200 : 200 + len(WORDS)] = WORDS
    return words


def _fill(model: Any) -> None:
    torch.manual_seed(1)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            drawn = torch.randn_like(tensor)
            if tensor.ndim < 2:
                is_gain = name.endswith("weight")
                tensor.copy_(drawn * 0.2 + is_gain)
            else:
                tensor.copy_(drawn / tensor[0].numel() ** 0.5)
