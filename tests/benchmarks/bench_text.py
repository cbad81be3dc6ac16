"""How fast labels become rows: 1,000 labels in 80 templates, and ten labels in the default ones.

Run by hand: ``python tests/benchmarks/bench_text.py``; a minute on two cores. The text tower is
one of ViT-B/32's size with random weights; tokens are of the bundled model's vocabulary, which
cuts these prompts into about as many pieces as OpenAI's does. The plain way, every prompt filled
up to 77 tokens in torch's fp32, would take an hour for 80,000 prompts: both ways are measured on
parts, in turns, and scaled. Promised: at least 15 times as fast, the rows the same within 1e-5.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Before numpy is imported: as ``clipcli`` itself does it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

LABELS, TEMPLATES = 1000, 80
ROUNDS = 5
PLAIN_PROMPTS = 64  # a round; one batch
OUR_PROMPTS = 2048  # a round; in a run 8,192 go together, which share more
TEN = "cat, dog, teapot, red car, tree, house, boat, bird, flower, guitar"
WORDS = """apple bear boat bottle bridge bus cake camera candle castle chair clock cow cup desk dog
door drum duck engine fence fish flag flower fork fox garden glove goat guitar hammer harp"""
KINDS = """photo of a, photo of the, drawing of a, painting of a, rendering of a, photo of one,
sculpture of a, picture of many"""
LOOKS = """good, bad, bright, dark, blurry, close, cropped, black-and-white, small, large"""

FRESH = """
import os, sys, time
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
start = time.perf_counter()
if sys.argv[1] == "torch":
    from clipcli.encoder.torch.runner import TorchRunner as Tower
    imported = time.perf_counter()
    from tests.benchmarks.bench_text import model_source, ten_labels
    texts = ten_labels()
    before = time.perf_counter()
    rows = Tower.load(model_source(sys.argv[2]), "cpu", "fp32").encode_texts(texts)
else:
    from clipcli.encoder.numpy_text.tower import NumpyTextTower as Tower
    imported = time.perf_counter()
    from tests.benchmarks.bench_text import model_source, ten_labels
    texts = ten_labels()
    before = time.perf_counter()
    rows = Tower(model_source(sys.argv[2])).encode(texts)
print(imported - start, time.perf_counter() - before)
"""


def shape() -> Any:
    """Return an architecture with the text tower of ViT-B/32, and hardly any image tower."""
    from clipcli.models.config import Architecture, TextTransformer, VisionTransformer

    text = TextTransformer(77, 49_408, width=512, layers=12, heads=8, mlp_width=2048)
    return Architecture(512, VisionTransformer(32, 16, 64, 1, 1, 64), text, "quick_gelu")


def write_model(path: Path) -> None:
    """Write random weights as fp16, as OpenAI's are."""
    import torch

    from clipcli.encoder.torch.clip import CLIP
    from clipcli.encoder.torch.load import stored_tensors
    from clipcli.models.formats.safetensors import write_tensors

    torch.manual_seed(0)
    write_tensors(path, stored_tensors(CLIP(shape()).state_dict(), torch.float16))


def model_source(path: str | Path) -> Any:
    """Open what :func:`write_model` wrote."""
    from clipcli.models.config import ModelConfig, Preprocessing
    from clipcli.models.formats.safetensors import read_tensor_table
    from clipcli.models.formats.tensor_map import StoredTensor, as_they_are
    from clipcli.models.source import ModelSource

    path = Path(path)
    table = {name: StoredTensor(path, place) for name, place in read_tensor_table(path).items()}
    config = ModelConfig("ViT-B/32", shape(), Preprocessing(32), logit_scale=1.0)
    return ModelSource(path, "state dict", config, as_they_are(table), path)


def many_prompts() -> list[list[int]]:
    """Return 80,000 prompts as token ids, label by label."""
    from clipcli.encoder.encoder import load_encoder

    words = WORDS.split()
    pairs = [f"{one} {other}" for one in words for other in words if one != other]
    labels = [*words, *pairs][:LABELS]
    kinds = KINDS.replace("\n", " ").split(", ")
    templates = [f"a {look} {kind} {{}}." for look in LOOKS.split(", ") for kind in kinds]
    assert (len(labels), len(templates)) == (LABELS, TEMPLATES)
    tokenizer = load_encoder("mini").tokenizer
    return [tokenizer.tokenize(t.replace("{}", x)).ids for x in labels for t in templates]


