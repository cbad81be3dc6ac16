"""Measure a model folder on the pictures that are only looked at: top-1 with 95 % intervals.

    python -m finish.evaluate --packed DIR --model FOLDER [--limit N]

Runs clipcli itself: its preprocessing, tokenizer, prompts and network. Classes have one name each,
as a user would write it. The packed pictures are 96-pixel squares already, the size of
mini; small pictures were enlarged by the same filter as clipcli's.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from clipcli.encoder.encoder import ModelEncoder, load_encoder
from clipcli.images.preprocess import preprocess
from clipcli.labels.label import Label
from clipcli.labels.templates import load_templates, prompts_for_label

SOURCES = {
    "tiny-imagenet-200": "tiny_val",
    "miniplaces-128px": "places_val",
    "cifar10-32px": "cifar10",
    "cats-dogs-breeds": "cats_dogs",
    "intel-scenes": "intel",
    "weather4": "weather",
}
TRIAL = dict(zip(SOURCES.values(), (17.0, 20.1, 29.8, 58.4, 54.9, 13.2), strict=True))
BATCH = 256


def read_sets(packed: Path, limit: int) -> dict[str, tuple[np.ndarray, list[str]]]:
    """Return set -> rows of ``eval_pictures.npy`` and the label of each.

    Pictures that have a copy in the training sources (``leaks.tsv``) do not take part, although
    the copies are excluded from training as well.
    """
    copied = read_copied(packed / "leaks.tsv")
    found: dict[str, list[tuple[int, str]]] = {name: [] for name in SOURCES.values()}
    with (packed / "eval_pictures.tsv").open(encoding="utf-8") as lines:
        next(lines)
        for row, line in enumerate(lines):
            cells = line.rstrip("\n").split("\t")
            if row not in copied:
                found[SOURCES[cells[0]]].append((row, cells[4].split("|")[0]))
    draw = np.random.default_rng(0)
    for name, pairs in found.items():
        if limit and len(pairs) > limit:
            chosen = sorted(draw.choice(len(pairs), limit, replace=False).tolist())
            found[name] = [pairs[i] for i in chosen]
    return {name: (np.array([r for r, _ in p]), [t for _, t in p]) for name, p in found.items()}


def read_copied(leaks: Path) -> set[int]:
    """Return the evaluation rows that ``check_leaks.py`` found among the training pictures."""
    if not leaks.exists():
        return set()
    with leaks.open(encoding="utf-8") as lines:
        place = next(lines).rstrip("\n").split("\t").index("eval_row")
        return {int(line.split("\t")[place]) for line in lines}


def encode_pictures(encoder: ModelEncoder, pictures: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return unit rows (n, d) by the model's own preprocessing."""
    parts = []
    for start in range(0, len(rows), BATCH):
        chosen = [Image.fromarray(pictures[row]) for row in rows[start : start + BATCH]]
        pixels = np.stack([preprocess(one, encoder.config.preprocessing) for one in chosen])
        parts.append(encoder.encode_images(pixels))
    return np.concatenate(parts)


def class_rows(encoder: ModelEncoder, names: Sequence[str], templates: Sequence[str]) -> np.ndarray:
    """Return the classifier (c, d): one row a name, the average over its prompts."""
    rows = []
    for name in names:
        row = encoder.encode_texts(prompts_for_label(Label(name), templates)).mean(axis=0)
        rows.append(row / np.linalg.norm(row))
    return np.stack(rows)


def interval(hits: np.ndarray, n_draws: int = 1000) -> tuple[float, float]:
    """Return the bootstrap interval that holds 95 % of the resampled means, in percent."""
    draw = np.random.default_rng(0)
    means = [draw.choice(hits, len(hits)).mean() for _ in range(n_draws)]
    low, high = np.percentile(means, [2.5, 97.5])
    return 100 * float(low), 100 * float(high)


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packed", type=Path, required=True)
    parser.add_argument("--model", default=None)
    parser.add_argument("--limit", type=int, default=0, help="pictures of each set; 0: all")
    parser.add_argument("--out", type=Path, help="figures as JSON")
    arguments = parser.parse_args()
    encoder = load_encoder(arguments.model)
    pictures = np.load(arguments.packed / "eval_pictures.npy", mmap_mode="r")
    ways = {"seven templates": load_templates("photo"), "the name alone": load_templates("plain")}
    figures: dict[str, dict[str, object]] = {}
    print("| set | classes | pictures | trial | " + " | ".join(ways) + " |")
    print("|---|---|---|---|" + "---|" * len(ways))
    for name, (rows, labels) in read_sets(arguments.packed, arguments.limit).items():
        names = sorted(set(labels))
        images = encode_pictures(encoder, pictures, rows)  # (n, d)
        right = np.array([names.index(label) for label in labels])
        figures[name] = {"classes": len(names), "pictures": len(rows)}
        cells = []
        for way, templates in ways.items():
            nearest = (images @ class_rows(encoder, names, templates).T).argmax(axis=1)
            hits = (nearest == right).astype(float)
            low, high = interval(hits)
            cells.append(f"{100 * hits.mean():.1f} ({low:.1f} to {high:.1f})")
            figures[name][way] = [100 * hits.mean(), low, high]
        print(f"| {name} | {len(names)} | {len(rows):,} | {TRIAL[name]} | {' | '.join(cells)} |")
    if arguments.out:
        arguments.out.write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
