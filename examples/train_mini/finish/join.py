"""One model folder of a trunk, a head and a text tower.

    python -m finish.join --trunk TRUNK.pth --tail work/tail.pt --reader MODEL --out work/mini

``--head`` in the place of ``--tail`` leaves the trunk as it was published. Afterwards
``python -m clipcli.encoder.onnx.export work/mini`` writes the graph beside the weights.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from clipcli.encoder.torch.efficientnet import NORM_EPS
from clipcli.encoder.torch.load import stored_tensors
from clipcli.models.folder import write_model_folder
from clipcli.models.formats.efficientnet import read_trunk
from clipcli.models.formats.tensor_map import read_weights
from clipcli.models.resolve import open_named
from clipcli.models.tokenizer.vocabulary import read_vocabulary
from clipcli.training.trunk import trunk_model, trunk_weights

LICENCE = "trunk: Apache-2.0, see NOTICE; the rest: MIT as far as ours; see MODEL_CARD.md"

NORM_BEHIND = {"conv_pw": "bn1", "conv_dw": "bn2", "conv_pwl": "bn3", "conv_head": "bn2"}


def with_norms(folded: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give the biases of folded convolutions to batch norms that do nothing else."""
    tensors = {}
    for name, tensor in folded.items():
        layer, kind = name.rsplit(".", 1)
        if kind == "weight":
            tensors[name] = tensor
            continue
        *block, conv = layer.split(".")
        norm = ".".join([*block, NORM_BEHIND[conv]])
        ones = torch.ones_like(tensor)
        state = {
            "weight": ones,
            "bias": tensor,
            "running_mean": 0 * ones,
            "running_var": (1 - NORM_EPS) * ones,
        }
        tensors |= {f"{norm}.{part}": value for part, value in state.items()}
    return tensors


def main() -> None:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("trunk", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    trained = parser.add_mutually_exclusive_group(required=True)
    trained.add_argument("--tail", type=Path, help="last stages and head, of train/tail.py")
    trained.add_argument("--head", type=Path, help="the head alone, of train/head.py")
    parser.add_argument("--reader", required=True, help="model whose text tower it is")
    parser.add_argument("--card", type=Path)
    parser.add_argument("--size", type=int, default=192, help="pixels; larger than in training")
    parser.add_argument("--scale", type=float, default=18.5, help="from finish/strangers.py")
    options = parser.parse_args()
    reader, trunk = open_named(options.reader), read_trunk(read_weights(options.trunk))
    model = trunk_model(trunk, reader)
    if options.tail:
        tail = torch.load(options.tail, weights_only=True)
        head, stages = tail["head"], with_norms(tail["stages"])
    else:
        head, stages = torch.load(options.head, weights_only=True), {}
    tensors = trunk_weights(trunk, model, reader, seed=0, source=str(options.trunk))
    tensors |= {f"visual.head.{name}": tensor for name, tensor in head.items()}
    tensors |= {f"visual.{name}": tensor for name, tensor in stages.items()}
    tensors["logit_scale"] = torch.tensor(math.log(options.scale))
    width = len(head["widen.bias"])
    image = replace(model.architecture.image, image_size=options.size, hidden_width=width)
    config = replace(
        model,
        name="mini",
        architecture=replace(model.architecture, image=image),
        preprocessing=replace(model.preprocessing, size=options.size),
        logit_scale=tensors["logit_scale"].half().double().exp().item(),
        licence=LICENCE,
        source="EfficientNet-Lite0's trunk with a head trained by clipcli, see MODEL_CARD.md",
    )
    card = options.card.read_text(encoding="utf-8") if options.card else "# mini\n"
    vocabulary = read_vocabulary(reader.tokenizer_path)
    stored = stored_tensors(tensors, torch.float16)
    write_model_folder(options.out, stored, config, vocabulary, card, overwrite=True)


if __name__ == "__main__":
    main()
