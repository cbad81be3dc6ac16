"""Turn the image tower towards the text tower as it has become.

    python refit.py --config mini.yaml --image checkpoints --text checkpoints \
        --targets targets.npz --out DIR

Writes ``targets.npz`` with the student's own vectors (averaged over the default templates) and a
checkpoint of the image run whose last layer is followed by the linear map from the teacher's
vectors to the student's. Put both in the place of the run's own, and let it go on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from build import newest
from target_vectors import LONGEST_NAME
from torch import Tensor

from clipcli.model.text import TextTower
from clipcli.prompts import load_templates
from clipcli.tokenizer import Tokenizer
from clipcli.training.checkpoint import read_checkpoint, write_checkpoint
from clipcli.training.configfile import read_config
from clipcli.training.objectives import pad_tokens
from clipcli.training.start import starting_point

BATCH = 256
RIDGE = 1.0  # beside a few thousand names


@torch.no_grad()
def student_rows(tower: TextTower, tokenizer: Tokenizer, texts: list[str]) -> Tensor:
    """Return unit rows (n, d): names averaged over the default templates, sentences as written."""
    templates = load_templates("photo")
    groups = [
        [text] if len(text.split()) > LONGEST_NAME else [t.replace("{}", text) for t in templates]
        for text in texts
    ]
    ids = [tokenizer.tokenize(prompt).ids for group in groups for prompt in group]
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    rows = torch.empty(len(ids), tower.text_projection.shape[1])
    for start in range(0, len(order), BATCH):
        own = order[start : start + BATCH]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = tower.encode_text(pad_tokens([ids[i] for i in own]))
        rows[own] = F.normalize(found.float(), dim=1)
    parts = rows.split([len(group) for group in groups])
    return F.normalize(torch.stack([part.mean(dim=0) for part in parts]), dim=1)


def linear_map(teacher: Tensor, student: Tensor) -> Tensor:
    """Return the matrix (d, d) that takes teacher rows (n, d) nearest to student rows (n, d).

    It is pulled towards the identity where names say little.
    """
    d = teacher.shape[1]
    gram = teacher.T @ teacher + RIDGE * torch.eye(d)  # (d, d)
    return torch.linalg.solve(gram, teacher.T @ student + RIDGE * torch.eye(d))


def turn(state: dict[str, Tensor], matrix: Tensor) -> None:
    """Let the image tower's last layer end in the map: rows x become x @ matrix."""
    for name in ("weight", "bias"):
        key = f"clip.visual.attnpool.c_proj.{name}"
        state[key] = matrix.T @ state[key]  # (d, width) or (d,)


def main() -> None:
    """Write the vectors and the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--targets", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    start = starting_point(read_config(arguments.config), None)
    shape = start.model.architecture
    tower = TextTower(shape.text, shape.embed_dim, shape.activation)
    tower.load_state_dict(read_checkpoint(newest(arguments.text))["tower"])
    table = np.load(arguments.targets)
    texts = table["texts"].tolist()
    teacher = F.normalize(torch.from_numpy(table["vectors"].astype(np.float32)), dim=1)
    student = student_rows(tower, start.tokenizer, texts)
    matrix = linear_map(teacher, student)
    turned = F.normalize(teacher @ matrix, dim=1)
    print(f"cosine to the student: {(teacher * student).sum(1).mean():.3f} before the map,")
    print(f"{(turned * student).sum(1).mean():.3f} after it")
    arguments.out.mkdir(parents=True, exist_ok=True)
    np.savez(arguments.out / "targets.npz", texts=table["texts"], vectors=student.numpy())
    state = read_checkpoint(newest(arguments.image))
    turn(state["student"], matrix)
    step = state.pop("step")
    print(write_checkpoint(arguments.out / "checkpoints", step, state, keep=1))


if __name__ == "__main__":
    main()
