"""Training speed: pictures a second, and which share of the machine's matrix product it makes.

python tests/benchmarks/bench_training.py [--batch-size 128] [--seconds 40] [--device auto]

Fine-tunes the bundled model on noise, both towers and the image tower alone, at its own size.
The work of a step is counted by torch; the peak is that of one large bf16 matrix product, measured
before and after each run, of which the better counts.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from clipcli.training.config_file import config_from_dict
from clipcli.training.distributed.group import ALONE
from clipcli.training.log import SilentLog
from clipcli.training.loop import Run
from clipcli.training.train import prepare_run

SIDE_PX = 80  # of stored pictures: the model's 64 and a margin for crops
MATRIX = 4096
WORDS = ("red", "green", "blue", "dog", "cat", "car", "tree", "sky", "sea", "house", "bird", "lamp")


def write_noise(folder: Path, n: int) -> Path:
    """Pack noise; what is seen changes nothing about the time."""
    draw = np.random.default_rng(0)
    np.save(folder / "pictures.npy", draw.integers(0, 256, (n, SIDE_PX, SIDE_PX, 3), np.uint8))
    rows = (f"x\t{i}\t\tname\ta {WORDS[i % 12]} {WORDS[i // 12 % 12]}\t" for i in range(n))
    header = "source\tpath\tsplit\trole\tcaptions\tconcepts"
    (folder / "pictures.tsv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return folder


def synchronised_s(device: torch.device) -> float:
    """Return the time once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def matmul_tflops(device: torch.device, repeats: int = 8) -> float:
    """Return the speed of a large bf16 matrix product, the best of some."""
    a, b = (torch.randn(MATRIX, MATRIX, device=device).bfloat16() for _ in range(2))
    best = float("inf")
    for _ in range(repeats):
        began_s = synchronised_s(device)
        a @ b
        best = min(best, synchronised_s(device) - began_s)
    return 2 * MATRIX**3 / best / 1e12


def make_run(folder: Path, batch_size: int, device: str, frozen: list[str]) -> Run:
    """Prepare a run that is not run."""
    config = config_from_dict(
        {
            "data": [{"path": str(folder)}],
            "batch_size": batch_size,
            "steps": 100_000,
            "device": device,
            "frozen": frozen,
            "evaluation": {"held_out": 0},
        },
        "benchmark",
    )
    return prepare_run(folder / "out", config, "mini", SilentLog(), ALONE).run


def pictures_per_s(run: Run, seconds: float) -> float:
    """Train for a while and return the pictures a second."""
    for _ in range(3):
        run.train_step()
    began_s, n = synchronised_s(run.device), 0
    while (took_s := synchronised_s(run.device) - began_s) < seconds:
        run.train_step()
        n += run.config.batch_size
    return n / took_s


def flops_per_picture(run: Run) -> float:
    """Count what a step multiplies, forwards and backwards."""
    with FlopCounterMode(display=False) as counter:
        run.train_step()
    return counter.get_total_flops() / run.config.batch_size


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = write_noise(Path(name), 2 * arguments.batch_size)

        for title, frozen in (("both towers", []), ("image tower", ["text"])):
            report(
                title,
                make_run(folder, arguments.batch_size, arguments.device, frozen),
                arguments.seconds,
            )


def report(title: str, run: Run, seconds: float) -> None:
    """Measure a run, and the machine before and after it."""
    before = matmul_tflops(run.device)
    rate = pictures_per_s(run, seconds)
    peak = max(before, matmul_tflops(run.device))
    work = flops_per_picture(run)
    print(
        f"{title} {rate:6.0f} pictures/s · {work / 1e9:.2f} GFLOP a picture · "
        f"{rate * work / 1e12:.2f} of {peak:.2f} TFLOP/s ({rate * work / peak / 1e12:.0%}) · "
        f"{run.precision}, {torch.get_num_threads()} threads, batch {run.config.batch_size}"
    )


if __name__ == "__main__":
    main()
