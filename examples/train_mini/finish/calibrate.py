"""Find the logit scale whose probabilities can be trusted, on pictures that were set aside.

    python -m finish.calibrate --packed DIR --concepts data/concepts.json --model FOLDER

Each picture meets many random label lists of 10 to 100 names, its own among them; the scale with
the least negative log-likelihood wins. Half of the pictures find it, the other half tell the
expected calibration error.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from finish.evaluate import class_rows, encode_pictures

from clipcli.encoder.encoder import load_encoder
from clipcli.labels.templates import load_templates
from clipcli.training.data.packed import Pairs, open_packed

LISTS = 8  # label lists a picture
BINS = 15


def names_of(pairs: Pairs, row: int, nodes: list[dict[str, list[str]]]) -> tuple[str, set[str]]:
    """Return a picture's most special name, and all that is true of it."""
    concepts, captions = pairs.concepts[row], pairs.captions[row]
    own = captions[0]
    true = {name for concept in concepts for name in nodes[concept]["names"]}
    return own, true | set(captions)


def draw_lists(
    own: list[str], true: list[set[str]], draw: np.random.Generator
) -> list[list[list[int]]]:
    """Return, for each picture, lists of class numbers; the first of each is the right one."""
    names = sorted(set(own))
    number = {name: i for i, name in enumerate(names)}
    lists = []
    for name, also in zip(own, true, strict=True):
        wrong = [number[other] for other in names if other not in also]
        sizes = np.exp(draw.uniform(np.log(10), np.log(100), LISTS)).astype(int)
        lists.append(
            [
                [number[name], *draw.choice(wrong, min(size - 1, len(wrong)), replace=False)]
                for size in sizes
            ]
        )
    return lists


def outcomes(
    similarity: np.ndarray, lists: list[list[list[int]]], scale: float
) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the mean negative log-likelihood, the top probabilities, and which were right."""
    losses, tops, right = [], [], []
    for row, own in zip(similarity, lists, strict=True):
        for columns in own:
            logits = scale * row[columns]
            logits = logits - logits.max()
            probability = np.exp(logits) / np.exp(logits).sum()
            losses.append(-np.log(probability[0] + 1e-12))
            tops.append(probability.max())
            right.append(probability.argmax() == 0)
    return float(np.mean(losses)), np.array(tops), np.array(right)


def calibration_error(tops: np.ndarray, right: np.ndarray) -> float:
    """Return the mean distance of confidence and accuracy over equal bins (Guo et al. 2017)."""
    bins = np.minimum((tops * BINS).astype(int), BINS - 1)
    error = 0.0
    for one in range(BINS):
        inside = bins == one
        if inside.any():
            error += inside.mean() * abs(tops[inside].mean() - right[inside].mean())
    return float(error)


def main() -> None:
    """Print the scale and the error before and after."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packed", type=Path, required=True, help="with aside.npy")
    parser.add_argument("--concepts", type=Path, required=True)
    parser.add_argument("--model", default=None)
    parser.add_argument("--limit", type=int, default=4000)
    arguments = parser.parse_args()
    encoder = load_encoder(arguments.model)
    pairs = open_packed(arguments.packed)
    nodes = json.loads(arguments.concepts.read_text(encoding="utf-8"))["nodes"]
    draw = np.random.default_rng(0)
    rows = draw.permutation(np.load(arguments.packed / "aside.npy"))[: arguments.limit]
    own, true = map(list, zip(*(names_of(pairs, row, nodes) for row in rows), strict=True))
    names = sorted(set(own))
    images = encode_pictures(encoder, pairs.pictures, rows)
    classifier = class_rows(encoder, names, load_templates("photo"))
    similarity = images @ classifier.T  # (n, c)
    lists = draw_lists(own, true, draw)
    half = len(rows) // 2
    scales = np.arange(4, 60, 0.5)
    losses = [outcomes(similarity[:half], lists[:half], scale)[0] for scale in scales]
    best = float(scales[int(np.argmin(losses))])
    print(f"{len(rows)} pictures, {len(names)} names; scale {best}")
    for scale in (encoder.config.logit_scale, best):
        loss, tops, right = outcomes(similarity[half:], lists[half:], scale)
        print(
            f"scale {scale:.2f}: loss {loss:.3f}, right {right.mean():.3f}, "
            f"confidence {tops.mean():.3f}, calibration error {calibration_error(tops, right):.3f}"
        )


if __name__ == "__main__":
    main()
