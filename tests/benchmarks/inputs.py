"""What the benchmarks read: pictures like a camera's, and ViT-B/32 with random weights, in a folder
that is made once and used again.

Pictures are cut from the example photographs, brought to size, and given the noise of a sensor, so
that their files are as large as a camera makes them; each is another cut. Weights are random,
since speed does not depend on their values, and are written twice, with the same numbers: as a
model folder of clipcli (whose tensors OpenCLIP's network takes) and as a Hugging Face folder.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "benchmarks"
LABELS = ("cat", "dog", "horse", "car", "bridge", "flower", "cup", "mountain", "bird", "boat")
TEMPLATE = "a photo of a {}."


@dataclass(frozen=True)
class Kind:
    """A kind of picture: its size, the strength of its noise, and how it is stored."""

    name: str
    size: tuple[int, int]
    noise: float  # standard deviation, of 255
    options: dict[str, object]


SMALL = Kind("640x480", (640, 480), 4.0, {"format": "JPEG", "quality": 90})
LARGE = Kind("12mp", (4000, 3000), 5.0, {"format": "JPEG", "quality": 92})
PNG = Kind("png", (640, 480), 2.0, {"format": "PNG"})
TINY = Kind("tiny", (96, 72), 2.0, {"format": "JPEG", "quality": 85})


def pictures(kind: Kind, n: int, folder: Path = FOLDER) -> Path:
    """Return a folder with exactly ``n`` pictures of a kind; what is missing is made."""
    store, place = folder / kind.name, folder / f"{kind.name}-{n}"
    if place.exists():
        return place
    store.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(2) as pool:
        files = list(pool.map(lambda i: _picture(store, kind, i), range(n)))
    partial = place.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for file in files:
        (partial / file.name).hardlink_to(file)
    return partial.rename(place)


def copies(kind: Kind, n_distinct: int, n: int, folder: Path = FOLDER) -> Path:
    """Return a folder of ``n`` files, copies of a few: a link would be the same input again."""
    made = pictures(kind, n_distinct, folder)
    if n == n_distinct:
        return made
    place = folder / f"{kind.name}-{n}-copies"
    if not place.exists():
        partial = place.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        files = sorted(made.iterdir())
        for i in range(n):
            file = files[i % len(files)]
            shutil.copyfile(file, partial / f"{i:06}{file.suffix}")
        partial.rename(place)
    return place


def _picture(store: Path, kind: Kind, index: int) -> Path:
    path = store / f"{index:06}.{'png' if kind is PNG else 'jpg'}"
    if not path.exists():
        chance = np.random.default_rng([index, *kind.size])
        photographs = _photographs()
        cut = _cut(photographs[index % len(photographs)], chance)
        resized = np.asarray(cut.resize(kind.size, Image.Resampling.BICUBIC), np.float32)
        noise = kind.noise * chance.standard_normal(resized.shape, np.float32)
        pixels = np.clip(resized * chance.uniform(0.8, 1.1) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(path, **kind.options)  # type: ignore[arg-type]
    return path


@cache
def _photographs() -> list[Image.Image]:
    paths = sorted((ROOT / "examples").glob("*/*.jpg"))
    return [Image.open(path).convert("RGB") for path in paths]


def _cut(photograph: Image.Image, chance: np.random.Generator) -> Image.Image:
    """Cut out a part of 4 : 3, at least two thirds as wide as fits, sometimes mirrored."""
    width = chance.uniform(0.66, 1.0) * min(photograph.width, photograph.height * 4 / 3)
    height = width * 3 / 4
    left = chance.uniform(0, photograph.width - width)
    top = chance.uniform(0, photograph.height - height)
    box = tuple(round(side) for side in (left, top, left + width, top + height))
    cut = photograph.crop(box)  # type: ignore[arg-type]
    return cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if chance.random() < 0.5 else cut


@dataclass(frozen=True)
class Model:
    """The same random weights for everybody."""

    ours: Path  # a model folder of clipcli; its weights have OpenAI's names, as OpenCLIP's
    hugging_face: Path


def vit_b_32(folder: Path = FOLDER) -> Model:
    """Return ViT-B/32 in both layouts; written where it is not there yet."""
    model = Model(folder / "vit-b-32", folder / "vit-b-32-hf")
    _once(model.hugging_face, _write_hugging_face)
    _once(model.ours, lambda place: _import(model.hugging_face, place))
    return model


def _once(place: Path, write: Callable[[Path], None]) -> None:
    if not place.exists():
        partial = place.with_name(place.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        write(partial)
        partial.rename(place)


def _write_hugging_face(folder: Path) -> None:
    """Write a model as transformers saves it, with a vocabulary of any 48,894 merges."""
    import torch
    from peers import vision_library

    vision_library.prepare()  # transformers looks for it
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

    from clipcli.models.tokenizer.vocabulary import BYTE_SYMBOLS, Vocabulary

    torch.manual_seed(0)
    CLIPModel(CLIPConfig()).save_pretrained(folder)
    CLIPImageProcessorPil().save_pretrained(folder)
    symbols = list(BYTE_SYMBOLS.values())
    merges = [(left, right) for left in symbols for right in symbols][:48_894]
    vocabulary = Vocabulary.from_merges(merges)
    CLIPTokenizer(vocab=dict(vocabulary.ids), merges=merges).save_pretrained(folder)


def _import(source: Path, folder: Path) -> None:
    from clipcli.encoder.torch.convert import import_model
    from clipcli.models.open import open_model

    import_model(open_model(source), folder)


def main() -> None:
    """Make everything."""
    vit_b_32()
    for kind, n in ((SMALL, 1000), (LARGE, 100), (PNG, 300), (TINY, 1000)):
        print(pictures(kind, n))


if __name__ == "__main__":
    main()
