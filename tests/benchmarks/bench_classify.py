"""Whole runs, start-up included: clipcli beside others, the same network and the same pictures.

``python tests/benchmarks/bench_classify.py 640x480|12mp|png [--rounds 3] [--count 1000]``

Peers that are not installed are left out. Nobody uses a cache. OpenCLIP runs as its readme shows,
with a torch DataLoader with as many workers as there are cores; transformers' pipeline as its
documentation shows, picture by picture: so slow that its time for all is reckoned from its first
hundred.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import inputs
import measure

from clipcli.process import usable_cores

DISTINCT = {"640x480": 1000, "12mp": 100, "png": 300}
COUNTS = {"640x480": 1000, "12mp": 1000, "png": 300}
KINDS = {kind.name: kind for kind in (inputs.SMALL, inputs.LARGE, inputs.PNG)}
PIPELINE_COUNT = 100
OURS = "clipcli"
# Each engine in each precision that is worth a row, by how it is asked for.
ENGINES = {
    OURS: (),
    "clipcli --backend onnx": ("--backend", "onnx"),
    "clipcli --backend onnx --precision int8": ("--backend", "onnx", "--precision", "int8"),
    "clipcli --backend torch --precision fp32": ("--backend", "torch", "--precision", "fp32"),
}
OPENVINO = {"clipcli --backend openvino": ("--backend", "openvino")}


def clipcli(folder: Path, model: inputs.Model, *more: str) -> Callable[[], measure.Finished]:
    """Return a run of clipcli; torch's vectors are not kept, and so found nowhere."""
    command = [*measure.CLIPCLI, "classify", folder, "--model", model.ours, "--no-cache", *more]
    command += ["--labels", ", ".join(inputs.LABELS), "--templates", inputs.TEMPLATE]
    return lambda: _all_lines(measure.run(command), folder)


def open_clip(folder: Path, model: inputs.Model, precision: str) -> Callable[[], measure.Finished]:
    """Return a run of OpenCLIP with a DataLoader."""
    script, weights = measure.PEERS / "open_clip_loader.py", model.ours / "model.safetensors"
    command = [sys.executable, script, folder, weights, "--labels", ",".join(inputs.LABELS)]
    command += ["--workers", str(usable_cores()), "--precision", precision]
    return lambda: _all_lines(measure.run(command), folder)


def pipeline(folder: Path, model: inputs.Model) -> Callable[[], measure.Finished]:
    """Return a run of transformers' pipeline over some, and what all would take at its pace."""
    script = measure.PEERS / "hugging_face_pipeline.py"
    command = [sys.executable, script, folder, model.hugging_face]
    command += ["--labels", ",".join(inputs.LABELS), "--count", str(PIPELINE_COUNT)]

    def scaled() -> measure.Finished:
        done = measure.run(command)
        times = [float(told) for told in re.findall(r"^# (\S+) s$", done.output, re.MULTILINE)]
        pace = (times[-1] - times[9]) / (len(times) - 10)  # the first ten warm up
        missing_s = pace * (len(list(folder.iterdir())) - len(times))
        share = done.processor_s / done.seconds
        return replace(
            done, seconds=done.seconds + missing_s, processor_s=done.processor_s + share * missing_s
        )

    return scaled


def onnx_runtime(folder: Path, model: inputs.Model) -> Callable[[], measure.Finished]:
    """Return a run of ONNX Runtime in fp32, exported beforehand."""
    script = measure.PEERS / "onnx_runtime.py"
    exported = model.ours.parent / "vit-b-32.onnx"
    if not exported.exists():
        measure.run([sys.executable, script, "--export", model.ours, exported])
    command = [sys.executable, script, folder, exported]
    return lambda: _all_lines(measure.run(command), folder)


def _all_lines(done: measure.Finished, folder: Path) -> measure.Finished:
    answers = [line for line in done.output.splitlines() if "\t" in line]
    assert len(answers) == len(list(folder.iterdir())), "somebody left pictures out"
    return done


def engines() -> dict[str, tuple[str, ...]]:
    """Return clipcli's engines that are installed."""
    return ENGINES | (OPENVINO if is_there("openvino") and is_there("nncf") else {})


def is_there(package: str) -> bool:
    """Tell whether a package can be imported, here or from the peers' folder."""
    peers = os.environ.get("PEERS_PATH", "")
    return find_spec(package) is not None or (Path(peers) / package).exists()


def contenders(
    folder: Path, model: inputs.Model, only: str | None
) -> dict[str, Callable[[], measure.Finished]]:
    """Return who is installed, by name; who is not is told on standard error."""
    found = {name: clipcli(folder, model, *more) for name, more in engines().items()}
    if is_there("open_clip") and is_there("torchvision"):
        found["OpenCLIP, DataLoader"] = open_clip(folder, model, "fp32")
        found["OpenCLIP, DataLoader, bf16 by autocast"] = open_clip(folder, model, "amp_bf16")
    else:
        print("OpenCLIP is not installed, and left out: pip install '.[bench]'", file=sys.stderr)
    if is_there("transformers"):
        found["transformers' pipeline"] = pipeline(folder, model)
    found["ONNX Runtime, fp32, threads"] = onnx_runtime(folder, model)
    return {name: run for name, run in found.items() if only is None or re.search(only, name)}


def main() -> None:
    """Measure one kind of picture."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int)
    parser.add_argument("--only", help="a pattern of contenders' names")
    parser.add_argument("--add", action="store_true", help="to the rounds of earlier calls")
    parser.add_argument("--seconds", type=float, default=240.0, help="no round beyond this")
    parser.add_argument("--folder", type=Path, default=inputs.FOLDER)
    options = parser.parse_args()
    n = options.count or COUNTS[options.kind]
    folder = inputs.copies(KINDS[options.kind], min(n, DISTINCT[options.kind]), n, options.folder)
    model = inputs.vit_b_32(options.folder)
    os.environ.setdefault("CLIPCLI_CACHE", str(options.folder / "cache"))
    running = contenders(folder, model, options.only)
    few = inputs.pictures(inputs.SMALL, 4, options.folder)
    for name in running.keys() & engines().keys():  # what is exported is exported before
        clipcli(few, model, *engines()[name])()
    kept = options.folder / f"rounds-{options.kind}-{n}.json" if options.add else None
    done = measure.rounds(running, options.rounds, kept, options.seconds)
    rows = []
    for name in dict.fromkeys(name for one in done for name in one):
        if name.endswith(measure.PROCESSOR):
            continue
        seconds = measure.column(done, name)
        rows.append(
            [
                name,
                measure.middle(seconds),
                measure.middle([n / s for s in seconds]),
                measure.ratio(done, name, OURS),
                measure.middle(measure.column(done, name + measure.PROCESSOR)),
                measure.ratio(done, name + measure.PROCESSOR, OURS + measure.PROCESSOR),
            ]
        )
    print(f"{n:,} pictures, ViT-B/32, {len(done)} rounds: median (least to greatest)\n")
    header = [
        "",
        "seconds",
        "pictures a second",
        "time / clipcli's",
        "processor seconds",
        "/ clipcli's",
    ]
    print(measure.table(header, rows))
    if any("pipeline" in row[0] for row in rows):
        print(f"The pipeline classified {PIPELINE_COUNT}; all are reckoned at that pace.")


if __name__ == "__main__":
    main()
