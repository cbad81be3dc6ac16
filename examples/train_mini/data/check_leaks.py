"""Know whether pictures that are only looked at, or copies of them, are trained on.

    python -m data.check_leaks --packed DIR

Two pictures count as the same if git holds them as the same object, or if they look alike after
scaling, compression and small changes of colour. For the second, each picture becomes a short
vector: the lowest frequencies of its grey values, each divided by how much it varies from picture
to picture. Without that division all sunsets look alike; with it, chance hardly ever brings two
different pictures above a cosine of 0.6. Some data sets squash a photo into a square and others
cut a square out of its middle, so parts of the training pictures are looked at as well. Pairs that
come close are compared once more, with finer detail and with many slightly different cuts. What
comes out beside the packed arrays:

    leaks.tsv    each training row that repeats an evaluation picture, and which one
    exclude.npy  the numbers of these rows, int64 and sorted, for training to skip
"""

from __future__ import annotations

import argparse
import csv
import itertools
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

GREY_PX = 48
COARSE, FINE = 12, 16  # frequencies each way, for finding pairs and for judging them
CLOSE = 0.60  # cosine of two coarse vectors from which on a pair is judged
SAME = 0.80  # cosine of two fine vectors from which on it is the same picture
ROUNDING = 0.01  # how much a cosine of bfloat16 vectors may be too small
CHUNK = 1_024
# Parts of a training picture: how much of its width and height, and where the middle of that is.
WHOLE = (1.0, 1.0, 0.5, 0.5)
SQUASHED = [(part, 1.0, 0.5, 0.5) for part in (3 / 4, 2 / 3)]  # photos are 4:3 or 3:2,
SQUASHED += [(1.0, part, 0.5, 0.5) for part in (3 / 4, 2 / 3)]  # lying or standing
SIDES = (1.0, 0.94, 0.88, 0.81, 0.75, 0.71, 0.67, 0.62)
SHIFTS = (-0.04, 0.0, 0.04)
# A photo that was squashed is cut no further than to a square; a square one is cut a little.
CUTS = [
    (width, height, 0.5 + right, 0.5 + down)
    for width, height in itertools.product(SIDES, SIDES)
    if max(width, height) >= 0.94 or min(width, height) >= 0.81
    for right, down in itertools.product(SHIFTS, SHIFTS)
]
# Sets whose pictures may be middles of photos that a training source shows squashed. The others
# are left out of that search for time: their pictures come from nowhere else (CIFAR-10) or are
# squashed themselves (Places).
MAY_BE_CUT = frozenset({"tiny-imagenet-200", "cats-dogs-breeds", "intel-scenes", "weather4"})

Part = tuple[float, float, float, float]


