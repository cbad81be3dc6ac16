"""The catalogue against what published repositories' own configuration files say.

What they say was read on https://huggingface.co, in the repositories that the tests name; here it
is without line breaks.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clipcli.models.catalog.catalog import find_entry
from clipcli.models.config import SiglipArchitecture
from clipcli.models.formats.huggingface import read_clip, read_siglip
from clipcli.models.formats.json_reader import JsonObject
from clipcli.models.formats.openclip import read_openclip
from clipcli.models.formats.preprocessor import read_openclip_preprocess, read_preprocessor
from clipcli.models.formats.tensor_map import WeightsFile
from clipcli.models.formats.tokenizer_files import SiglipTokens

CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
CLIP_STD = [0.26862954, 0.26130258, 0.27577711]
USUAL = {
    "mean": CLIP_MEAN,
    "std": CLIP_STD,
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}


def text(width: int, heads: int, layers: int = 12) -> dict[str, int]:
    return {
        "context_length": 77,
        "vocab_size": 49408,
        "width": width,
        "heads": heads,
        "layers": layers,
    }


# open_clip_config.json: model_cfg and preprocess_cfg.
OPENCLIP: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "timm/vit_base_patch32_clip_224.openai": (
        {
            "embed_dim": 512,
            "quick_gelu": True,
            "vision_cfg": {"image_size": 224, "layers": 12, "width": 768, "patch_size": 32},
            "text_cfg": text(512, 8),
        },
        USUAL,
    ),
    "timm/resnet50_clip.openai": (
        {
            "quick_gelu": True,
            "embed_dim": 1024,
            "vision_cfg": {
                "image_size": 224,
                "layers": [3, 4, 6, 3],
                "width": 64,
                "patch_size": None,
            },
            "text_cfg": text(512, 8),
        },
        USUAL,
    ),
    "timm/resnet50x64_clip.openai": (
        {
            "embed_dim": 1024,
            "vision_cfg": {
                "image_size": 448,
                "layers": [3, 15, 36, 10],
                "width": 128,
                "patch_size": None,
            },
            "text_cfg": text(1024, 16),
            "quick_gelu": True,
        },
        USUAL,
    ),
    "laion/CLIP-ViT-B-16-laion2B-s34B-b88K": (
        {
            "embed_dim": 512,
            "vision_cfg": {"image_size": 224, "layers": 12, "width": 768, "patch_size": 16},
            "text_cfg": text(512, 8),
        },
        {"mean": CLIP_MEAN, "std": CLIP_STD},
    ),
    "apple/DFN5B-CLIP-ViT-H-14-378": (
        {
            "embed_dim": 1024,
            "quick_gelu": True,
            "vision_cfg": {
                "image_size": 378,
                "layers": 32,
                "width": 1280,
                "head_width": 80,
                "patch_size": 14,
            },
            "text_cfg": text(1024, 16, 24),
        },
        {**USUAL, "resize_mode": "squash"},
    ),
}
# config.json of CLIPModel and SiglipModel.
METACLIP_L14 = {
    "model_type": "clip",
    "projection_dim": 768,
    "text_config": {
        "hidden_size": 768,
        "intermediate_size": 3072,
        "model_type": "clip_text_model",
        "num_attention_heads": 12,
    },
    "vision_config": {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "model_type": "clip_vision_model",
        "num_attention_heads": 16,
        "num_hidden_layers": 24,
        "patch_size": 14,
    },
}
SO400M = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_attention_heads": 16,
    "num_hidden_layers": 27,
}
SIGLIPS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "google/siglip2-base-patch16-512": (
        {
            "model_type": "siglip",
            "text_config": {"model_type": "siglip_text_model", "vocab_size": 256000},
            "vision_config": {"image_size": 512, "model_type": "siglip_vision_model"},
        },
        {"resample": 2, "size": {"height": 512, "width": 512}},
    ),
    "google/siglip-so400m-patch14-384": (
        {
            "model_type": "siglip",
            "text_config": {**SO400M, "model_type": "siglip_text_model"},
            "vision_config": {
                **SO400M,
                "image_size": 384,
                "model_type": "siglip_vision_model",
                "patch_size": 14,
            },
        },
        {"resample": 3, "size": {"height": 384, "width": 384}},
    ),
    "google/siglip-base-patch16-224": (
        {
            "model_type": "siglip",
            "text_config": {
                "hidden_size": 768,
                "intermediate_size": 3072,
                "model_type": "siglip_text_model",
                "num_attention_heads": 12,
                "vocab_size": 32000,
            },
            "vision_config": {"model_type": "siglip_vision_model", "patch_size": 16},
        },
        {"resample": 3, "size": {"height": 224, "width": 224}},
    ),
}


@pytest.mark.parametrize("repository", OPENCLIP)
def test_is_what_an_openclip_repository_says(repository: str) -> None:
    model, preprocess = OPENCLIP[repository]
    told = JsonObject(
        {"model_cfg": model, "preprocess_cfg": preprocess}, Path("open_clip_config.json")
    )

    architecture = read_openclip(told, WeightsFile(Path("weights"), {}))
    preprocessing = read_openclip_preprocess(
        told.section("preprocess_cfg"), architecture.image.image_size
    )

    entry = find_entry(repository)
    assert entry is not None
    assert (architecture, preprocessing) == (entry.architecture, entry.preprocessing)


def test_is_what_a_huggingface_clip_repository_says() -> None:
    told = JsonObject(METACLIP_L14, Path("config.json"))

    architecture = read_clip(told)

    entry = find_entry("facebook/metaclip-l14-fullcc2.5b")
    assert entry is not None
    assert architecture == entry.architecture


@pytest.mark.parametrize("repository", SIGLIPS)
def test_is_what_a_siglip_repository_says(repository: str, tmp_path: Path) -> None:
    config, processor = SIGLIPS[repository]
    entry = find_entry(repository)
    assert entry is not None
    assert isinstance(entry.architecture, SiglipArchitecture)
    ours = entry.architecture
    tokens = SiglipTokens(ours.text_cleaning, ours.end_token, ours.pad_token)
    path = tmp_path / "preprocessor_config.json"
    half = [0.5, 0.5, 0.5]
    usual = {"do_normalize": True, "do_rescale": True, "do_resize": True}
    usual |= {"image_mean": half, "image_std": half, "rescale_factor": 0.00392156862745098}
    path.write_text(
        json.dumps({"image_processor_type": "SiglipImageProcessor", **usual, **processor}),
        encoding="utf-8",
    )

    architecture = read_siglip(JsonObject(config, Path("config.json")), tokens)
    preprocessing = read_preprocessor(path)

    assert (architecture, preprocessing) == (ours, entry.preprocessing)
