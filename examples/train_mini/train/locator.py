"""The small locator on the trunk's maps: where things are, whatever they are called.

    python -m train.locator --boxes work/boxes --model FOLDER [--passes 4]

At each place of the finer map: how much the best box around it is worth, and how far its four sides
are (FCOS: Tian et al. 2019, arXiv:1904.01355). The worth's target is how well the box fits that is
drawn there (generalised focal loss: Li et al. 2020, arXiv:2006.04388). A place in the middle of a
thing belongs to it, to the smallest of several; one elsewhere within it counts for a quarter.

Writes ``locator.safetensors`` into the model's folder, with the hash of the trunk that it is for.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clipcli.encoder.small_boxes import DEEP_UNIT, FINE_UNIT, GROUPS, LONGEST
from clipcli.models.formats.safetensors import RawTensor, tensor_pieces
from clipcli.models.locators.small import (
    BLOCKS,
    KERNEL_PX,
    LOCATOR_NAME,
    OUT,
    TRUNK,
    WIDTH,
    tensor_shapes,
    trunk_hash,
)
from clipcli.models.open import open_model
from clipcli.training.locating.losses import generalised_overlap

BATCH = 8
RATE, DECAY, WARM_UP = 2e-3, 0.02, 100  # AdamW, and the steps until the rate is reached
MEAN_OF = 0.15  # of all steps: about so many are in the mean
MIDDLE = 0.35  # of a thing's half sides: places within belong to it
LEAST = 0.501  # places: so every thing has one
INSIDE = 0.25  # weight of the other places within a thing
# Not every thing has a box in VOC's copy of five names; COCO's pictures have nearly all of theirs,
# and are few.
EMPTY, EMPTY_OF_COCO, TIMES_COCO = 0.5, 1.0, 3


@dataclass(frozen=True, slots=True)
class View:
    """What the trunk saw of a picture, and its boxes in places of the finer map."""

    fine: np.ndarray  # (c, h, w) float16
    deep: np.ndarray  # (c', h/2, w/2) float16
    boxes: np.ndarray  # (n, 4) float32
    is_coco: bool


class Block(nn.Module):
    """What a place's surroundings add to it."""

    def __init__(self) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(WIDTH, WIDTH, KERNEL_PX, padding=KERNEL_PX // 2, groups=WIDTH)
        self.pointwise = nn.Conv2d(WIDTH, WIDTH, 1)
        self.norm = nn.GroupNorm(GROUPS, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """Transform: (n, width, h, w) -> the same."""
        return x + F.relu(self.norm(self.pointwise(self.depthwise(x))))


class Head(nn.Module):
    """The network of clipcli/encoder/small_boxes.py, for training."""

    def __init__(self, n_fine: int, n_deep: int) -> None:
        super().__init__()
        self.fine, self.deep = nn.Conv2d(n_fine, WIDTH, 1), nn.Conv2d(n_deep, WIDTH, 1)
        self.norm = nn.GroupNorm(GROUPS, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(BLOCKS)))
        self.out = nn.Conv2d(WIDTH, OUT, 1)
        nn.init.normal_(self.out.weight, std=0.01)
        # In the beginning few places are worth anything, and boxes are some places wide.
        with torch.no_grad():
            self.out.bias.copy_(torch.tensor([-2.0, 1.2, 1.2, 1.2, 1.2]))

    def forward(self, fine: Tensor, deep: Tensor) -> Tensor:
        """Return a worth's logit and four distances' logarithms: (n, 5, h, w)."""
        wide = F.interpolate(self.deep(deep / DEEP_UNIT), scale_factor=2, mode="bilinear")
        x = F.relu(self.norm(self.fine(fine / FINE_UNIT) + wide))
        told: Tensor = self.out(self.blocks(x))
        return told


def read_views(folder: Path) -> list[View]:
    """Read what data/boxes.py wrote; views without a box teach nothing here."""
    views = []
    for path in sorted(folder.glob("part-*.npz")):
        with np.load(path) as part:
            for i, source in enumerate(part["sources"]):
                boxes = part[f"boxes_{i}"]
                if len(boxes):
                    is_coco = str(source).startswith("coco")
                    views.append(View(part[f"fine_{i}"], part[f"deep_{i}"], boxes, is_coco))
    if not views:
        raise SystemExit(f"{folder}: there is no view with a box; run data/boxes.py first")
    return views


def batches(views: list[View], chance: random.Random) -> Iterator[list[View]]:
    """Yield all views once, and COCO's more often, by lot; those of a batch have one shape."""
    alike = defaultdict(list)
    for view in views:
        alike[view.fine.shape].extend([view] * (TIMES_COCO if view.is_coco else 1))
    found = []
    for group in alike.values():
        chance.shuffle(group)
        found += [group[i : i + BATCH] for i in range(0, len(group), BATCH)]
    chance.shuffle(found)
    yield from found


def middles(height: int, width: int) -> Tensor:
    """Return the middle of each place, across and down: (h w, 2)."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([x, y], dim=-1).view(-1, 2) + 0.5


def losses(told: Tensor, view: View, points: Tensor) -> tuple[Tensor, Tensor]:
    """Return the losses of worths and boxes, of one picture: told (5, h, w)."""
    told, boxes = told.flatten(1).T, torch.from_numpy(view.boxes)  # (h w, 5), (n, 4)
    away = told[:, 1:].clamp(max=LONGEST).exp()
    drawn = torch.cat([points - away[:, :2], points + away[:, 2:]], dim=1)  # (h w, 4)
    low, high, at = boxes[:, :2], boxes[:, 2:], points[:, None]
    reach = ((high - low) / 2 * MIDDLE).clamp(min=LEAST)
    is_middle = ((at - (low + high) / 2).abs() <= reach).all(dim=-1)  # (h w, n)
    areas = torch.where(is_middle, (high - low).prod(dim=-1), torch.inf)
    smallest, owner = areas.min(dim=1)
    is_owned = smallest < torch.inf
    is_inside = ((at >= low) & (at <= high)).all(dim=-1).any(dim=1) & ~is_owned
    fits = generalised_overlap(drawn[is_owned], boxes[owner[is_owned]])
    target = torch.zeros(len(points))
    target[is_owned] = fits.detach().clamp(min=0.05)
    weight = torch.full((len(points),), EMPTY_OF_COCO if view.is_coco else EMPTY)
    weight[is_owned], weight[is_inside] = 1.0, INSIDE
    logits = told[:, 0]
    errors = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    focus = (target - logits.sigmoid()).square() * weight  # with its gradient
    worth = (focus * errors).sum() / max(1, int(is_owned.sum()))
    # Each thing counts alike, however many places it has.
    share = 1 / torch.bincount(owner[is_owned], minlength=len(boxes))[owner[is_owned]]
    return worth, ((1 - fits) * share).sum() / share.sum().clamp(min=1e-6)


def train(views: list[View], passes: float, seed: int = 0) -> Head:
    """Train a head on views, the rate along a cosine; the mean of its last weights is returned."""
    torch.manual_seed(seed)
    chance = random.Random(seed)  # noqa: S311
    head = Head(views[0].fine.shape[0], views[0].deep.shape[0])
    optimizer = torch.optim.AdamW(head.parameters(), RATE, weight_decay=DECAY)
    n_steps = max(1, int(passes * sum(1 for _ in batches(views, random.Random(seed)))))  # noqa: S311
    decay = 1 - 1 / max(1.0, MEAN_OF * n_steps)
    average = torch.optim.swa_utils.get_ema_multi_avg_fn(decay)
    mean = torch.optim.swa_utils.AveragedModel(head, multi_avg_fn=average)
    step, start, sums = 0, time.monotonic(), np.zeros(2)
    while step < n_steps:
        for batch in batches(views, chance):
            rate = RATE * min(1, (step + 1) / WARM_UP) * (1 + math.cos(math.pi * step / n_steps))
            for group in optimizer.param_groups:
                group["lr"] = rate / 2
            fine, deep = (
                torch.from_numpy(np.stack([getattr(view, name) for view in batch])).float()
                for name in ("fine", "deep")
            )
            told = head(fine, deep)
            points = middles(*told.shape[2:])
            pairs = [losses(one, view, points) for one, view in zip(told, batch, strict=True)]
            worth, box = (torch.stack(each).mean() for each in zip(*pairs, strict=True))
            optimizer.zero_grad()
            (worth + box).backward()
            nn.utils.clip_grad_norm_(head.parameters(), 5)
            optimizer.step()
            mean.update_parameters(head)
            sums += worth.item(), box.item()
            step += 1
            if step % 100 == 0 or step == n_steps:
                seconds = time.monotonic() - start
                n = step % 100 or 100
                print(f"step {step} of {n_steps}: worth {sums[0] / n:.3f}, box {sums[1] / n:.3f}, "
                      f"{seconds:.0f} s", flush=True)  # fmt: skip
                sums[:] = 0
            if step >= n_steps:
                break
    trained: Head = mean.module
    return trained


def write(head: Head, folder: Path) -> None:
    """Write the head beside the model that it is for, in fp16."""
    model = open_model(folder)
    shapes = tensor_shapes(model.config.architecture.image.widths)  # type: ignore[union-attr]
    state = head.state_dict()
    tensors = {
        name: RawTensor("F16", shape, state[name].reshape(shape).half().numpy().tobytes())
        for name, shape in shapes.items()
    }
    pieces = tensor_pieces(tensors, {TRUNK: trunk_hash(model)})
    (folder / LOCATOR_NAME).write_bytes(b"".join(bytes(piece) for piece in pieces))


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--boxes", type=Path, required=True, help="what data/boxes.py wrote")
    parser.add_argument("--model", type=Path, required=True, help="a model folder, such as mini's")
    parser.add_argument("--passes", type=float, default=4, help="over all views")
    options = parser.parse_args()
    torch.set_num_threads(1)
    views = read_views(options.boxes)
    print(f"{len(views):,} views, {sum(view.is_coco for view in views):,} of COCO", flush=True)
    write(train(views, options.passes), options.model)


if __name__ == "__main__":
    main()
