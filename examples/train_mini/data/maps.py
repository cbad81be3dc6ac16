"""What the trunk's first five stages see, twice a picture, for training the stages after them.

    python -m data.maps --manifests DIR --clones DIR --trunk TRUNK.pth --out work/maps

Each picture is shown whole, and once more by lot: cut, turned round or coarse. Beside the two maps
stand the trunk's mean features of the whole, sharp picture: what the trunk names there is what is
asked of the other view too, so that it learns to name coarse pictures as it names sharp ones.

Writes ``part-NNNN.npz``: ``maps`` (n, 2, 112, 10, 10) float16, ``features`` (n, 1280) float16, and
``captions`` and ``concepts`` of each row; pictures in the order of data/vectors.py's parts.
"""

from __future__ import annotations

import argparse
import io
import itertools
import random
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
from data.available import SOURCES, available_sources
from data.names import Names
from data.pack import Row, located_rows
from data.vectors import (
    BATCH,
    HERE,
    PART,
    SIZE_PX,
    Trunk,
    read,
    read_rendered,
    save_part,
    save_rendered,
    shuffled,
    view,
)
from PIL import Image
from torch import Tensor, nn

FIRST_STAGES = 5
OTHER_VIEWS = ("cut",) * 35 + ("coarse",) * 30 + ("cut and coarse",) * 35


class Front(nn.Module):
    """The stages that stay as they are: uint8 pixels -> (n, 112, s/16, s/16)."""

    def __init__(self, trunk: Trunk) -> None:
        super().__init__()
        tower = trunk.tower
        self.stages = nn.Sequential(
            tower.conv_stem, tower.bn1, nn.ReLU6(), *tower.blocks[:FIRST_STAGES]
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """Encode pixels (n, s, s, 3)."""
        return self.stages((pixels.permute(0, 3, 1, 2).float() - 127) / 128)  # type: ignore[no-any-return]


class Tail(nn.Module):
    """The stages after them, and the mean over positions: (n, 112, h, w) -> (n, 1280)."""

    def __init__(self, trunk: Trunk) -> None:
        super().__init__()
        tower = trunk.tower
        self.blocks = tower.blocks[FIRST_STAGES:]
        self.conv_head, self.bn2 = tower.conv_head, tower.bn2

    def forward(self, maps: Tensor) -> Tensor:
        """Go on where the front ended."""
        x = F.relu6(self.bn2(self.conv_head(self.blocks(maps))))  # (n, 1280, h/2, w/2)
        return x.mean(dim=(2, 3))


class Session:
    """A module on ONNX Runtime, one thread, compared with torch once."""

    def __init__(self, module: nn.Module, example: Tensor) -> None:
        graph = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module, (example,), graph, dynamo=False, opset_version=17, input_names=["x"],
                dynamic_axes={"x": {0: "n"}},
            )  # fmt: skip
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(graph.getvalue(), options)
        with torch.no_grad():
            expected = module(example).numpy()
        if np.abs(self(example.numpy()) - expected).max() > 1e-3:
            raise SystemExit("an exported part of the trunk gives other numbers than torch")

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return self._session.run(None, {"x": x})[0]  # type: ignore[no-any-return]


class Eye:
    """Front and tail, for pictures."""

    def __init__(self, trunk: Trunk) -> None:
        front, tail = Front(trunk).eval(), Tail(trunk).eval()
        pixels = torch.randint(0, 256, (2, SIZE_PX, SIZE_PX, 3), dtype=torch.uint8)
        with torch.no_grad():
            maps = front(pixels).clone()
            if not torch.allclose(tail(maps), trunk(pixels), atol=1e-4):
                raise SystemExit("front and tail are not the trunk")
        self.front, self.tail = Session(front, pixels), Session(tail, maps)

    def see(self, pairs: list[tuple[Image.Image, Image.Image]]) -> tuple[np.ndarray, np.ndarray]:
        """Return maps (n, 2, 112, 10, 10) of both views and features (n, 1280) of the first."""
        pixels = np.stack([np.asarray(picture) for pair in pairs for picture in pair])
        maps = self.front(pixels)
        maps = maps.reshape(len(pairs), 2, *maps.shape[1:])
        features = self.tail(np.ascontiguousarray(maps[:, 0]))
        return maps.astype(np.float16), features.astype(np.float16)


Pair = tuple[Image.Image, Image.Image]


def pair(picture: Image.Image, chance: random.Random) -> Pair:
    """Return a picture's two views."""
    return view(picture, "whole", chance), view(picture, chance.choice(OTHER_VIEWS), chance)


def see_all(pairs: Iterator[Pair], eye: Eye) -> dict[str, np.ndarray]:
    """Return the maps and features of all pairs."""
    seen = []
    while batch := list(itertools.islice(pairs, BATCH)):
        seen.append(eye.see(batch))
    maps, features = zip(*seen, strict=True)
    return {"maps": np.concatenate(maps), "features": np.concatenate(features)}


def write_part(
    path: Path, seen: Iterator[tuple[Row, Image.Image]], eye: Eye, names: Names, seed: str
) -> None:
    """Encode a part and write it at once, under a passing name until it is whole."""
    chance = random.Random(seed)  # noqa: S311 (sampling, not secrets)
    rows: list[Row] = []

    def pairs() -> Iterator[Pair]:
        for row, picture in seen:
            rows.append(row)
            yield pair(picture, chance)

    arrays = see_all(pairs(), eye)
    save_part(path, rows, names, **arrays)


def write_rendered(folder: Path, eye: Eye, out: Path) -> None:
    """Encode the pictures of data/render.py as one part more."""
    chance = random.Random(7)  # noqa: S311 (sampling, not secrets)
    captions: list[str] = []

    def pairs() -> Iterator[Pair]:
        for told, rgb in read_rendered(folder):
            captions.append(told)
            yield pair(rgb, chance)

    arrays = see_all(pairs(), eye)
    save_rendered(out / f"part-{folder.name}.npz", captions, **arrays)


def main() -> None:
    """Write parts until told to stop; those that are there are not made again."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("manifests", "clones", "trunk", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--parts", type=int, default=40, help="how many, of 2,000 pictures each")
    parser.add_argument("--rendered", type=Path, help="encode these pictures, and nothing else")
    parser.add_argument("--sources", type=Path, default=SOURCES)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    if options.rendered:
        write_rendered(options.rendered, Eye(Trunk(options.trunk)), options.out)
        return
    sources, clones = available_sources(options.sources, options.clones, options.manifests)
    names = Names.load(HERE, sources)
    located, _ = located_rows(sources, clones, options.manifests)
    rows = shuffled(located, random.Random(11))  # noqa: S311 (as in data/vectors.py)
    eye = Eye(Trunk(options.trunk))
    for number in range(min(options.parts, len(rows) // PART)):
        path = options.out / f"part-{number:04d}.npz"
        claim = path.with_suffix(".claim")  # several processes share the work
        if path.exists() or claim.exists():
            continue
        claim.touch()
        part = rows[number * PART : (number + 1) * PART]
        write_part(path, read(part, clones), eye, names, f"maps {path.name}")
        claim.unlink()
        print(path.name, flush=True)


if __name__ == "__main__":
    main()