def grey_pictures(pictures: np.ndarray) -> np.ndarray:
    """Turn uint8 (n, 96, 96, 3) into grey float32 (n, 48, 48)."""
    found = np.empty((len(pictures), GREY_PX, GREY_PX), dtype=np.float32)
    for place, picture in enumerate(pictures):
        grey = Image.fromarray(picture).convert("L")
        found[place] = np.asarray(grey.reduce(grey.width // GREY_PX))
    return found


def waves(length: float, middle: float, frequencies: int) -> np.ndarray:
    """Return cosines over a part of 48 pixels and zeros beside it, float32 (frequencies, 48)."""
    start = (middle - length / 2) * GREY_PX
    inside = np.arange(GREY_PX) + 0.5 - start  # in pixels from the part's edge
    within = np.clip(np.minimum(inside, length * GREY_PX - inside) + 0.5, 0, 1)
    angles = np.pi * np.arange(frequencies)[:, None] * inside / (length * GREY_PX)
    found: np.ndarray = (np.cos(angles) * within / length).astype(np.float32)
    return found


def spectra(grey: np.ndarray, part: Part, frequencies: int) -> np.ndarray:
    """Return the low frequencies of a part of grey pictures: (n, 48, 48) to (n, f * f - 1)."""
    width, height, across, down = part
    along_y = waves(height, down, frequencies)
    along_x = waves(width, across, frequencies)
    found: np.ndarray = (along_y @ grey @ along_x.T).reshape(len(grey), -1)  # (n, f * f)
    return found[:, 1:]  # without the mean brightness


def unit(rows: np.ndarray) -> np.ndarray:
    """Scale rows to length 1; a row of zeros, a picture of one colour, stays zero."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    scaled: np.ndarray = rows / np.where(lengths > 1e-6, lengths, 1)
    return scaled


def chunks(n: int) -> Iterator[slice]:
    """Yield slices that cover n rows."""
    return (slice(start, start + CHUNK) for start in range(0, n, CHUNK))


def all_grey(path: Path) -> np.ndarray:
    """Return every picture of an array file in grey, float16 (n, 48, 48)."""
    pictures = np.load(path, mmap_mode="r")
    found = np.empty((len(pictures), GREY_PX, GREY_PX), dtype=np.float16)
    for rows in chunks(len(pictures)):
        found[rows] = grey_pictures(pictures[rows])
    return found


def close_pairs(
    train: np.ndarray, evaluated: np.ndarray, part: Part, spread: np.ndarray
) -> np.ndarray:
    """Return (train row, evaluation row) of pairs with close coarse vectors, int64 (m, 2)."""
    of_evaluated = spectra(evaluated.astype(np.float32), WHOLE, COARSE)
    theirs = torch.from_numpy(unit(of_evaluated / spread)).bfloat16().T  # (143, n_eval)
    pairs = [np.empty((0, 2), dtype=np.int64)]
    for rows in chunks(len(train)):
        mine = unit(spectra(train[rows].astype(np.float32), part, COARSE) / spread)
        cosines = torch.from_numpy(mine).bfloat16() @ theirs  # (m, n_eval)
        # Subtle: looking for places is slow, looking for the largest is not, and few rows have any.
        hopeful = torch.nonzero(cosines.amax(dim=1) > CLOSE - ROUNDING)[:, 0]
        places, others = torch.nonzero(cosines[hopeful] > CLOSE - ROUNDING, as_tuple=True)
        pairs.append(torch.stack([hopeful[places] + rows.start, others], dim=1).numpy())
    return np.concatenate(pairs)


def best_cosines(
    train: np.ndarray, evaluated: np.ndarray, pairs: np.ndarray, spread: np.ndarray
) -> np.ndarray:
    """Judge pairs: the best cosine of fine vectors over all cuts, float32 (m,)."""
    best = np.zeros(len(pairs), dtype=np.float32)
    for rows in chunks(len(pairs)):
        mine = train[pairs[rows, 0]].astype(np.float32)
        theirs = spectra(evaluated[pairs[rows, 1]].astype(np.float32), WHOLE, FINE)
        theirs = unit(theirs / spread)
        for cut in CUTS:
            cosines = (unit(spectra(mine, cut, FINE) / spread) * theirs).sum(axis=1)
            best[rows] = np.maximum(best[rows], cosines)
    return best


def same_objects(packed: Path) -> np.ndarray:
    """Return (train row, evaluation row) of pictures that are the same git object."""
    where: dict[str, int] = {}
    for number, object_id in enumerate((packed / "eval_objects.txt").read_text().split()):
        where.setdefault(object_id, number)
    train = (packed / "objects.txt").read_text().split()
    found = [(n, where[object_id]) for n, object_id in enumerate(train) if object_id in where]
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def read_table(path: Path) -> list[dict[str, str]]:
    """Read a packed table."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def write_leaks(packed: Path, exact: np.ndarray, near: np.ndarray, scores: np.ndarray) -> None:
    """Write both files and print how many rows of which source repeat which evaluation set."""
    train = read_table(packed / "pictures.tsv")
    evaluated = read_table(packed / "eval_pictures.tsv")
    best = {int(row): (int(other), "same bytes", 1.0) for row, other in exact}
    for place in np.argsort(-scores):
        row, other = map(int, near[place])
        best.setdefault(row, (other, "looks the same", float(scores[place])))
    counts: Counter[tuple[str, str, str]] = Counter()
    with (packed / "leaks.tsv").open("w", encoding="utf-8", newline="") as stream:
        stream.write("row\tsource\tpath\teval_row\teval_source\teval_path\thow\tcosine\n")
        for row, (other, how, score) in sorted(best.items()):
            mine, theirs = train[row], evaluated[other]
            counts[mine["source"], theirs["source"], how] += 1
            facts = (row, mine["source"], mine["path"], other, theirs["source"], theirs["path"])
            stream.write("\t".join((*map(str, facts), how, f"{score:.3f}")) + "\n")
    np.save(packed / "exclude.npy", np.array(sorted(best), dtype=np.int64))
    print(f"{len(best)} of {len(train)} training rows repeat a picture that is only looked at")
    for (source, repeated, how), count in counts.most_common():
        print(f"{count:6d}  {source} repeats {repeated} ({how})")


def find_near(packed: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return (train row, evaluation row) of pictures that look the same, and their cosines."""
    train, evaluated = (all_grey(packed / f"{prefix}pictures.npy") for prefix in ("", "eval_"))
    sample = train[:20_000].astype(np.float32)  # rows are shuffled
    coarse, fine = (spectra(sample, WHOLE, f).std(axis=0) for f in (COARSE, FINE))
    pairs = [close_pairs(train, evaluated, WHOLE, coarse)]
    table = read_table(packed / "eval_pictures.tsv")
    cut = np.array([n for n, record in enumerate(table) if record["source"] in MAY_BE_CUT])
    for part in SQUASHED:
        found = close_pairs(train, evaluated[cut], part, coarse)
        pairs.append(np.stack([found[:, 0], cut[found[:, 1]]], axis=1))
        print(f"{len(found):,} pairs come close with part {part[:2]} of the picture", flush=True)
    to_judge = np.unique(np.concatenate(pairs), axis=0)
    print(f"{len(to_judge)} pairs to judge")
    scores = best_cosines(train, evaluated, to_judge, fine)
    return to_judge[scores > SAME], scores[scores > SAME]


def main() -> None:
    """Compare all training pictures with all evaluation pictures."""
    parser = argparse.ArgumentParser(description="Find evaluation pictures in the training rows.")
    parser.add_argument("--packed", type=Path, required=True, help="what pack.py wrote")
    packed = parser.parse_args().packed
    started = time.monotonic()
    near, scores = find_near(packed)
    write_leaks(packed, same_objects(packed), near, scores)
    print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
