"""Set training pictures aside for calibration: a packed folder that leaves them out.

    python -m data.hold_out --packed DIR --out DIR [--rows 4000]

Writes links to the packed arrays, an ``exclude.npy`` with the rows set aside, and ``aside.npy``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from clipcli.training.data.packed import open_packed

SOURCES = ("tiny-imagenet-200", "mini-imagenet-84px", "miniplaces-128px", "food101-64px")


def main() -> None:
    """Choose rows evenly from the large sources."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packed", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=4000)
    arguments = parser.parse_args()
    pairs = open_packed(arguments.packed)
    draw = np.random.default_rng(1)
    sources = np.array(pairs.sources)
    share = arguments.rows // len(SOURCES)
    aside = np.sort(
        np.concatenate(
            [
                draw.choice(pairs.rows[sources[pairs.rows] == name], share, replace=False)
                for name in SOURCES
            ]
        )
    )
    arguments.out.mkdir(parents=True, exist_ok=True)
    for path in arguments.packed.glob("*pictures.*"):
        (arguments.out / path.name).unlink(missing_ok=True)
        (arguments.out / path.name).symlink_to(path.resolve())
    left = np.setdiff1d(pairs.rows, aside)
    np.save(arguments.out / "exclude.npy", np.setdiff1d(np.arange(len(pairs.paths)), left))
    np.save(arguments.out / "aside.npy", aside)
    print(f"{len(aside)} set aside, {len(left)} left")


if __name__ == "__main__":
    main()
