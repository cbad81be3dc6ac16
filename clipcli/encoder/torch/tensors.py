"""Bringing stored tensors into memory without a second copy of them.

Files are memory-mapped, and a tensor that is in its file as the network needs it is a window on the
map. Matrices that are joined have to be copied; they are read past the map, which so never grows by
what is copied.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from clipcli.errors import ModelError
from clipcli.models.formats.safetensors import ITEM_BYTES
from clipcli.models.formats.tensor_map import JoinedTensor, StoredTensor, TensorPlan

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def gather(plan: TensorPlan) -> dict[str, Tensor]:
    """Return our tensors by name, in the types that they are stored in."""
    maps: dict[Path, Tensor] = {}
    return {name: _tensor(piece, maps) for name, piece in plan.items()}


def _tensor(piece: JoinedTensor, maps: dict[Path, Tensor]) -> Tensor:
    is_whole = len(piece.parts) == 1
    tensor = _window(piece.parts[0], maps) if is_whole else _joined(piece, maps)
    if piece.is_transposed:
        tensor = tensor.mT
    while piece.is_flat and tensor.ndim and tensor.shape[0] == 1:
        tensor = tensor[0]
    return tensor


def _window(stored: StoredTensor, maps: dict[Path, Tensor]) -> Tensor:
    place = stored.place
    if stored.path not in maps:
        maps[stored.path] = _map(stored.path)
    data = maps[stored.path][place.begin : place.end]  # (bytes,)
    if place.begin % ITEM_BYTES[place.dtype]:
        data = data.clone()  # numbers cannot begin just anywhere
    tensor = data.view(DTYPES[place.dtype])
    if place.strides is not None:
        return tensor.as_strided(place.shape, place.strides, tensor.storage_offset())
    return tensor.view(place.shape)


def _joined(piece: JoinedTensor, maps: dict[Path, Tensor]) -> Tensor:
    """Join matrices along their first axis."""
    places = [stored.place for stored in piece.parts]
    first = places[0]
    if any(p.dtype != first.dtype or p.shape[1:] != first.shape[1:] for p in places):
        kinds = ", ".join(f"{p.dtype} {list(p.shape)}" for p in places)
        raise ModelError(f"{', '.join(piece.names)} do not fit together: {kinds}")
    rows = [place.shape[0] for place in places]
    joined = torch.empty(sum(rows), *first.shape[1:], dtype=DTYPES[first.dtype])
    for stored, part in zip(piece.parts, torch.split(joined, rows), strict=True):
        if stored.place.strides is None:
            _read_into(part, stored)
        else:
            part.copy_(_window(stored, maps))
    return joined


def _map(path: Path) -> Tensor:
    try:
        return torch.from_file(str(path), shared=False, size=path.stat().st_size, dtype=torch.uint8)
    except (OSError, RuntimeError) as error:
        raise ModelError(f"{path}: cannot be read: {error}") from error


def _read_into(part: Tensor, stored: StoredTensor) -> None:
    data = part.flatten().view(torch.uint8).numpy().data
    try:
        with stored.path.open("rb") as file:
            file.seek(stored.place.begin)
            n_read = file.readinto(data)
    except OSError as error:
        raise ModelError(f"{stored.path}: {error.strerror or error}") from error
    if n_read != len(data):
        raise ModelError(f"{stored.path}: became shorter while it was read")
