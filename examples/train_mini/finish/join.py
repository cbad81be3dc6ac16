"""One model folder of a trunk, a head and a text tower.

    python -m finish.join --trunk TRUNK.pth --head work/head.pt --reader MODEL --out work/mini

Then ``python -m clipcli.encoder.onnx.export work/mini`` writes the graph beside the weights.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path

import torch

from clipcli.encoder.torch.load import stored_tensors
from clipcli.models.folder import write_model_folder
from clipcli.models.formats.efficientnet import read_trunk
from clipcli.models.formats.tensor_map import read_weights
from clipcli.models.resolve import open_named
from clipcli.models.tokenizer.vocabulary import read_vocabulary
from clipcli.training.trunk import trunk_model, trunk_weights

LICENCE = "trunk: Apache-2.0, see NOTICE; the rest: MIT as far as ours; see MODEL_CARD.md"


def main() -> None:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("trunk", "head", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--reader", required=True, help="model whose text tower it is")
    parser.add_argument("--card", type=Path)
    parser.add_argument("--size", type=int, default=192, help="pixels; larger than in training")
    parser.add_argument("--scale", type=float, default=17.0, help="from finish/strangers.py")
    options = parser.parse_args()
    reader, trunk = open_named(options.reader), read_trunk(read_weights(options.trunk))
    model = trunk_model(trunk, reader)
    head = torch.load(options.head, weights_only=True)
    tensors = trunk_weights(trunk, model, reader, seed=0, source=str(options.trunk))
    tensors |= {f"visual.head.{name}": tensor for name, tensor in head.items()}
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
