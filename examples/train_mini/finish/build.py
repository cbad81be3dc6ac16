r"""Put mini together: an image run's checkpoint, a text tower's checkpoint, one model folder.

python -m finish.build --config train/mini.yaml --image run/checkpoints \
        --text text/checkpoints --out mini
"""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from train.carry import newest

from clipcli.encoder.torch.load import stored_tensors
from clipcli.encoder.torch.resize import resize_positions
from clipcli.models.folder import write_model_folder
from clipcli.training.checkpoint import read_checkpoint
from clipcli.training.config_file import read_config
from clipcli.training.init import starting_point
from clipcli.training.student import Student

LICENCE = "MIT for the weights as far as ours; trained on research data, see MODEL_CARD.md"


def image_tensors(path: Path, student: Student) -> dict[str, Tensor]:
    """Return the image tower's tensors for pictures of the final size."""
    state = read_checkpoint(newest(path))
    plain = state["average"] or state["student"]
    clip = {name.removeprefix("clip."): t for name, t in plain.items() if name.startswith("clip.")}
    trained = student.architecture
    size = state["architecture"]["image"]["image_size"]
    at_size = replace(trained, image=replace(trained.image, image_size=size))
    clip = resize_positions(clip, at_size, trained.image.image_size)
    return {name: tensor for name, tensor in clip.items() if name.startswith("visual.")}


def main() -> None:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--scale", type=float, default=15.0, help="logit scale, from calibrate.py")
    parser.add_argument("--card", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    start = starting_point(read_config(arguments.config), None)
    student = start.student(0, 0)
    tensors = student.clip.state_dict()
    tensors |= image_tensors(arguments.image, student)
    tensors |= read_checkpoint(newest(arguments.text))["tower"]
    tensors["logit_scale"] = torch.tensor(math.log(arguments.scale))
    student.clip.load_state_dict(tensors)
    config = replace(
        start.model,
        name="mini",
        logit_scale=tensors["logit_scale"].half().double().exp().item(),
        licence=LICENCE,
        source="trained from scratch with clipcli, see MODEL_CARD.md",
        fingerprint="",
    )
    card = arguments.card.read_text(encoding="utf-8") if arguments.card else "# mini\n"
    folder = write_model_folder(
        arguments.out,
        stored_tensors(tensors, torch.float16),
        config,
        start.vocabulary,
        card,
        overwrite=True,
    )
    n = sum(tensor.numel() for tensor in tensors.values())
    print(f"{arguments.out}: {n / 1e6:.2f} M numbers, {folder.config.fingerprint[:12]}")


if __name__ == "__main__":
    main()
