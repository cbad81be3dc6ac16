"""Pictures with boxes, and what a model's trunk sees of them, for the small locator.

    python -m data.boxes --model FOLDER --manifests DIR --clones DIR --out work/boxes

Two sources of sources.yaml have boxes of all things they name: VOC's copy, and COCO's captions,
whose instances lie in the same repository. Names are not used. Each picture is seen twice: with 12
places on its short side, and mirrored and smaller.

500 pictures of VOC's copy are left out and written to ``judge/``, with ``judge.json`` in COCO's
form, for ``clipcli eval --boxes``.

Writes ``part-NNN.npz``: of each view ``fine_I`` (c, h, w) and ``deep_I`` (c', h/2, w/2) float16,
``boxes_I`` (n, 4) in places of the finer map, and in ``sources`` where it comes from.
"""

from __future__ import annotations

import argparse
import io
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from data.available import SOURCES, available_sources
from data.gitobjects import git, objects_at, read_objects
from PIL import Image, ImageOps

from clipcli.encoder.torch.efficientnet import EfficientNetTower
from clipcli.encoder.torch.load import load_model
from clipcli.images.preprocess import normalise
from clipcli.models.open import open_model

VOC, COCO = "voc-car-bus-cat-train-person", "coco-captions-mini"
VOC_BOXES = "HandledText/annotations.txt"
VOC_NAMES = ("person", "cat", "car", "train", "bus")
VOC_PICTURES, JUDGED = "JPEGImages", 500
COCO_BOXES = "annotations/instances_{}.json"
COCO_PARTS = ("train2017", "val2017")
PART = 400  # views a file
STRIDE, FINE_PX = 32, 16  # pixels a place, of the coarser map and of the finer
WHOLE, SMALLER = 12, (8, 9, 10, 11, 12)  # places on the short side
LONGEST = 4  # short sides
SEED = 0


@dataclass(frozen=True, slots=True)
class Annotated:
    """A picture in a repository, and what has a box there."""

    source: str
    path: str
    boxes: tuple[tuple[float, float, float, float], ...]  # left, top, right, bottom, pixels
    names: tuple[str, ...] = ()
    is_judged: bool = False


def voc_pictures(text: str) -> list[Annotated]:
    """Read VOC's copy: a picture's name in a line, and a line a box below it."""
    found: dict[str, list[tuple[str, tuple[float, ...]]]] = {}
    for fields in (line.split() for line in text.splitlines()):
        if len(fields) == 1 and fields[0].endswith(".jpg"):
            boxes = found.setdefault(fields[0], [])
        elif len(fields) == 5:
            boxes.append((fields[0], tuple(map(float, fields[1:]))))
    pictures = [
        Annotated(
            VOC,
            f"{VOC_PICTURES}/{name}",
            tuple(box for _, box in boxes),  # type: ignore[misc]
            tuple(label for label, _ in boxes),
        )
        for name, boxes in sorted(found.items())
    ]
    random.Random(SEED).shuffle(pictures)  # noqa: S311
    judged = [replace(picture, is_judged=True) for picture in pictures[:JUDGED]]
    return judged + pictures[JUDGED:]


def coco_pictures(part: str, data: dict[str, Any], paths: dict[str, str]) -> list[Annotated]:
    """Read COCO's instances, of the pictures that are there; crowds are left aside."""
    found: dict[int, list[tuple[float, float, float, float]]] = {}
    for one in data["annotations"]:
        if not one["iscrowd"]:
            left, top, width, height = one["bbox"]
            found.setdefault(one["image_id"], []).append((left, top, left + width, top + height))
    names = {image["id"]: f"{part}/{image['file_name']}" for image in data["images"]}
    return [
        Annotated(COCO, names[image], tuple(boxes))
        for image, boxes in sorted(found.items())
        if names.get(image) in paths
    ]


def pictures_of(source: dict[str, Any], clone: Path) -> list[Annotated]:
    """Return a source's pictures that have boxes."""
    commit = source["commit"]
    if source["name"] == VOC:
        return voc_pictures(git(clone, "show", f"{commit}:{VOC_BOXES}").decode("utf-8"))
    paths = objects_at(clone, commit)
    files = {part: COCO_BOXES.format(part) for part in COCO_PARTS}
    return [
        picture
        for part, file in files.items()
        for picture in coco_pictures(
            part, json.loads(git(clone, "show", f"{commit}:{file}")), paths
        )
    ]


def decoded(
    pictures: list[Annotated], clone: Path, commit: str
) -> Iterator[tuple[Annotated, Image.Image, bytes]]:
    """Yield each picture that the clone holds, upright, and its file."""
    objects = objects_at(clone, commit)
    there = [picture for picture in pictures if picture.path in objects]
    files = read_objects(clone, [objects[picture.path] for picture in there])
    for picture, data in zip(there, files, strict=True):
        if data is not None:
            image = Image.open(io.BytesIO(data))
            yield picture, ImageOps.exif_transpose(image).convert("RGB"), data


