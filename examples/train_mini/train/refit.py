"""Turn the image tower towards the text tower as it has become, and make that its targets.

    python -m train.refit --config train/mini.yaml --next train/mini_move.yaml --data DIR \
        --image checkpoints --text checkpoints --out DIR

Writes ``targets.npz`` with the text tower's own vectors (averaged over the default templates), and
a checkpoint of the image run, made to go on with the second configuration: the tower's last layer
is followed by the linear map from its targets, moved as they may be, to those vectors.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from teacher.target_vectors import LONGEST_NAME
from torch import Tensor
from train.carry import Run, carry, newest, open_run, write

from clipcli.encoder.torch.text import TextTower
from clipcli.labels.templates import load_templates
from clipcli.models.tokenizer.clip import Tokenizer
from clipcli.training.checkpoint import read_checkpoint
from clipcli.training.mini import TextVectors, read_vectors
from clipcli.training.objectives import pad_tokens

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


def moved_vectors(run: Run, state: dict[str, Any]) -> TextVectors:
    """Return the run's targets where they are now."""
    vectors = read_vectors(Path(run.config.targets.vectors))
    shift = state["student"].get("text_shift")
    return vectors if shift is None else vectors.moved(run.table.texts, shift)


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


def read_tower(run: Run, path: Path) -> TextTower:
    """Read the text tower of a distillation's newest checkpoint."""
    shape = run.start.model.architecture
    tower = TextTower(shape.text, shape.embed_dim, shape.activation)
    tower.load_state_dict(read_checkpoint(newest(path))["tower"])
    return tower


def fit(run: Run, teacher: Tensor, student: Tensor, texts: list[str]) -> Tensor:
    """Return the map fitted on what pictures are compared with, and say how well it fits."""
    known = [
        i for i, t in enumerate(texts) if run.table.texts.get(t, -1) in range(run.table.n_fixed)
    ]
    ours, theirs = teacher[known], student[known]
    matrix = linear_map(ours, theirs)
    turned = F.normalize(ours @ matrix, dim=1)
    print(f"{len(known)} names: cosine to the text tower {(ours * theirs).sum(1).mean():.4f}")
    print(f"before the map, {(turned * theirs).sum(1).mean():.4f} after it")
    return matrix


def main() -> None:
    """Write the vectors and the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="as the run is now")
    parser.add_argument("--next", type=Path, required=True, help="as it is to go on")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    run = open_run(arguments.config, arguments.data)
    state = read_checkpoint(newest(arguments.image))
    texts = np.load(run.config.targets.vectors)["texts"].tolist()
    teacher = moved_vectors(run, state).means([[text] for text in texts])
    student = student_rows(read_tower(run, arguments.text), run.start.tokenizer, texts)
    turn(state["student"], fit(run, teacher, student, texts))
    arguments.out.mkdir(parents=True, exist_ok=True)
    np.savez(arguments.out / "targets.npz", texts=np.array(texts), vectors=student.numpy())
    state["student"].pop("text_shift", None)  # the new targets have it in them
    state = carry(state, run, open_run(arguments.next, arguments.data))
    print(write(arguments.out / "checkpoints", state))


if __name__ == "__main__":
    main()
