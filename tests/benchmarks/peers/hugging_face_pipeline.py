"""Classify a folder with transformers' zero-shot pipeline, as its documentation shows.

``python hugging_face_pipeline.py FOLDER MODEL [--count 100]``
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

START = time.perf_counter()

import vision_library  # noqa: E402

vision_library.prepare()

from transformers import pipeline  # noqa: E402


def main() -> None:
    options = _options()
    classify = pipeline("zero-shot-image-classification", model=str(options.model))
    for path in sorted(options.folder.iterdir())[: options.count]:
        best = classify(str(path), candidate_labels=options.labels)[0]
        print(path, best["label"], f"{best['score']:.6f}", sep="\t")
        print(f"# {time.perf_counter() - START:.3f} s", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--labels", type=lambda told: told.split(","), default=["cat", "dog"])
    parser.add_argument("--count", type=int, default=None)
    return parser.parse_args()


if __name__ == "__main__":
    main()
