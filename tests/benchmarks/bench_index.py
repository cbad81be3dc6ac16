"""What the index of `clipcli dedup` finds of what comparing each with each finds, and how fast.

    clipcli embed photos/ -o vectors.npz
    python tests/benchmarks/bench_index.py vectors.npz --count 100000

Times are processor seconds: several threads of one machine add up.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import measure
import numpy as np

from clipcli.workflows.audit.index_choice import neighbours
from clipcli.workflows.audit.neighbours import Neighbours

if TYPE_CHECKING:
    from numpy.typing import NDArray

K = 10


def asked(
    rows: NDArray[np.float32], least: float, *, by_index: bool
) -> tuple[NDArray[np.intp], set[int], list[str]]:
    """Return neighbours (n, k), pairs as numbers, and what it took."""
    before_mb = peak_mb()
    started = time.process_time()
    among: Neighbours = neighbours(rows, by_index=by_index)
    built = time.process_time()
    pairs: set[int] = set()
    for one, two, _ in among.pairs(rows, least):
        pairs.update((one * len(rows) + two).tolist())
    paired = time.process_time()
    nearest = among.nearest(rows, K)
    times = [built - started, paired - built, time.process_time() - paired]
    return nearest, pairs, [*(f"{s:.1f} s" for s in times), f"{peak_mb() - before_mb:.0f} MB"]


def peak_mb() -> float:
    """Return the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("vectors", type=Path)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--least", type=float, default=0.95, help="cosine of a pair")
    options = parser.parse_args()
    rows: NDArray[Any] = np.load(options.vectors)["vectors"].astype(np.float32)
    rows = rows[np.random.default_rng(1).permutation(len(rows))[: options.count]]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    found, pairs, by_index = asked(rows, options.least, by_index=True)
    best, all_pairs, compared = asked(rows, options.least, by_index=False)
    n_shared = sum(len({*a} & {*b}) for a, b in zip(found.tolist(), best.tolist(), strict=True))
    recall = f"{n_shared / best.size:.4f}"
    header = ["", "build", "pairs", f"{K} nearest", "memory", f"recall@{K}", "pairs found"]
    counts = [f"{len(pairs & all_pairs):,} of {len(all_pairs):,}", f"{len(all_pairs):,}"]
    print(
        measure.table(
            header, [["index", *by_index, recall, counts[0]], ["each", *compared, "1", counts[1]]]
        )
    )
    print(f"{len(pairs - all_pairs)} pairs that are none; {len(rows):,} x {rows.shape[1]}")


if __name__ == "__main__":
    main()
