"""Grounding DINO: a picture of 800 x 1,333 pixels, by clipcli and by transformers, in turns.

``python tests/benchmarks/bench_grounding.py [--rounds 5]``

MM-Grounding-DINO with Swin-T in full size, which LLMDet is too, with random weights, the same for
both; preprocessing and BERT are part of the time. Before anything is timed, logits and boxes are
compared, in fp32 and in bf16 as well, where boxes are told apart in pixels.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import measure
import numpy as np
import torch
from PIL import Image

from clipcli.encoder.load_locator import load_locator
from clipcli.encoder.locator import Question
from clipcli.encoder.torch.locators.grounding_runner import GroundingRunner
from clipcli.models.locators.source import open_locator
from clipcli.process import usable_cores

HEIGHT, WIDTH = 800, 1333
N_WORDS = 30_522
SPECIAL = {
    0: "[PAD]",
    100: "[UNK]",
    101: "[CLS]",
    102: "[SEP]",
    103: "[MASK]",
    1012: ".",
    1029: "?",
}
WORDS = ("cat", "dog", "remote", "control", "red", "##s")
NAMES = ["cat", "dogs", "remote control", "red cat"]
LEAST_SPREAD = 0.01  # of boxes' middles, or the comparison would say nothing
OURS, OURS_LOW, THEIRS = "clipcli", "clipcli, bf16", "transformers"


def main() -> None:
    """Compare, then print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(usable_cores())
    with tempfile.TemporaryDirectory() as folder:
        told = write_model(Path(folder))
        exact, low = (load(Path(folder), precision) for precision in ("fp32", "bf16"))
    picture = photograph()
    print(compare(told, exact, low, picture, NAMES))
    runs: dict[str, Callable[[], object]] = {
        OURS: lambda: look(exact, picture, NAMES),
        OURS_LOW: lambda: look(low, picture, NAMES),
        THEIRS: lambda: told(picture, NAMES),
    }
    done = measure.rounds({name: timed(one) for name, one in runs.items()}, options.rounds)
    rows = [
        [
            name,
            measure.middle(measure.column(done, name), 2),
            measure.ratio(done, THEIRS, name),
            measure.middle(measure.column(done, name + measure.PROCESSOR), 2),
            measure.ratio(done, THEIRS + measure.PROCESSOR, name + measure.PROCESSOR),
        ]
        for name in runs
    ]
    print(f"{len(NAMES)} names, {len(done)} rounds: median (least to greatest)\n")
    print(measure.table(["", "seconds", "times as fast", "processor seconds", "times less"], rows))


def timed(one: Callable[[], object]) -> Callable[[], measure.Finished]:
    """Return what runs something and tells what it took."""

    def run() -> measure.Finished:
        start, processor = time.perf_counter(), time.process_time()
        one()
        spent = time.perf_counter() - start
        return measure.Finished(spent, time.process_time() - processor, 0.0, "", "")

    return run


def write_model(folder: Path) -> Callable[[Any, list[str]], Any]:
    """Write a folder with random weights, and return transformers' way from picture to output."""
    import transformers
    from transformers.models.grounding_dino.image_processing_pil_grounding_dino import (
        GroundingDinoImageProcessorPil,
    )

    torch.manual_seed(3)
    own = {"decoder_bbox_embed_share": False, "decoder_cls_embed_share": False}
    model = transformers.MMGroundingDinoForObjectDetection(
        transformers.MMGroundingDinoConfig(**own)
    ).eval()
    fill(model)
    model.save_pretrained(folder)
    preprocessing = GroundingDinoImageProcessorPil()
    told = {"size": {"shortest_edge": HEIGHT, "longest_edge": WIDTH}, "resample": 2}
    told |= {"image_mean": preprocessing.image_mean, "image_std": preprocessing.image_std}
    (folder / "preprocessor_config.json").write_text(json.dumps(told), encoding="utf-8")
    words = [(SPECIAL | dict(enumerate(WORDS, 2000))).get(i, f"unused{i}") for i in range(N_WORDS)]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    tokenizer = transformers.BertTokenizer(str(folder / "vocab.txt"))
    processor = transformers.GroundingDinoProcessor(preprocessing, tokenizer)

    @torch.inference_mode()
    def run(picture: Any, names: list[str]) -> Any:
        inputs = processor(Image.fromarray(picture), text=[names], return_tensors="pt")
        return model(**inputs)

    return run


def fill(model: Any) -> None:
    """Draw weights with which every part has a say, and cells at the edge propose nothing."""
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            drawn = torch.randn_like(tensor)
            if tensor.ndim == 2 and "embeddings" in name:
                tensor.copy_(drawn * 0.5)
            elif tensor.ndim < 2:
                tensor.copy_(drawn * 0.1 + name.endswith("weight"))
            else:
                tensor.copy_(drawn / tensor[0].numel() ** 0.5)
        model.model.enc_output.bias.zero_()
        model.model.enc_output_norm.bias.zero_()


def load(folder: Path, precision: str) -> GroundingRunner:
    """Load our model."""
    runner = load_locator(open_locator(folder), "cpu", precision)
    assert isinstance(runner, GroundingRunner)
    return runner


def photograph() -> Any:
    """Return waves and noise, (800, 1333, 3)."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    waves = [np.sin(x / 37) * np.cos(y / 23), np.sin(x / 11 + 1), np.cos(y / 71 + x / 200)]
    noise = np.random.default_rng(0).normal(0, 20, (HEIGHT, WIDTH, 3))
    return np.clip(128 + 60 * np.stack(waves, axis=-1) + noise, 0, 255).astype(np.uint8)


@torch.inference_mode()
def look(runner: GroundingRunner, picture: Any, names: list[str]) -> tuple[Any, Any]:
    """Return logits and boxes of a picture, the question being new."""
    runner.asked.forget()
    pixels = torch.from_numpy(runner.pixels(picture)).to(runner._dtype)
    scene = runner._network.encode_image(pixels)
    ((_, text),) = runner.asked.captions(Question.of_names(names))
    return runner._network.read(scene, text)


def compare(
    told: Callable[[Any, list[str]], Any],
    exact: GroundingRunner,
    low: GroundingRunner,
    picture: Any,
    names: list[str],
) -> str:
    """Say how far we are from the reference."""
    theirs = told(picture, names)
    lines = []
    for name, runner in ((OURS, exact), (OURS_LOW, low)):
        logits, boxes = look(runner, picture, names)
        expected = theirs.logits[0, :, : logits.shape[1]]
        apart = (logits - expected).abs(), (logits.sigmoid() - expected.sigmoid()).abs()
        moved = (boxes - theirs.pred_boxes[0]).abs()
        moved_px = moved * torch.tensor([WIDTH, HEIGHT, WIDTH, HEIGHT])
        if float(boxes[:, :2].std()) < LEAST_SPREAD:
            raise SystemExit("all boxes lie in one place: these weights compare nothing")
        lines.append(
            f"{name}: logits differ by {float(apart[0].max()):.1e} at most, scores by "
            f"{float(apart[1].max()):.1e} (median {float(apart[1].median()):.1e}), boxes by "
            f"{float(moved.max()):.1e} (median {float(moved_px.median()):.2f} px); logits spread "
            f"over {float(expected.std()):.2f}, middles over {float(boxes[:, :2].std()):.2f}"
        )
    return "\n\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
