"""A picture has the same row in any company: cold, warm, half-warm, crowded, without a cache."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT

PHOTOS = ROOT / "examples" / "photos"
ENGINES = {
    "onnx": ("--backend", "onnx"),
    "torch-fp32": ("--backend", "torch", "--precision", "fp32"),
    "torch-bf16": ("--backend", "torch", "--precision", "bf16"),
}
Run = Callable[..., bytes]


def write_pictures(folder: Path, n: int) -> list[Path]:
    """Write n different pictures: crops of photographs, of many sizes."""
    folder.mkdir()
    draw = random.Random(7)
    photos = [Image.open(path).convert("RGB") for path in sorted(PHOTOS.glob("*.jpg"))]
    paths = []
    for i in range(n):
        photo = draw.choice(photos)
        width, height = draw.randint(60, 180), draw.randint(60, 180)
        left = draw.randint(0, photo.width - width)
        top = draw.randint(0, photo.height - height)
        path = folder / f"{i:05}.jpg"
        photo.crop((left, top, left + width, top + height)).save(path, quality=85)
        os.utime(path, (1_000_000_000, 1_000_000_000))
        paths.append(path)
    return paths


def runner_of(engine: str) -> Run:
    """Return a function that classifies in a process of its own and returns what it printed."""

    def start(
        *inputs: object, cache: Path | None, limit: str = "2GB", listed: bytes | None = None
    ) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "clipcli", "classify", *map(str, inputs), "-q"]
        command += ["--labels", "demo", "--top-k", "5", "--format", "jsonl", *ENGINES[engine]]
        command += [] if cache else ["--no-cache"]
        settings = {"CLIPCLI_CACHE_LIMIT": limit, "PYTHONPATH": str(ROOT), "CLIPCLI_MODEL": "mini"}
        settings |= {"CLIPCLI_CACHE": str(cache)} if cache else {}
        return subprocess.Popen(
            command,
            env=os.environ | settings,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(*inputs: object, cache: Path | None, n_at_once: int = 1, limit: str = "2GB") -> bytes:
        processes = [start(*inputs, cache=cache, limit=limit) for _ in range(n_at_once)]
        outcomes = [process.communicate() for process in processes]
        assert [process.returncode for process in processes] == [0] * n_at_once, outcomes[0][1]
        assert len({out for out, _ in outcomes}) == 1
        return outcomes[0][0]

    return run


def check(run: Run, folder: Path, paths: list[Path], n_fills: int, scratch: Path) -> None:
    """Hold the output of every kind of run to that of a run without a cache."""
    expected = run(folder, cache=None)
    cold = scratch / "cold"
    assert run(folder, cache=cold) == expected
    assert run(folder, cache=cold) == expected, "warm"
    for i in range(n_fills):
        draw = random.Random(i)
        part = draw.sample(paths, draw.randint(1, len(paths) - 1))
        cache = scratch / f"part-{i}"
        (scratch / "list").write_text("".join(f"{path}\n" for path in part), encoding="utf-8")
        run("--from-file", scratch / "list", cache=cache)
        assert run(folder, cache=cache) == expected, f"half-warm, {len(part)} of {len(paths)}"
        shutil.rmtree(cache)
    crowded = scratch / "crowded"
    assert run(folder, cache=crowded, n_at_once=4, limit="300KB") == expected, "four at once"
    assert run(folder, cache=crowded, limit="300KB") == expected, "after eviction"


def test_all_runs_print_the_same(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "pictures", 23)

    check(runner_of("onnx"), tmp_path / "pictures", paths, 1, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("engine", ENGINES)
def test_all_runs_print_the_same_at_length(engine: str, tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "pictures", int(os.environ.get("HALF_WARM", "2000")))

    check(runner_of(engine), tmp_path / "pictures", paths, 10, tmp_path)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_rows_of_a_half_warm_cache_are_those_of_none(
    tiny_model_folder: Path, tmp_path: Path, precision: str
) -> None:
    from clipcli import Classifier
    from clipcli.cache.image_cache import ImageCache

    paths = write_pictures(tmp_path / "pictures", 21)

    def rows(of: list[Path], cache: ImageCache) -> np.ndarray:
        classifier = Classifier(
            ["cat", "dog"],
            model=str(tiny_model_folder),
            device="cpu",
            precision=precision,
            image_cache=cache,
        )
        return classifier.encode_images(of)

    expected = rows(paths, ImageCache(None))
    for i in range(3):
        folder = tmp_path / f"cache-{i}"
        rows(random.Random(i).sample(paths, 4 + 5 * i), ImageCache(folder))

        np.testing.assert_array_equal(rows(paths, ImageCache(folder)), expected)
