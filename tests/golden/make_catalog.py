"""This file knows about the golden tensor lists of the catalogue's models.

``python make_catalog.py openclip`` is run by hand where https://github.com/mlfoundations/open_clip
is installed, ``python make_catalog.py transformers`` where transformers is. Both build the models
of the reference's own configurations on the meta device and write ``catalog/*.txt`` beside
themselves: a line ``name axes`` for each tensor, where a run of equal layers is one line,
``{0..11}`` standing for its numbers. OpenAI's nine models have their lists in ``keys/`` already.

Last run with open_clip 3.3.0, transformers 5.23.0 and torch 2.13.0.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
OPENCLIP = [  # names of OpenCLIP's configurations
    *("ViT-B-32-256", "ViT-B-16-plus-240", "ViT-H-14", "ViT-H-14-378"),
    *("ViT-g-14", "ViT-bigG-14"),
]
# https://github.com/wkcn/TinyCLIP/tree/main/src/open_clip/model_configs: patch, vision width,
# vision layers, text width, text layers. The head's width is 64, as everywhere in OpenCLIP then.
TINYCLIP = {
    "TinyCLIP-ViT-8M-16-Text-3M": (16, 256, 10, 256, 3),
    "TinyCLIP-ViT-39M-16-Text-19M": (16, 512, 12, 512, 6),
    "TinyCLIP-ViT-40M-32-Text-19M": (32, 512, 12, 512, 6),
    "TinyCLIP-ViT-61M-32-Text-29M": (32, 640, 12, 512, 9),
}
# https://github.com/google-research/big_vision, models/vit.py (decode_variant): width, layers,
# width of the perceptron, heads.
SIZES = {
    "base": (768, 12, 3072, 12),
    "large": (1024, 24, 4096, 16),
    "so400m": (1152, 27, 4304, 16),
    "giant-opt": (1536, 40, 6144, 16),
}
# configs/proj/image_text/SigLIP_demo.ipynb and SigLIP2_demo.ipynb there: resolution, text size,
# context, vocabulary.
SIGLIP = {
    "siglip-base-patch16-224": (224, "base", 64, 32_000),
    "siglip-base-patch16-256": (256, "base", 64, 32_000),
    "siglip-base-patch16-384": (384, "base", 64, 32_000),
    "siglip-base-patch16-512": (512, "base", 64, 32_000),
    "siglip-base-patch16-256-multilingual": (256, "base", 64, 250_000),
    "siglip-large-patch16-256": (256, "large", 64, 32_000),
    "siglip-large-patch16-384": (384, "large", 64, 32_000),
    "siglip-so400m-patch14-224": (224, "so400m", 16, 32_000),
    "siglip-so400m-patch14-384": (384, "so400m", 64, 32_000),
    "siglip2-base-patch32-256": (256, "base", 64, 256_000),
    "siglip2-base-patch16-224": (224, "base", 64, 256_000),
    "siglip2-base-patch16-256": (256, "base", 64, 256_000),
    "siglip2-base-patch16-384": (384, "base", 64, 256_000),
    "siglip2-base-patch16-512": (512, "base", 64, 256_000),
    "siglip2-large-patch16-256": (256, "large", 64, 256_000),
    "siglip2-large-patch16-384": (384, "large", 64, 256_000),
    "siglip2-large-patch16-512": (512, "large", 64, 256_000),
    "siglip2-so400m-patch14-224": (224, "so400m", 64, 256_000),
    "siglip2-so400m-patch14-384": (384, "so400m", 64, 256_000),
    "siglip2-so400m-patch16-256": (256, "so400m", 64, 256_000),
    "siglip2-so400m-patch16-384": (384, "so400m", 64, 256_000),
    "siglip2-so400m-patch16-512": (512, "so400m", 64, 256_000),
    "siglip2-giant-opt-patch16-256": (256, "so400m", 64, 256_000),
    "siglip2-giant-opt-patch16-384": (384, "so400m", 64, 256_000),
}
NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")
RUN = re.compile(r"\{(\d+)\.\.(\d+)\}")


def fold(shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Return the lines of a golden file: layers that are alike share a line."""
    runs: dict[tuple[str, str], list[int]] = {}
    for name, shape in shapes.items():
        axes = "x".join(map(str, shape)) or "scalar"
        found = NUMBER.search(name)
        pattern = name if found is None else NUMBER.sub("{}", name, count=1)
        runs.setdefault((pattern, axes), []).append(-1 if found is None else int(found[0]))
    lines = []
    for (pattern, axes), numbers in runs.items():
        if numbers == [-1]:
            lines.append(f"{pattern} {axes}\n")
            continue
        assert numbers == list(range(numbers[0], numbers[-1] + 1)), pattern
        run = f"{{{numbers[0]}..{numbers[-1]}}}"
        lines.append(f"{pattern.replace('{}', run)} {axes}\n")
    return sorted(lines)


def unfold(lines: list[str]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield each tensor's name and shape of a golden file's lines."""
    for line in lines:
        name, axes = line.split()
        shape = () if axes == "scalar" else tuple(int(axis) for axis in axes.split("x"))
        found = RUN.search(name)
        if found is None:
            yield name, shape
            continue
        for number in range(int(found[1]), int(found[2]) + 1):
            yield RUN.sub(str(number), name), shape


def write(name: str, model: Any) -> None:
    shapes = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
    told = "".join(fold(shapes))
    assert dict(unfold(told.splitlines())) == shapes
    (HERE / "catalog" / f"{name}.txt").write_text(told, encoding="utf-8", newline="\n")


def write_openclip() -> None:
    import open_clip
    import torch

    folder = Path(open_clip.__file__).parent / "model_configs"
    for name in OPENCLIP:
        config = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        with torch.device("meta"):
            write(name, open_clip.model.CLIP(**config))


def write_transformers() -> None:
    import torch
    from transformers import CLIPConfig, CLIPModel, SiglipConfig, SiglipModel

    with torch.device("meta"):
        for name, sizes in TINYCLIP.items():
            write(name, CLIPModel(CLIPConfig(**tinyclip_config(*sizes))))
        for name, sizes in SIGLIP.items():
            write(name, SiglipModel(SiglipConfig(**siglip_config(name, *sizes))))


def tinyclip_config(
    patch: int, width: int, layers: int, text_width: int, text_layers: int
) -> dict[str, Any]:
    return {
        "projection_dim": 512,
        "vision_config": {**_tower(width, layers, width * 4, width // 64), "patch_size": patch},
        "text_config": _tower(text_width, text_layers, text_width * 4, text_width // 64),
    }


def siglip_config(
    name: str, resolution: int, text_size: str, context: int, vocabulary: int
) -> dict[str, Any]:
    size, patch = re.findall(r"siglip2?-(.+)-patch(\d+)-", name)[0]
    return {
        "vision_config": {
            **_tower(*SIZES[size]),
            "image_size": resolution,
            "patch_size": int(patch),
        },
        "text_config": {
            **_tower(*SIZES[text_size]),
            "max_position_embeddings": context,
            "vocab_size": vocabulary,
            "projection_size": SIZES[size][0],
        },
    }


def _tower(width: int, layers: int, mlp_width: int, heads: int) -> dict[str, int]:
    return {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "intermediate_size": mlp_width,
        "num_attention_heads": heads,
    }


if __name__ == "__main__":
    {"openclip": write_openclip, "transformers": write_transformers}[sys.argv[1]]()
