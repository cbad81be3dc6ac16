"""The trunk's last stages and the head, trained together on what the stages before them see.

    python -m train.tail --maps work/maps --head work/head.pt --reader MODEL --trunk TRUNK.pth \
        --out work/tail.pt

Begins from a trained head, and asks what train/head.py asks: the picture's own name among all
names, and the trunk's 1,000 probabilities. These are of the whole, sharp picture, whichever view is
trained on, so that a coarse picture is named as a sharp one would have been (distillation: Hinton
et al. 2015, arXiv:1503.02531). What comes out is a mean of the weights before and after, which
keeps more of what no source shows (WiSE-FT: Wortsman et al. 2022, arXiv:2109.01903).

Writes the head's state, and the stages' with folded batch norms.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from data.maps import FIRST_STAGES
from data.vectors import Trunk
from torch import Tensor
from train.head import (
    FORBIDDEN,
    SCALE,
    Pictures,
    Targets,
    balance,
    named_pictures,
    read_classifier,
    text_rows,
)
from train.matrices import LastStages

from clipcli.encoder.encoder import load_encoder
from clipcli.encoder.torch.efficientnet import EfficientNetTower, EmbeddingHead

BATCH = 128
RATE = 3e-4  # of the stages
HEAD_RATE = 5 / 3  # times that of the stages
SOFT, GENERAL = 0.6, 0.35  # as in train/head.py
DROPPED = 0.1  # of the features
SHARE = 0.4  # of the trained weights in the mean
WARM_UP = 100  # steps


@dataclass(frozen=True, slots=True)
class Views:
    """Maps of two views a picture, in parts as they were written: (n, 2, c, h, w) float16 each."""

    parts: list[np.ndarray]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def of(self, rows: np.ndarray, views: np.ndarray) -> Tensor:
        """Return (n, c, h * w) bfloat16: of each picture the first view or the second."""
        starts = np.cumsum([0, *map(len, self.parts)])
        numbers = np.searchsorted(starts, rows, side="right") - 1
        chosen = [
            self.parts[part][row - starts[part], view]
            for part, row, view in zip(numbers, rows, views, strict=True)
        ]
        return torch.tensor(np.stack(chosen)).flatten(2).bfloat16()


def read_views(folder: Path, alike: Path, leave_out: set[str]) -> tuple[Views, Pictures]:
    """Read the parts of data/maps.py, without some sources and what resembles a judged picture."""
    resembling = set(alike.read_text(encoding="ascii").split())
    maps, features, captions, concepts = [], [], [], []
    for path in sorted(folder.glob("part-*.npz")):
        with np.load(path) as part:
            kept = (part["role"] == "train") & ~np.isin(part["source"], list(leave_out))
            kept &= [f"{path.stem}:{row}" not in resembling for row in range(len(kept))]
            maps.append(part["maps"][kept])
            features.append(part["features"][kept])
            captions += part["captions"][kept].tolist()
            concepts += part["concepts"][kept].tolist()
    named = named_pictures(np.concatenate(features), captions, concepts)
    return Views(maps), named


@dataclass(frozen=True, slots=True)
class Course:
    """How long, and how far a step goes at most."""

    steps: int
    rate: float  # of the stages

    def share(self, step: int) -> float:
        """Return the part of the rate that a step has: it warms up, and falls to nothing."""
        return min(1, (step + 1) / WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * step / self.steps))


class Teaching:
    """What is asked of a picture: its own name, and what the published trunk sees in it."""

    def __init__(self, pictures: Pictures, options: argparse.Namespace) -> None:
        encoder = load_encoder(options.reader, "cpu")
        classes = json.loads(options.imagenet_names.read_text(encoding="utf-8"))  # 1,000, in order
        self.texts, self.imagenet = text_rows(encoder, pictures.names), text_rows(encoder, classes)
        self.classifier = read_classifier(options.trunk)
        self.targets = Targets(pictures, self.texts, GENERAL, seed=1)
        self.prior = balance(pictures, GENERAL)
        self.features = pictures.features

    def losses(self, rows: np.ndarray, embedded: Tensor) -> tuple[Tensor, Tensor]:
        """Return the two losses of pictures by their numbers and their unit rows (n, d)."""
        whole = torch.tensor(self.features[rows].astype(np.float32))  # (n, 1280)
        own = F.softmax(F.linear(whole, *self.classifier), dim=1)  # (n, 1000)
        chosen, also = self.targets.of(rows)
        logits = SCALE * embedded @ self.texts.T + self.prior  # (n, c)
        named = F.cross_entropy(logits.masked_fill(also, FORBIDDEN), chosen)
        likely = F.log_softmax(SCALE * embedded @ self.imagenet.T, dim=1)  # (n, 1000)
        return named, -(own * likely).sum(dim=1).mean()


def train(
    stages: LastStages, head: EmbeddingHead, views: Views, teaching: Teaching, course: Course
) -> Iterator[tuple[int, np.ndarray]]:
    """Train both; yield, every 250 steps, how many are done and the two mean losses."""
    draw = np.random.default_rng(0)
    groups = [
        {"params": stages.parameters(), "highest": course.rate},
        {"params": head.parameters(), "highest": HEAD_RATE * course.rate},
    ]
    optimiser = torch.optim.AdamW(groups, lr=course.rate, betas=(0.9, 0.98), weight_decay=0.02)
    rounds = 1 + course.steps * BATCH // len(views)
    order = np.concatenate([draw.permutation(len(views)) for _ in range(rounds)])
    losses = []
    for step in range(course.steps):
        for group in optimiser.param_groups:
            group["lr"] = group["highest"] * course.share(step)
        rows = order[step * BATCH : (step + 1) * BATCH]
        features = stages(views.of(rows, draw.integers(2, size=BATCH)))  # (n, 1280)
        named, soft = teaching.losses(rows, F.normalize(head(F.dropout(features, DROPPED)), dim=1))
        optimiser.zero_grad()
        ((1 - SOFT) * named + SOFT * soft).backward()
        torch.nn.utils.clip_grad_norm_(stages.parameters(), 2.0)
        optimiser.step()
        losses.append((named.item(), soft.item()))
        if (step + 1) % 250 == 0 or step + 1 == course.steps:
            yield step + 1, np.mean(losses[-250:], axis=0)


@dataclass(frozen=True, slots=True)
class State:
    """The head's tensors and those of the stages, by the names that the tower gives them."""

    head: dict[str, Tensor]
    stages: dict[str, Tensor]

    @classmethod
    def of(cls, head: EmbeddingHead, tower: EfficientNetTower) -> State:
        """Copy the state."""
        stages = {name: t.clone() for name, t in tower.state_dict().items() if is_trained(name)}
        return cls({name: t.clone() for name, t in head.state_dict().items()}, stages)

    def blended(self, after: State, share: float) -> State:
        """Return the mean of two states, of which the second counts for ``share``."""
        return State(_mean(self.head, after.head, share), _mean(self.stages, after.stages, share))

    def write(self, path: Path) -> None:
        """Write it under a passing name first."""
        partial = path.with_suffix(".partial")
        torch.save({"head": self.head, "stages": self.stages}, partial)
        partial.replace(path)


