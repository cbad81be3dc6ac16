"""The first answer: from the shell to the result, the bundled model, nothing cached.

``python tests/benchmarks/bench_first.py [--rounds 9]``

Beside it stands what no program with pictures can do without: Python that imports numpy and Pillow.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import inputs
import measure

BASE = "Python that imports numpy and PIL.Image"
COUNTS = (1, 10)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--folder", type=Path, default=inputs.FOLDER)
    options = parser.parse_args()
    base = [sys.executable, "-c", "import numpy, PIL.Image"]
    contenders = {BASE: lambda: measure.run(base)}
    for n in COUNTS:
        folder = inputs.pictures(inputs.SMALL, n, options.folder)
        contenders[f"clipcli classify, {n} new"] = lambda folder=folder: _classify(folder)
    measure._one_round(contenders)  # from a warm disk
    done = measure.rounds(contenders, options.rounds)
    rows = [
        [
            name,
            measure.middle(measure.column(done, name), 2),
            measure.ratio(done, name, BASE),
            measure.middle(measure.column(done, name + measure.PROCESSOR), 2),
            measure.ratio(done, name + measure.PROCESSOR, BASE + measure.PROCESSOR),
        ]
        for name in contenders
    ]
    print(f"JPEGs of 640 x 480, {len(done)} rounds: median (least to greatest)\n")
    print(measure.table(["", "seconds", "/ base", "processor seconds", "/ base"], rows))


def _classify(folder: Path) -> measure.Finished:
    with tempfile.TemporaryDirectory() as cache:
        command = [*measure.CLIPCLI, "classify", folder, "--labels", "everyday", "--model", "mini"]
        return measure.run(command, CLIPCLI_CACHE=cache)


if __name__ == "__main__":
    main()
