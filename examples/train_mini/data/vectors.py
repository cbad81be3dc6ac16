"""What a frozen trunk sees in the training pictures: its mean features, written once.

    python -m data.vectors --manifests DIR --clones DIR --trunk TRUNK.pth --out work/vectors

Pictures are read out of git objects (see data/pack.py) and shown as they are in use, or cut, turned
round or coarse, by lot. Writes ``part-NNNN.npz`` of some thousand pictures each, drawn from all
sources, so that training can begin before all are there; a part that exists is not made again.
``features`` (n, 1280) float16, and ``source``, ``role``, ``captions``, ``concepts`` of each row.
"""

from __future__ import annotations

import argparse
import io
import math
import random
import warnings
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from data.available import SOURCES, available_sources
from data.gitobjects import read_objects
from data.names import Names
from data.pack import Row, located_rows
from data.pixels import on_white, square_around
from PIL import Image, ImageOps
from torch import Tensor, nn

from clipcli.encoder.torch.efficientnet import EfficientNetTower
from clipcli.encoder.torch.fold import fold_batch_norms
from clipcli.encoder.torch.tensors import gather
from clipcli.models.formats.efficientnet import read_trunk
from clipcli.models.formats.tensor_map import read_weights

HERE = Path(__file__).parent
SIZE_PX = 160
PART = 2_000  # pictures
BATCH = 32
MOST = 12_000  # pictures of a source, scenes excepted
WHOLE = {"miniplaces-128px": 70_000, "hcaptcha-photos": 15_000}
VIEWS = ("whole",) * 59 + ("cut",) * 17 + ("coarse",) * 12 + ("cut and coarse",) * 12
COARSE_PX = (24, 28, 32, 32, 32, 40, 48, 64)
BICUBIC = Image.Resampling.BICUBIC
FILTERS = (BICUBIC, BICUBIC, *(Image.Resampling(i) for i in (1, 2, 4)))  # also Lanczos, …, box


def view(picture: Image.Image, how: str, chance: random.Random) -> Image.Image:
    """Return a square of 160 px: the middle, or a part; sharp, or as if enlarged."""
    width, height = picture.size
    wide = high = min(width, height)
    left, top = (width - wide) / 2, (height - high) / 2
    if "cut" in how:
        side = math.sqrt(chance.uniform(0.3, 1)) * wide
        aspect = math.exp(chance.uniform(-0.175, 0.175))
        wide, high = min(width, side * aspect), min(height, side / aspect)
        left, top = chance.uniform(0, width - wide), chance.uniform(0, height - high)
    box = (left, top, left + wide, top + high)
    if "coarse" in how:
        side = chance.choice(COARSE_PX)
        small = picture.resize((side, side), chance.choice(FILTERS), box=box)
        square = small.resize((SIZE_PX, SIZE_PX), BICUBIC)
    else:
        square = picture.resize((SIZE_PX, SIZE_PX), BICUBIC, box=box, reducing_gap=2.0)
    return ImageOps.mirror(square) if "cut" in how and chance.random() < 0.5 else square


