"""Which training pictures look like one that is only looked at: by the trunk's own features.

    python -m data.likeness --vectors work/vectors --trunk TRUNK.pth --photos ../photos

Features are brought to zero mean and unit spread; from a cosine of 0.75 on two pictures are one, or
two of one series. The photographs in a folder count as pictures that are looked at. Writes
``likeness.txt`` there: a line ``PART:ROW`` for each to leave out.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import numpy as np
from data.vectors import FastTrunk, Trunk, view
from PIL import Image

SAME = 0.75
CHUNK = 4096


def photo_features(trunk: Path, photos: Path) -> np.ndarray:
    """Return the features (n, 1280) of the photographs in a folder."""
    encoder, chance = FastTrunk(Trunk(trunk)), random.Random(0)  # noqa: S311 (not secrets)
    paths = [path for path in sorted(photos.iterdir()) if path.suffix in (".jpg", ".png", ".webp")]
    opened = [Image.open(path).convert("RGB") for path in paths]
    return encoder.features([view(picture, "whole", chance) for picture in opened])


def main() -> None:
    """Compare all training rows with all others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vectors", type=Path, required=True)
    parser.add_argument("--trunk", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    options = parser.parse_args()
    places, features, roles = [], [], []
    for path in sorted(options.vectors.glob("part-*.npz")):
        with np.load(path) as part:
            features.append(part["features"])
            roles.append(part["role"])
            places += [f"{path.stem}:{row}" for row in range(len(part["role"]))]
    rows, role = np.concatenate(features), np.concatenate(roles)
    sample = rows[:: max(1, len(rows) // 20_000)].astype(np.float32)
    mean, spread = sample.mean(axis=0), sample.std(axis=0) + 0.01

    def unit(some: np.ndarray) -> np.ndarray:
        centred = (some.astype(np.float32) - mean) / spread
        return centred / np.linalg.norm(centred, axis=1, keepdims=True)

    photos = photo_features(options.trunk, options.photos)
    judges = unit(np.concatenate([rows[role == "eval"], photos]))
    found = []
    for start in range(0, len(rows), CHUNK):
        nearest = (unit(rows[start : start + CHUNK]) @ judges.T).max(axis=1)
        found += [start + i for i in np.flatnonzero(nearest > SAME) if role[start + i] == "train"]
    lines = "".join(f"{places[row]}\n" for row in found)
    (options.vectors / "likeness.txt").write_text(lines, encoding="ascii")
    print(f"{len(found)} of {(role == 'train').sum()} training pictures are left out")


if __name__ == "__main__":
    main()