class Trunk:
    """A model's image tower up to its last stage."""

    def __init__(self, folder: Path) -> None:
        source = open_model(folder)
        tower = load_model(source, dtype=torch.float32).visual.eval()
        if not isinstance(tower, EfficientNetTower):
            raise SystemExit(f"{folder}: its image tower is no EfficientNet")
        self._tower, self._preprocessing = tower, source.config.preprocessing

    @torch.inference_mode()
    def see(self, picture: Image.Image, n_short: int, *, is_mirrored: bool) -> list[np.ndarray]:
        """Return both maps of a picture with so many places on its short side, float16."""
        short, long = sorted(picture.size)
        n_long = round(n_short * min(long / short, LONGEST))
        grid = (n_long, n_short) if picture.width >= picture.height else (n_short, n_long)
        size = (grid[0] * STRIDE, grid[1] * STRIDE)
        pixels = np.asarray(picture.resize(size, Image.Resampling.BICUBIC))[None]
        pixels = np.ascontiguousarray(pixels[:, :, ::-1]) if is_mirrored else pixels
        x = torch.from_numpy(normalise(pixels, self._preprocessing))
        return [each[0].numpy().astype(np.float16) for each in self._tower.maps(x)]


def in_places(
    boxes: np.ndarray, picture: Image.Image, fine: np.ndarray, *, is_mirrored: bool
) -> np.ndarray:
    """Return boxes (n, 4) in places of the finer map (c, h, w)."""
    height, width = fine.shape[1:]
    across, down = width / picture.width, height / picture.height
    placed = boxes * np.array([across, down, across, down], np.float32)
    if is_mirrored:
        placed[:, [0, 2]] = width - placed[:, [2, 0]]
    return placed.astype(np.float32)


def write_judged(folder: Path, judged: list[tuple[Annotated, Image.Image, bytes]]) -> None:
    """Write pictures and their boxes for ``clipcli eval --boxes``."""
    (folder / "judge").mkdir(parents=True, exist_ok=True)
    told: dict[str, Any] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": i, "name": name} for i, name in enumerate(VOC_NAMES)],
    }
    for i, (picture, image, data) in enumerate(judged):
        name = Path(picture.path).name
        (folder / "judge" / name).write_bytes(data)
        facts = {"id": i, "file_name": name, "width": image.width, "height": image.height}
        told["images"].append(facts)
        for label, (left, top, right, bottom) in zip(picture.names, picture.boxes, strict=True):
            told["annotations"].append(
                {
                    "id": len(told["annotations"]),
                    "image_id": i,
                    "category_id": VOC_NAMES.index(label),
                    "bbox": [left, top, right - left, bottom - top],
                    "iscrowd": 0,
                }
            )
    (folder / "judge.json").write_text(json.dumps(told), encoding="utf-8")


class Parts:
    """Views on their way into files."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._n_files = folder, 0
        self._arrays: dict[str, np.ndarray] = {}
        self._sources: list[str] = []

    def add(self, source: str, fine: np.ndarray, deep: np.ndarray, boxes: np.ndarray) -> None:
        """Take a view; a full part is written."""
        i = len(self._sources)
        self._arrays |= {f"fine_{i}": fine, f"deep_{i}": deep, f"boxes_{i}": boxes}
        self._sources.append(source)
        if len(self._sources) == PART:
            self.flush()

    def flush(self) -> None:
        """Write what is there."""
        if self._sources:
            path = self._folder / f"part-{self._n_files:03d}.npz"
            np.savez(path, sources=np.array(self._sources), **self._arrays)
            self._n_files += 1
            self._arrays, self._sources = {}, []
            print(path, flush=True)


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="a model folder, such as mini's")
    parser.add_argument("--manifests", type=Path, required=True)
    parser.add_argument("--clones", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    sources, clones = available_sources(SOURCES, options.clones, options.manifests)
    options.out.mkdir(parents=True, exist_ok=True)
    trunk, parts, judged = Trunk(options.model), Parts(options.out), []
    chance = random.Random(SEED)  # noqa: S311
    for source in sources:
        if source["name"] not in (VOC, COCO):
            continue
        clone = clones[source["name"]]
        pictures = pictures_of(source, clone)
        for picture, image, data in decoded(pictures, clone, source["commit"]):
            if picture.is_judged:
                judged.append((picture, image, data))
                continue
            for n_short, is_mirrored in ((WHOLE, False), (chance.choice(SMALLER), True)):
                fine, deep = trunk.see(image, n_short, is_mirrored=is_mirrored)
                boxes = np.array(picture.boxes, np.float32).reshape(-1, 4)
                placed = in_places(boxes, image, fine, is_mirrored=is_mirrored)
                parts.add(picture.source, fine, deep, placed)
    parts.flush()
    write_judged(options.out, judged)


if __name__ == "__main__":
    main()
