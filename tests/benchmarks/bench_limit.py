"""What share of the encoder's own limit a whole run reaches, and what the backends are worth.

``python tests/benchmarks/bench_limit.py [--model FOLDER|mini] [--device auto] [--rounds 5]``

The limit is the encoder's pace with decoded batches in memory and nothing else to do. The run is
that of ``clipcli classify`` from the hundredth picture on: found, decoded, encoded, scored. Both
are measured in turns in one process. With ``--device cuda`` this is the measurement for a GPU.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import inputs
import measure
import numpy as np

from clipcli.encoder.encoder import ModelEncoder, load_encoder
from clipcli.images.load import load_pixels

WARM = 96  # pictures before the steady state
BATCHES = 8  # of the limit, in each round


def pace_of_run(encoder: ModelEncoder, folder: Path) -> float:
    """Return pictures a second from the steady state to the end."""
    from clipcli.cache.image_cache import ImageCache
    from clipcli.cache.text_cache import TextCache
    from clipcli.pipeline.classifier import Classifier

    caches = {"cache": TextCache(None), "image_cache": ImageCache(None)}
    classifier = Classifier(list(inputs.LABELS), templates="single", encoder=encoder, **caches)
    times = [time.perf_counter() for _ in classifier.classify([folder])]
    return (len(times) - WARM) / (times[-1] - times[WARM - 1])


def pace_in_memory(encoder: ModelEncoder, pixels: np.ndarray) -> float:
    """Return pictures a second of batches that are there already."""
    start = time.perf_counter()
    for _ in range(BATCHES):
        encoder.encode_images(pixels)
    return BATCHES * len(pixels) / (time.perf_counter() - start)


def decoding_alone(encoder: ModelEncoder, folder: Path) -> Callable[[], float]:
    """Return what measures pictures a second and core that are decoded, on one thread."""
    paths = sorted(folder.iterdir())[:100]

    def pace() -> float:
        start = time.thread_time()
        for path in paths:
            load_pixels(path, encoder.config.preprocessing)
        return len(paths) / (time.thread_time() - start)

    return pace


def main() -> None:
    """Measure all backends that are installed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="ViT-B/32")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=240.0, help="no round beyond this")
    parser.add_argument("--folder", type=Path, default=inputs.FOLDER)
    options = parser.parse_args()
    os.environ.setdefault("CLIPCLI_CACHE", str(options.folder / "cache"))
    is_ours = options.model == "ViT-B/32"
    model = str(inputs.vit_b_32(options.folder).ours) if is_ours else options.model
    folder = inputs.pictures(inputs.SMALL, options.count, options.folder)
    encoders = {"torch": load_encoder(model, options.device, "auto", "torch")}
    if options.device in ("auto", "cpu"):
        for precision in ("fp32", "int8"):
            encoders[f"onnx {precision}"] = load_encoder(model, "auto", precision, "onnx")
        if find_spec("openvino") and find_spec("nncf"):
            encoders["openvino"] = load_encoder(model, "auto", "auto", "openvino")
    contenders: dict[str, Callable[[], float]] = {}
    for name, encoder in encoders.items():
        files = sorted(folder.iterdir())[: encoder.batch_size]
        pixels = np.stack([load_pixels(path, encoder.config.preprocessing) for path in files])
        encoder.encode_images(pixels)
        contenders[f"limit {name}"] = lambda e=encoder, p=pixels: pace_in_memory(e, p)  # type: ignore[misc]
        contenders[f"run {name}"] = lambda e=encoder: pace_of_run(e, folder)  # type: ignore[misc]
    contenders["decode"] = decoding_alone(encoders["torch"], folder)
    done = measure.rounds(contenders, options.rounds, most_s=options.seconds)
    report(encoders, done, options.model)


def report(encoders: dict[str, ModelEncoder], done: measure.Rounds, model: str) -> None:
    """Print the table."""
    rows = []
    for name, encoder in encoders.items():
        shares = [100 * one[f"run {name}"] / one[f"limit {name}"] for one in done]
        rows.append(
            [
                f"{name.split()[0]}, {encoder.precision}, batches of {encoder.batch_size}",
                measure.middle(measure.column(done, f"limit {name}")),
                measure.middle(measure.column(done, f"run {name}")),
                measure.middle(shares, 0) + " %",
                measure.ratio(done, f"limit {name}", "limit torch"),
            ]
        )
    device = next(iter(encoders.values())).device
    print(f"{model} on {device}, 640x480, pictures a second: median (least to greatest)\n")
    header = [
        "",
        "encoder's limit",
        "steady state of a run",
        "share of the limit",
        "limit / torch's",
    ]
    print(measure.table(header, rows))
    pace = statistics.median(measure.column(done, "decode"))
    print(f"Decoding alone: {pace:.0f} pictures a second and core ({1000 / pace:.1f} ms each).")
    for encoder in encoders.values():
        if encoder.note:
            print(f"{encoder.note[0].upper()}{encoder.note[1:]}.")


if __name__ == "__main__":
    sys.exit(main())
