"""The small locator that lies beside a model of ours: which file it is, and whether it fits."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from clipcli.cache.file_hashes import remembered_fingerprint
from clipcli.errors import ModelError
from clipcli.files import open_regular
from clipcli.models.config import EfficientNetLite
from clipcli.models.formats.safetensors import (
    read_metadata,
    read_open,
    read_tensor_table,
)
from clipcli.models.formats.tensor_map import StoredTensor, TensorPlan, as_they_are
from clipcli.models.source import ModelSource

LOCATOR_NAME = "locator.safetensors"
TRUNK = "trunk"  # what the file's metadata call the hash of the trunk that it was trained on
WIDTH, BLOCKS, KERNEL_PX = 96, 3, 5
OUT = 5  # a worth and four distances
FINE_STAGE, DEEP_STAGE = 4, 6  # of the trunk's seven, whose last blocks are looked at
HEAD_PREFIX = "visual.head."


@dataclass(frozen=True, slots=True)
class SmallSource:
    """A small locator that is whole and fits the model that it lies beside."""

    path: Path
    plan: TensorPlan
    fingerprint: str  # of the model and of this file


def find_small(model: ModelSource) -> SmallSource | None:
    """Return the locator that lies beside a model's weights, or None where there is none.

    Raises
    ------
    ModelError
        If the file is damaged, is something else, or was trained on another trunk.
    """
    shape = model.config.architecture.image
    path = model.path / LOCATOR_NAME
    if model.layout != "clipcli" or not isinstance(shape, EfficientNetLite) or not path.is_file():
        return None
    table = read_tensor_table(path)
    wanted = tensor_shapes(shape.widths)
    found = {name: place.shape for name, place in table.items()}
    if found != wanted:
        name = min(name for name in wanted | found if wanted.get(name) != found.get(name))
        raise ModelError(
            f"{path}: is no locator for {model.config.name}: {name} does not fit",
            hint=_hint(path),
        )
    if read_metadata(path).get(TRUNK) != trunk_hash(model):
        raise ModelError(
            f"{path}: was trained on another image tower than the one beside it",
            hint=_hint(path),
        )
    plan = as_they_are({name: StoredTensor(path, place) for name, place in table.items()})
    fingerprint = remembered_fingerprint([path], model.config.fingerprint.encode("ascii"))
    return SmallSource(path, plan, fingerprint)


def _hint(path: Path) -> str:
    return f"--coarse does without it; or install clipcli again, or take {path.name} away"


def tensor_shapes(widths: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor, for a trunk whose stages have such channels."""
    shapes: dict[str, tuple[int, ...]] = {}

    def linear(name: str, n_out: int, n_in: int) -> None:
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (n_out, n_in), (n_out,)

    def norm(name: str) -> None:
        shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (WIDTH,)

    linear("fine", WIDTH, widths[FINE_STAGE])
    linear("deep", WIDTH, widths[DEEP_STAGE])
    norm("norm")
    for i in range(BLOCKS):
        shapes[f"blocks.{i}.depthwise.weight"] = (WIDTH, KERNEL_PX, KERNEL_PX)
        shapes[f"blocks.{i}.depthwise.bias"] = (WIDTH,)
        linear(f"blocks.{i}.pointwise", WIDTH, WIDTH)
        norm(f"blocks.{i}.norm")
    linear("out", OUT, WIDTH)
    return shapes


def trunk_hash(model: ModelSource) -> str:
    """Return the sha256, in hex, of the image tower's tensors but its head's, as they are stored.

    A locator sees maps of the trunk alone, so another text tower or head leaves it as good.
    """
    digest = hashlib.sha256(b"clipcli trunk\n")
    for name in sorted(model.plan):
        if not name.startswith("visual.") or name.startswith(HEAD_PREFIX):
            continue
        for stored in model.plan[name].parts:
            place = stored.place
            digest.update(f"{name} {place.dtype} {list(place.shape)}\n".encode("ascii"))
            with open_regular(stored.path) as file:
                for piece in read_open(stored.path, file, place):
                    digest.update(piece)
    return digest.hexdigest()
