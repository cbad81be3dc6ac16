"""The peak of memory at 1,000, 10,000 and 100,000 inputs, with and without the cache of vectors.

``python tests/benchmarks/bench_memory.py [--counts 1000 10000 100000]``

Inputs are small pictures in folders of a thousand; the model is the bundled one, the result a JSONL
file. With a cache each file is hashed and remembered. All are decoded and encoded, since the last
bytes of each are its own.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import inputs
import measure

A_FOLDER = 1000


def many(n: int, folder: Path) -> Path:
    """Return a folder with ``n`` small pictures."""
    place = folder / f"tiny-{n}-each-its-own"
    if place.exists():
        return place
    sources = [
        path.read_bytes() for path in sorted(inputs.pictures(inputs.TINY, 100, folder).iterdir())
    ]
    for i in range(n):
        part = place.with_suffix(".partial") / f"{i // A_FOLDER:03}"
        part.mkdir(parents=True, exist_ok=i > 0)
        # What follows the end of a JPEG is ignored, but makes it another file.
        (part / f"{i:06}.jpg").write_bytes(sources[i % len(sources)] + i.to_bytes(4, "big"))
    return place.with_suffix(".partial").rename(place)


def peak(folder: Path, *more: str) -> measure.Finished:
    """Classify them all in a process of its own, with an empty cache."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [*measure.CLIPCLI, "classify", folder, "--labels", "demo", "--quiet", *more]
        command += ["-o", Path(scratch) / "results.jsonl", "--model", "mini"]
        return measure.run(command, CLIPCLI_CACHE=str(Path(scratch) / "cache"))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--counts", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--folder", type=Path, default=inputs.FOLDER)
    options = parser.parse_args()
    rows = []
    first: dict[str, float] = {}
    for n in options.counts:
        folder = many(n, options.folder)
        row = [f"{n:,}"]
        for name, more in (("no cache", ["--no-cache"]), ("cache", [])):
            done = peak(folder, *more)
            ratio = done.peak_mb / first.setdefault(name, done.peak_mb)
            row += [f"{done.peak_mb:.0f} MB", f"{ratio:.2f}", f"{n / done.seconds:.0f}"]
        rows.append(row)
        print(row, flush=True)
    header = ["inputs"]
    for name in ("without the cache", "with the cache, empty"):
        header += [f"peak {name}", "/ first", "a second"]
    print(measure.table(header, rows))


if __name__ == "__main__":
    main()
