"""Stored tensors as numpy arrays: windows on their files, as float32.

It reads what :mod:`clipcli.encoder.torch.tensors` reads, every layout and file format, without
torch. Files are memory-mapped, and only what is asked for is converted: of a table of 49,408 tokens
that fills half of a text tower, the rows of the tokens that occur.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clipcli.errors import ModelError
from clipcli.models.formats.tensor_map import JoinedTensor, StoredTensor, TensorPlan

FloatArray: TypeAlias = NDArray[np.float32]

# BF16 is the upper half of a float32, which numpy has no type for.
DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}


class TensorReader:
    """The tensors of a plan by our names; nothing is read before it is asked for."""

    def __init__(self, plan: TensorPlan) -> None:
        self._plan = plan
        self._maps: dict[Path, NDArray[np.uint8]] = {}

    def read(self, name: str) -> FloatArray:
        """Return a tensor as float32: a window on the file where it is stored so."""
        piece = self._plan[name]
        parts = [_as_float32(self._window(stored)) for stored in piece.parts]
        tensor = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return _in_place(tensor, piece)

    def read_into(self, name: str, room: FloatArray) -> None:
        """Write a tensor as float32 into an array of its shape."""
        piece = self._plan[name]
        if len(piece.parts) > 1 or piece.parts[0].place.dtype == "BF16":
            room[...] = self.read(name)
        else:
            room[...] = _in_place(self._window(piece.parts[0]), piece)

    def read_rows(self, name: str, rows: NDArray[np.int64]) -> FloatArray:
        """Return some rows (n, d) of a matrix as float32; the others are not even read."""
        piece = self._plan[name]
        if len(piece.parts) > 1 or piece.is_transposed:
            return self.read(name)[rows]
        return _as_float32(self._window(piece.parts[0])[rows])

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every tensor, by name, without reading any."""
        return {name: shape_of(piece) for name, piece in self._plan.items()}

    def _window(self, stored: StoredTensor) -> NDArray[Any]:
        place = stored.place
        if place.dtype not in DTYPES:
            raise ModelError(f"{stored.path}: type {place.dtype} is not a number with a fraction")
        if stored.path not in self._maps:
            self._maps[stored.path] = _map(stored.path)
        data = self._maps[stored.path][place.begin : place.end]  # (bytes,)
        if len(data) != place.end - place.begin:
            raise ModelError(f"{stored.path}: became shorter while it was read")
        window = np.frombuffer(data, DTYPES[place.dtype])  # numpy bears any alignment
        return window.reshape(place.shape) if place.strides is None else _strided(window, stored)


def _strided(window: NDArray[Any], stored: StoredTensor) -> NDArray[Any]:
    """Lay a view of other strides, such as a transposed one, over a tensor's bytes."""
    shape, strides = stored.place.shape, stored.place.strides
    assert strides is not None
    last = sum((axis - 1) * stride for axis, stride in zip(shape, strides, strict=True))
    if min(strides, default=0) < 0 or (min(shape, default=1) > 0 and last >= len(window)):
        raise ModelError(f"{stored.path}: damaged: a tensor reaches beyond its numbers")
    in_bytes = [stride * window.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(window, shape, in_bytes, writeable=False)


def _map(path: Path) -> NDArray[np.uint8]:
    try:
        return np.memmap(path, np.uint8, "r")
    except (OSError, ValueError) as error:  # ValueError: an empty file
        raise ModelError(f"{path}: cannot be read: {error}") from error


def _as_float32(window: NDArray[Any]) -> FloatArray:
    if window.dtype == np.uint16:  # BF16
        widened = window.astype(np.uint32)
        widened <<= 16
        return widened.view(np.float32)
    return window.astype(np.float32, copy=False)


def _in_place(tensor: NDArray[Any], piece: JoinedTensor) -> NDArray[Any]:
    """Lay a tensor the way that ours are laid."""
    if piece.is_transposed:
        tensor = tensor.swapaxes(-1, -2)
    while piece.is_flat and tensor.ndim and tensor.shape[0] == 1:
        tensor = tensor[0]
    return tensor


def shape_of(piece: JoinedTensor) -> tuple[int, ...]:
    """Return a tensor's shape, without reading it."""
    first = piece.parts[0].place.shape
    shape = first
    if len(piece.parts) > 1:
        shape = (sum(stored.place.shape[0] for stored in piece.parts), *first[1:])
    if piece.is_transposed:
        shape = (*shape[:-2], shape[-1], shape[-2])
    while piece.is_flat and shape and shape[0] == 1:
        shape = shape[1:]
    return shape
