"""A toy world: coloured things on noise, the words for them, and a small network to learn it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from clipcli.encoder.torch.locators.glip import Glip
from clipcli.models.locators.glip import GlipArchitecture
from tests.encoder.torch.locators.glip_weights import SIZES, STRIDES

COLOURS = {"red": (220, 30, 40), "green": (30, 190, 50), "blue": (40, 60, 230)}
NAMES = tuple(COLOURS)
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", ",", "a", "thing", *NAMES]
SIDE_PX = 128


def draw(path: Path, rng: np.random.Generator) -> list[tuple[str, tuple[int, int, int, int]]]:
    """Write a picture of one or two things; return each one's name and left, top, width, height."""
    pixels = rng.integers(90, 160, (SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    things = []
    halves = rng.permutation([0, 64])[: int(rng.integers(1, 3))]
    for name, left in zip(rng.permutation(NAMES), halves, strict=False):
        width, height = (int(n) for n in rng.integers(36, 62, 2))
        x, y = int(left + rng.integers(0, 64 - width + 1)), int(rng.integers(0, 128 - height))
        pixels[y : y + height, x : x + width] = COLOURS[str(name)]
        things.append((str(name), (x, y, width, height)))
    Image.fromarray(pixels).save(path)
    return things


def write_world(folder: Path, n: int, seed: int) -> Path:
    """Write pictures and their annotations in COCO's form; return the file."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for i in range(n):
        images.append({"id": i, "file_name": f"{i}.png", "width": SIDE_PX, "height": SIDE_PX})
        for name, box in draw(folder / f"{i}.png", rng):
            one = {"image_id": i, "category_id": NAMES.index(name) + 1, "bbox": box}
            annotations.append(one | {"id": len(annotations), "area": box[2] * box[3]})
    categories = [{"id": i + 1, "name": name} for i, name in enumerate(NAMES)]
    data = {"images": images, "annotations": annotations, "categories": categories}
    path = folder / "boxes.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def beginning() -> Glip:
    """Return a small network with the weights that training of such networks begins from."""
    shape = GlipArchitecture(
        width=16,
        depths=(1, 1, 1, 1),
        heads=(1, 2, 2, 4),
        window=4,
        channels=32,
        tower_depth=1,
        is_fused=True,
        text_width=64,
        text_layers=1,
        text_mlp_width=64,
        vocab_size=len(WORDS),
        context_length=64,
    )
    torch.manual_seed(0)
    network = Glip(shape)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            leaf = name.rpartition(".")[2]
            if ".offset." in name or (leaf == "bias" and parameter.ndim == 1):
                parameter.zero_()
            elif leaf in ("gamma_v", "gamma_l"):
                parameter.fill_(1 / 8)
            elif "norm" in name.lower() or ".bn." in name or ".scales." in name:
                parameter.fill_(1.0)
            elif "relative_position_bias_table" in name or "embeddings" in name:
                nn.init.normal_(parameter, std=0.5)
            elif leaf in ("log_scale", "bias_lang"):
                parameter.zero_()
            elif leaf == "bias0":
                parameter.fill_(-4.6)  # one of a hundred fits
            else:
                nn.init.kaiming_normal_(parameter.flatten(1), nonlinearity="linear")
        for i, (size, stride) in enumerate(zip(SIZES, STRIDES, strict=True)):
            low, high = (stride - size) / 2, (stride + size) / 2 - 1
            network.rpn["anchor_generator"].cell_anchors.get_buffer(str(i)).copy_(
                torch.tensor([[low, low, high, high]])
            )
    return network


def write_beginning(folder: Path) -> Path:
    """Write that network as a model folder."""
    folder.mkdir(parents=True)
    tensors = {name: tensor.clone() for name, tensor in beginning().state_dict().items()}
    save_file(tensors, folder / "model.safetensors")
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    sides = {"model_type": "glip", "short_px": SIDE_PX, "long_px": 2 * SIDE_PX}
    (folder / "config.json").write_text(json.dumps(sides), encoding="utf-8")
    return folder
