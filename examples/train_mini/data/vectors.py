"""What a frozen trunk sees in the training pictures: its mean features, written once.

    python -m data.vectors --manifests DIR --clones DIR --trunk TRUNK.pth --out work/vectors

Pictures are read out of git objects (see data/pack.py) and shown as they are in use, or cut, turned
round or coarse, by lot. Writes ``part-NNNN.npz`` of some thousand pictures each, drawn from all
sources, so that training can begin before all are there; a part that exists is not made again.
``features`` (n, 1280) float16, and ``source``, ``role``, ``captions``, ``concepts`` of each row.
"""

from __future__ import annotations

import argparse
import io
import math
import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import yaml
from data.gitobjects import find_clone, read_objects
from data.names import Names
from data.pack import Row, located_rows
from data.pixels import on_white, square_around
from PIL import Image, ImageOps
from torch import nn

from clipcli.encoder.torch.efficientnet import EfficientNetTower
from clipcli.encoder.torch.fold import fold_batch_norms
from clipcli.encoder.torch.tensors import gather
from clipcli.models.formats.efficientnet import read_trunk
from clipcli.models.formats.tensor_map import read_weights

HERE = Path(__file__).parent
SIZE_PX = 160
PART = 2_000  # pictures
BATCH = 32
MOST = 14_000  # pictures of a source, scenes excepted
WHOLE = {"miniplaces-128px": 90_000, "hcaptcha-photos": 18_000}
VIEWS = ("whole",) * 65 + ("cut",) * 17 + ("coarse",) * 9 + ("cut and coarse",) * 9
COARSE_PX = (24, 28, 32, 32, 32, 40, 48, 64)
BICUBIC = Image.Resampling.BICUBIC
FILTERS = (BICUBIC, BICUBIC, *(Image.Resampling(i) for i in (1, 2, 4)))  # also Lanczos, …, box


def view(picture: Image.Image, how: str, chance: random.Random) -> Image.Image:
    """Return a square of 160 px: the middle, or a part; sharp, or as if enlarged."""
    width, height = picture.size
    wide = high = min(width, height)
    left, top = (width - wide) / 2, (height - high) / 2
    if "cut" in how:
        side = math.sqrt(chance.uniform(0.3, 1)) * wide
        aspect = math.exp(chance.uniform(-0.175, 0.175))
        wide, high = min(width, side * aspect), min(height, side / aspect)
        left, top = chance.uniform(0, width - wide), chance.uniform(0, height - high)
    box = (left, top, left + wide, top + high)
    if "coarse" in how:
        side = chance.choice(COARSE_PX)
        small = picture.resize((side, side), chance.choice(FILTERS), box=box)
        square = small.resize((SIZE_PX, SIZE_PX), BICUBIC)
    else:
        square = picture.resize((SIZE_PX, SIZE_PX), BICUBIC, box=box, reducing_gap=2.0)
    return ImageOps.mirror(square) if "cut" in how and chance.random() < 0.5 else square


def load_trunk(path: Path) -> nn.Module:
    """Return a published trunk whose head hands the mean feature through."""
    trunk = read_trunk(read_weights(path))
    tower = EfficientNetTower(trunk.shape(SIZE_PX, 1), 1).eval()
    tower.load_state_dict(gather(trunk.plan), strict=False)
    fold_batch_norms(tower)
    tower.head = nn.Identity()  # type: ignore[assignment]
    return tower


def features(tower: nn.Module, pictures: list[Image.Image]) -> np.ndarray:
    """Return mean features, float16 (n, 1280)."""
    pixels = torch.tensor(np.stack([np.asarray(picture) for picture in pictures]))
    with torch.inference_mode():
        rows = tower((pixels.permute(0, 3, 1, 2).float() - 127) / 128)
    return rows.numpy().astype(np.float16)


def opened(data: bytes, row: Row) -> Image.Image:
    """Decode a picture; of one with a box, what is around that."""
    with Image.open(io.BytesIO(data)) as picture:
        if row.box is None:
            picture.draft("RGB", (2 * SIZE_PX, 2 * SIZE_PX))
        rgb = on_white(ImageOps.exif_transpose(picture))
    return rgb.crop(tuple(map(round, square_around(row.box, rgb.size)))) if row.box else rgb


def shuffled(rows: list[Row], chance: random.Random) -> list[Row]:
    """Draw from each source as many as it may give, and mix them."""
    by_source: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_source[row.source].append(row)
    chosen = []
    for source, own in by_source.items():
        chance.shuffle(own)
        chosen += own[: WHOLE.get(source, MOST)]
    chance.shuffle(chosen)
    return chosen


def read(rows: list[Row], clones: dict[str, Path]) -> Iterator[tuple[Row, Image.Image]]:
    """Yield the pictures that can be read, repository by repository."""
    by_clone: dict[Path, list[Row]] = defaultdict(list)
    for row in rows:
        by_clone[clones[row.source]].append(row)
    for clone, own in by_clone.items():
        blobs = read_objects(clone, [row.object_id for row in own])
        for row, data in zip(own, blobs, strict=True):
            try:
                yield row, opened(data or b"", row)
            except (OSError, ValueError, SyntaxError):
                print(f"{row.source}: {row.path}: not read")


def write_part(
    path: Path, seen: Iterator[tuple[Row, Image.Image]], tower: nn.Module, names: Names, seed: str
) -> None:
    """Encode a part and write it at once, under a passing name until it is whole."""
    chance = random.Random(seed)  # noqa: S311 (sampling, not secrets)
    rows, waiting, done = [], [], []
    for row, picture in seen:
        waiting.append(
            view(picture, "whole" if row.role == "eval" else chance.choice(VIEWS), chance)
        )
        rows.append(row)
        if len(waiting) == BATCH:
            done.append(features(tower, waiting))
            waiting = []
    done += [features(tower, waiting)] if waiting else []
    described = [names.describe(row.source, row.labels) for row in rows]
    partial = path.with_suffix(".partial.npz")
    np.savez(
        partial,
        features=np.concatenate(done),
        source=np.array([row.source for row in rows]),
        role=np.array([row.role for row in rows]),
        captions=np.array(["|".join(captions) for captions, _ in described]),
        concepts=np.array([",".join(map(str, concepts)) for _, concepts in described]),
    )
    partial.replace(path)


def main() -> None:
    """Write all parts that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("manifests", "clones", "trunk", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    sources = yaml.safe_load((HERE / "sources.yaml").read_text(encoding="utf-8"))["sources"]
    names = Names.load(HERE, sources)
    clones = {s["name"]: find_clone(options.clones, s["repository"]) for s in sources}
    located, _ = located_rows(sources, clones, options.manifests)
    rows = shuffled(located, random.Random(11))  # noqa: S311 (sampling, not secrets)
    tower = load_trunk(options.trunk)
    for start in range(0, len(rows), PART):
        path = options.out / f"part-{start // PART:04d}.npz"
        if not path.exists():
            write_part(path, read(rows[start : start + PART], clones), tower, names, path.name)
            print(path.name, flush=True)


if __name__ == "__main__":
    main()