def ten_labels() -> list[list[int]]:
    """Return ten labels in the default templates, as token ids."""
    from clipcli.encoder.encoder import load_encoder
    from clipcli.labels.templates import TEMPLATE_SETS

    tokenizer = load_encoder("mini").tokenizer
    labels = TEN.split(", ")
    prompts = [t.replace("{}", x) for x in labels for t in TEMPLATE_SETS["photo"]]
    return [tokenizer.tokenize(prompt).ids for prompt in prompts]


def plain_way(source: Any) -> Callable[[list[list[int]]], Any]:
    """Return the reference: torch, fp32, every text filled up to the whole context."""
    import torch
    import torch.nn.functional as F

    from clipcli.encoder.torch.load import load_model

    model = load_model(source, torch.float32)

    @torch.inference_mode()
    def encode(texts: list[list[int]]) -> Any:
        filled = torch.tensor([[*ids, *[0] * (77 - len(ids))] for ids in texts])
        return F.normalize(model.encode_text(filled)).numpy()

    return encode


def seconds(encode: Callable[[Any], Any], texts: Any) -> tuple[float, Any]:
    """Return how long it took, and what came out; torch's threads are given time to go to sleep."""
    time.sleep(0.5)
    start = time.perf_counter()
    rows = encode(texts)
    return time.perf_counter() - start, rows


def compare_ways(source: Any) -> str:
    """Measure both ways in turns; return a table row for each and the ratio."""
    import numpy as np

    from clipcli.encoder.numpy_text.tower import NumpyTextTower

    texts = many_prompts()
    plain, ours = plain_way(source), NumpyTextTower(source).encode
    plain(texts[:8])
    ours(texts[:8])
    plain_s, our_s, difference = [], [], 0.0
    for i in range(ROUNDS):
        part = texts[i * OUR_PROMPTS * 4 :][:OUR_PROMPTS]
        took, expected = seconds(plain, part[:PLAIN_PROMPTS])
        plain_s.append(took * len(texts) / PLAIN_PROMPTS)
        took, rows = seconds(ours, part)
        our_s.append(took * len(texts) / OUR_PROMPTS)
        difference = max(difference, float(np.abs(rows[:PLAIN_PROMPTS] - expected).max()))
    ratios = [a / b for a, b in zip(plain_s, our_s, strict=True)]
    return "\n".join(
        [
            f"| {len(texts):,} prompts, ViT-B/32's text tower | seconds (median, least, most) |",
            "|---|---|",
            f"| torch, fp32, filled up to 77 tokens | {spread(plain_s, 0)} |",
            f"| clipcli, fp32 | {spread(our_s, 0)} |",
            f"| times as fast | {spread(ratios, 1)} |",
            f"| largest difference of a number in a row | {difference:.1e} |",
        ]
    )


def compare_starts(path: Path) -> str:
    """Encode ten labels in fresh processes, with torch and without, in turns."""
    root = str(Path(__file__).parent.parent.parent)
    took: dict[str, list[list[float]]] = {"numpy": [], "torch": []}
    for _ in range(3):
        for way, times in took.items():
            command = [sys.executable, "-c", FRESH, way, str(path)]
            environment = os.environ | {"PYTHONPATH": root}
            told = subprocess.run(
                command, env=environment, check=True, capture_output=True, text=True
            )
            times.append([float(word) * 1000 for word in told.stdout.split()])
    rows = [
        f"| {way} | {spread([t[0] for t in times], 0)} | {spread([t[1] for t in times], 0)} |"
        for way, times in took.items()
    ]
    head = "| ten labels, seven templates | import, ms | load and encode, ms |"
    return "\n".join([head, "|---|---|---|", *rows])


def spread(values: list[float], digits: int) -> str:
    """Write the median, and the least and the most in brackets."""
    return (
        f"{statistics.median(values):,.{digits}f} "
        f"({min(values):,.{digits}f} to {max(values):,.{digits}f})"
    )


def markdown() -> str:
    """Measure, and return the tables for RESULTS.md."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "model.safetensors"
        write_model(path)
        return compare_starts(path) + "\n\n" + compare_ways(model_source(path))


if __name__ == "__main__":
    print(markdown())