def is_trained(name: str) -> bool:
    """Say whether a tensor of the tower is of the stages that are trained here."""
    parts = name.split(".")
    return parts[0] == "conv_head" or (parts[0] == "blocks" and int(parts[1]) >= FIRST_STAGES)


def main() -> None:
    """Train, and write the mean of the states before and after."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("maps", "alike", "head", "trunk", "imagenet-names", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--reader", required=True, help="model whose text tower it is")
    parser.add_argument("--leave-out", nargs="*", default=[], help="sources kept for a judgement")
    parser.add_argument("--start", type=Path, help="go on from OUT.last of an earlier run")
    parser.add_argument("--steps", type=int, help="default: each picture once")
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--share", type=float, default=SHARE, help="what the state after counts")
    options = parser.parse_args()
    torch.manual_seed(0)
    views, pictures = read_views(options.maps, options.alike, set(options.leave_out))
    tower, given = Trunk(options.trunk).tower, torch.load(options.head, weights_only=True)
    head = EmbeddingHead(*map(len, (given["widen.bias"], given["proj.bias"])))
    head.load_state_dict(given)
    before = State.of(head, tower)
    if options.start:
        begun = torch.load(options.start, weights_only=True)
        head.load_state_dict(begun["head"])
        tower.load_state_dict(begun["stages"], strict=False)
    stages = LastStages(tower, FIRST_STAGES, views.parts[0].shape[-1])
    steps = options.steps or len(views) // BATCH  # a second look at a picture is learned by heart
    teaching, course = Teaching(pictures, options), Course(steps, options.rate)
    print(f"{len(views)} pictures, {len(pictures.names)} names", flush=True)
    began = time.monotonic()
    for step, (named, soft) in train(stages, head, views, teaching, course):
        seconds = time.monotonic() - began
        print(f"step {step}: named {named:.3f}, soft {soft:.3f}, {seconds:.0f} s", flush=True)
        stages.write_to(tower)
        State.of(head, tower).write(options.out.with_suffix(".last"))
    before.blended(State.of(head, tower), options.share).write(options.out)


def _mean(before: dict[str, Tensor], after: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    return {name: tensor.lerp(after[name], share) for name, tensor in before.items()}


if __name__ == "__main__":
    main()
