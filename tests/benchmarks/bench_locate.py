"""OWL-ViT beside `transformers`: the same weights, pictures and labels, in turns.

    python tests/benchmarks/bench_locate.py MODEL TOKENIZER DIR --labels 80 --precision fp32

MODEL is a folder with OWL-ViT's weights, which may be random ones, TOKENIZER one with CLIP's
tokenizer as `transformers` saves it, and DIR has photographs. One thread each, since a machine
that others use makes several wait for each other; starting and loading are left out. The reference
encodes the labels anew with every picture, as its documentation shows it; its pipeline looks at
the picture once a label.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import measure
import numpy as np
import torch
import transformers
from PIL import Image
from transformers.models.owlvit.image_processing_pil_owlvit import OwlViTImageProcessorPil

from clipcli.encoder.load_locator import load_locator
from clipcli.encoder.locator import LocatingModel, Question
from clipcli.images.find import find_images
from clipcli.labels.label_set import builtin_label_sets, load_label_set
from clipcli.models.locators.source import open_locator
from clipcli.results import Skipped

CONTEXT = 16  # tokens that the text tower reads
OURS, THEIRS, PIPELINE = "clipcli", "transformers", "transformers' pipeline"


def main() -> int:
    """Locate in turns, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("folder", help="photographs")
    parser.add_argument("--labels", type=int, default=1, metavar="N")
    parser.add_argument("--precision", default="auto", help="ours; the reference's is fp32")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pipeline", action="store_true", help="ask the pipeline too")
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = (each for each in find_images([given.folder]) if not isinstance(each, Skipped))
    pictures = [np.asarray(Image.open(each.path).convert("RGB")) for each in found]
    names = _names(given.labels)
    runner = load_locator(open_locator(given.model), "cpu", given.precision)
    contenders = _contenders(given, names, runner)
    done: measure.Rounds = []
    for i in range(given.rounds + 1):
        one: dict[str, float] = {}
        for name, locate in contenders.items():
            start, used = time.perf_counter(), time.process_time()
            locate(pictures[i % len(pictures)])
            one[name] = time.perf_counter() - start
            one[name + measure.PROCESSOR] = time.process_time() - used
        done.append(one)
    print(
        f"\n{len(names):,} labels, {runner.precision}; the first picture, labels included: ", end=""
    )
    print(f"{done[0][OURS + measure.PROCESSOR]:.2f} processor seconds\n")
    print(_table(done[1:], list(contenders)))
    return 0


def _names(n: int) -> list[str]:
    """Return names of the built-in sets, and then pairs of them."""
    sets = [load_label_set(name).names for name in builtin_label_sets()]
    names = list(dict.fromkeys(name for some in sets for name in some if len(name) < 24))
    short = [name for name in names if " " not in name]
    pairs = (f"{one} {other}" for one in short for other in short)
    return [*names, *(next(pairs) for _ in range(n - len(names)))][:n]


def _contenders(
    given: argparse.Namespace, names: list[str], runner: LocatingModel
) -> dict[str, Callable[[Any], object]]:
    question = Question.of_names(names)
    model = transformers.OwlViTForObjectDetection.from_pretrained(given.model).eval()
    tokenizer = transformers.CLIPTokenizer.from_pretrained(given.tokenizer)
    processor = OwlViTImageProcessorPil.from_pretrained(given.model)
    texts = [f"a photo of a {name}" for name in names]

    def ours(picture: Any) -> object:
        return runner.locate(picture, question, min_score=0.1, nms=1.0)

    @torch.inference_mode()
    def theirs(picture: Any) -> object:
        pixels = processor(Image.fromarray(picture), return_tensors="pt")["pixel_values"]
        size = {"padding": "max_length", "truncation": True, "max_length": CONTEXT}
        out = model(**tokenizer(texts, return_tensors="pt", **size), pixel_values=pixels)
        sizes = torch.tensor([picture.shape[:2]])
        return processor.post_process_object_detection(out, threshold=0.1, target_sizes=sizes)

    contenders: dict[str, Callable[[Any], object]] = {OURS: ours, THEIRS: theirs}
    if given.pipeline:
        parts = {"model": model, "tokenizer": tokenizer, "image_processor": processor}
        whole = transformers.pipeline("zero-shot-object-detection", **parts, device="cpu")
        contenders[PIPELINE] = lambda picture: whole(
            Image.fromarray(picture), candidate_labels=texts, threshold=0.1
        )
    return contenders


def _table(done: measure.Rounds, names: list[str]) -> str:
    header = ["", "seconds", "time / clipcli's", "processor seconds", "/ clipcli's"]
    rows = []
    for name in names:
        cells = [name]
        for kind in ("", measure.PROCESSOR):
            cells.append(measure.middle(measure.column(done, name + kind), 2))
            cells.append(measure.ratio(done, name + kind, OURS + kind))
        rows.append(cells)
    return measure.table(header, rows)


if __name__ == "__main__":
    sys.exit(main())
