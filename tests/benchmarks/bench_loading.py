"""How long a foreign ViT-B/32 takes from its files to the first embedding, and how much memory.

Run by hand: ``python tests/benchmarks/bench_loading.py``. It writes a Hugging Face folder of full
size with random weights (605 MB) to a temporary place and opens it twice, each time in a process of
its own: first as a stranger, then with its fingerprint remembered. Promised: at most 1 s beyond
``import torch``, and a peak of at most 1.15 times the file plus 300 MB.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

MEASURE = """
import resource, sys, time
clocks = time.perf_counter, time.process_time
start = [clock() for clock in clocks]
import torch
imported = [clock() for clock in clocks]
import numpy as np
from clipcli.encoder.encoder import load_encoder
encoder = load_encoder(sys.argv[1], "cpu", "fp32")
encoder.encode_images(np.zeros((1, 224, 224, 3), np.uint8))
embedded = [clock() for clock in clocks]
peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
for name, a, b, c in zip(("clock", "processor"), start, imported, embedded):
    print(f"by the {name:9}: import torch {b - a:5.2f} s, then {c - b:5.2f} s; {peak_mb:.0f} MB")
"""


def write_model(folder: Path) -> None:
    """Write a ViT-B/32 as transformers saves it, with a vocabulary of any 48,894 merges."""
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

    from clipcli.models.tokenizer.vocabulary import BYTE_SYMBOLS, Vocabulary, write_vocabulary

    CLIPModel(CLIPConfig()).save_pretrained(folder)
    CLIPImageProcessorPil().save_pretrained(folder)
    symbols = list(BYTE_SYMBOLS.values())
    merges = [(left, right) for left in symbols for right in symbols][:48_894]
    write_vocabulary(Vocabulary.from_merges(merges), folder / "merges.txt")


def main() -> None:
    """Write the model and open it twice."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "vit-b-32"
        # In a process of its own: a peak of memory is handed down to those that are started.
        subprocess.run([sys.executable, __file__, str(folder)], check=True)
        size_mb = (folder / "model.safetensors").stat().st_size / 1024**2
        print(f"file {size_mb:.0f} MB, so at most {1.15 * size_mb + 300:.0f} MB are promised")
        environment = os.environ | {"CLIPCLI_CACHE": str(Path(scratch) / "cache")}
        for _ in range(2):
            command = [sys.executable, "-c", MEASURE, str(folder)]
            subprocess.run(command, env=environment, check=True)


if __name__ == "__main__":
    write_model(Path(sys.argv[1])) if sys.argv[1:] else main()
