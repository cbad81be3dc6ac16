"""Classify a folder with ONNX Runtime: the image tower in fp32, decoding in threads.

``python onnx_runtime.py --export MODEL FILE.onnx`` once, then
``python onnx_runtime.py FOLDER FILE.onnx``. No text tower: its label rows are made up, which costs
nothing.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

BATCH = 32
MEAN = np.array((0.48145466, 0.4578275, 0.40821073), np.float32)
STD = np.array((0.26862954, 0.26130258, 0.27577711), np.float32)


def export(model: Path, file: Path) -> None:
    import torch

    from clipcli.encoder.torch.load import load_model
    from clipcli.models.open import open_model

    tower = load_model(open_model(model)).visual
    pixels = torch.zeros(2, 3, 224, 224)
    axes = {"pixels": {0: "n"}, "rows": {0: "n"}}
    names = {"input_names": ["pixels"], "output_names": ["rows"], "dynamic_axes": axes}
    torch.onnx.export(tower, (pixels,), str(file), dynamo=False, **names)  # type: ignore[arg-type]


def load(path: Path) -> np.ndarray:
    from PIL import Image

    image = Image.open(path).convert("RGB")
    scale = 224 / min(image.size)
    image = image.resize([round(side * scale) for side in image.size], Image.Resampling.BICUBIC)  # type: ignore[arg-type]
    left, top = (image.width - 224) // 2, (image.height - 224) // 2
    pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32) / 255
    return ((pixels - MEAN) / STD).transpose(2, 0, 1)  # (3, s, s)


def main(folder: Path, file: Path) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file))
    labels = np.random.default_rng(0).standard_normal((512, 10)).astype(np.float32)
    with ThreadPoolExecutor(2) as pool:
        paths = sorted(folder.iterdir())
        ahead = [(part, [pool.submit(load, path) for path in part]) for part in _batches(paths)]
        for part, loading in ahead:
            rows = session.run(None, {"pixels": np.stack([one.result() for one in loading])})[0]
            for path, best in zip(part, (rows @ labels).argmax(axis=1), strict=True):
                print(path, best, sep="\t")
            loading.clear()


def _batches(paths: list[Path]) -> list[list[Path]]:
    return [paths[i : i + BATCH] for i in range(0, len(paths), BATCH)]


if __name__ == "__main__":
    if sys.argv[1] == "--export":
        export(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