class Trunk(nn.Module):
    """A published trunk whose head hands the mean feature through: uint8 pixels -> (n, 1280)."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        trunk = read_trunk(read_weights(path))
        self.tower = EfficientNetTower(trunk.shape(SIZE_PX, 1), 1).eval()
        self.tower.load_state_dict(gather(trunk.plan), strict=False)
        fold_batch_norms(self.tower)
        self.tower.head = nn.Identity()  # type: ignore[assignment]

    def forward(self, pixels: Tensor) -> Tensor:
        """Encode pixels (n, s, s, 3)."""
        return self.tower((pixels.permute(0, 3, 1, 2).float() - 127) / 128)  # type: ignore[no-any-return]


class FastTrunk:
    """The same on ONNX Runtime, which is twice as fast on most processors; compared once."""

    def __init__(self, trunk: Trunk) -> None:
        example = torch.randint(0, 256, (2, SIZE_PX, SIZE_PX, 3), dtype=torch.uint8)
        graph = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                trunk, (example,), graph, dynamo=False, opset_version=17, input_names=["pixels"],
                dynamic_axes={"pixels": {0: "n"}},
            )  # fmt: skip
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(graph.getvalue(), options)
        with torch.inference_mode():
            expected = trunk(example).numpy()
        if np.abs(self._run(example.numpy()) - expected).max() > 1e-3:
            raise SystemExit("the exported trunk gives other features than torch")

    def features(self, pictures: list[Image.Image]) -> np.ndarray:
        """Return mean features, float16 (n, 1280)."""
        pixels = np.stack([np.asarray(picture) for picture in pictures])
        return self._run(pixels).astype(np.float16)

    def _run(self, pixels: np.ndarray) -> np.ndarray:
        return self._session.run(None, {"pixels": pixels})[0]  # type: ignore[no-any-return]


def opened(data: bytes, row: Row) -> Image.Image:
    """Decode a picture; of one with a box, what is around that."""
    with Image.open(io.BytesIO(data)) as picture:
        if row.box is None:
            picture.draft("RGB", (2 * SIZE_PX, 2 * SIZE_PX))
        rgb = on_white(ImageOps.exif_transpose(picture))
    return rgb.crop(tuple(map(round, square_around(row.box, rgb.size)))) if row.box else rgb


def shuffled(rows: list[Row], chance: random.Random) -> list[Row]:
    """Draw from each source as many as it may give, and mix them."""
    by_source: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_source[row.source].append(row)
    chosen = []
    for source, own in by_source.items():
        chance.shuffle(own)
        chosen += own[: WHOLE.get(source, MOST)]
    chance.shuffle(chosen)
    return chosen


def read(rows: list[Row], clones: dict[str, Path]) -> Iterator[tuple[Row, Image.Image]]:
    """Yield the pictures that can be read, repository by repository."""
    by_clone: dict[Path, list[Row]] = defaultdict(list)
    for row in rows:
        by_clone[clones[row.source]].append(row)
    for clone, own in by_clone.items():
        blobs = read_objects(clone, [row.object_id for row in own])
        for row, data in zip(own, blobs, strict=True):
            try:
                yield row, opened(data or b"", row)
            except (OSError, ValueError, SyntaxError):
                print(f"{row.source}: {row.path}: not read")


def write_part(
    path: Path, seen: Iterator[tuple[Row, Image.Image]], trunk: FastTrunk, names: Names, seed: str
) -> None:
    """Encode a part and write it at once, under a passing name until it is whole."""
    chance = random.Random(seed)  # noqa: S311 (sampling, not secrets)
    rows, waiting, done = [], [], []
    for row, picture in seen:
        waiting.append(
            view(picture, "whole" if row.role == "eval" else chance.choice(VIEWS), chance)
        )
        rows.append(row)
        if len(waiting) == BATCH:
            done.append(trunk.features(waiting))
            waiting = []
    done += [trunk.features(waiting)] if waiting else []
    save_part(path, rows, names, features=np.concatenate(done))


def save_part(path: Path, rows: list[Row], names: Names, **seen: np.ndarray) -> None:
    """Write what was seen of each picture, and what it is called."""
    described = [names.describe(row.source, row.labels) for row in rows]
    partial = path.with_suffix(".partial.npz")
    np.savez(
        partial,
        source=np.array([row.source for row in rows]),
        role=np.array([row.role for row in rows]),
        captions=np.array(["|".join(captions) for captions, _ in described]),
        concepts=np.array([",".join(map(str, concepts)) for _, concepts in described]),
        **seen,
    )
    partial.replace(path)


def read_rendered(folder: Path) -> Iterator[tuple[str, Image.Image]]:
    """Yield the pictures of data/render.py with their captions."""
    for line in (folder / "captions.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        name, told = line.split("\t")
        with Image.open(folder / name) as picture:
            yield told, picture.convert("RGB")


def save_rendered(path: Path, captions: list[str], **seen: np.ndarray) -> None:
    """Write what was seen of rendered pictures as one part more."""
    np.savez(
        path,
        source=np.full(len(captions), "rendered"),
        role=np.full(len(captions), "train"),
        captions=np.array(captions),
        concepts=np.full(len(captions), ""),
        **seen,
    )


def write_rendered(folder: Path, trunk: FastTrunk, out: Path) -> None:
    """Encode the pictures of data/render.py, each in two views, as one part more."""
    chance = random.Random(5)  # noqa: S311 (sampling, not secrets)
    waiting, done, captions = [], [], []
    for told, rgb in read_rendered(folder):
        waiting += [view(rgb, "whole", chance), view(rgb, chance.choice(VIEWS), chance)]
        captions += [told, told]
        if len(waiting) == BATCH:
            done.append(trunk.features(waiting))
            waiting = []
    done += [trunk.features(waiting)] if waiting else []
    save_rendered(out / "part-rendered.npz", captions, features=np.concatenate(done))


def main() -> None:
    """Write all parts that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("manifests", "clones", "trunk", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--parts", type=int, help="how many, of 2,000 pictures each (default: all)")
    parser.add_argument("--rendered", type=Path, help="encode these pictures, and nothing else")
    parser.add_argument("--sources", type=Path, default=SOURCES)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.rendered:
        write_rendered(options.rendered, FastTrunk(Trunk(options.trunk)), options.out)
        return
    sources, clones = available_sources(options.sources, options.clones, options.manifests)
    names = Names.load(HERE, sources)
    located, _ = located_rows(sources, clones, options.manifests)
    rows = shuffled(located, random.Random(11))  # noqa: S311 (sampling, not secrets)
    trunk = FastTrunk(Trunk(options.trunk))
    rows = rows[: options.parts * PART] if options.parts else rows
    for start in range(0, len(rows), PART):
        path = options.out / f"part-{start // PART:04d}.npz"
        claim = path.with_suffix(".claim")  # several processes share the work
        if path.exists() or claim.exists():
            continue
        claim.touch()
        write_part(path, read(rows[start : start + PART], clones), trunk, names, path.name)
        claim.unlink()
        print(path.name, flush=True)


if __name__ == "__main__":
    main()
