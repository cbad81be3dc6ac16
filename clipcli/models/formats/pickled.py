"""What a pickle of PyTorch's may speak of: storages, tensors, shells of modules.

These are the only names that are looked up, and the only functions that are called; all of them
are written here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

STORAGE_TYPES = {
    "DoubleStorage": "F64",
    "FloatStorage": "F32",
    "HalfStorage": "F16",
    "BFloat16Storage": "BF16",
    "LongStorage": "I64",
    "IntStorage": "I32",
    "ShortStorage": "I16",
    "CharStorage": "I8",
    "ByteStorage": "U8",
    "BoolStorage": "BOOL",
}
# What TorchScript wraps around lists and typed values: they stay what they are.
SCRIPT_WRAPPERS = {
    "build_boollist",
    "build_doublelist",
    "build_intlist",
    "build_tensorlist",
    "restore_type_tag",
}
MAX_AXES = 32


@dataclass(frozen=True, slots=True)
class Storage:
    """A stretch of numbers in the archive, by its key."""

    key: str
    dtype: str  # as safetensors names it
    n_items: int


@dataclass(frozen=True, slots=True)
class PickledTensor:
    """A tensor as the pickle describes it: a window on a storage, in items, not bytes."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Shell:
    """What is left of a TorchScript module when its code is not looked at: names and values."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.attributes: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ModuleKind:
    """The name of a TorchScript class, which only a :class:`Shell` is ever made of."""

    name: str


class DamagedPickleError(ValueError):
    """A program that makes no sense."""


def rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> PickledTensor:
    """Return a window on a storage, after a look at its bounds."""
    if not isinstance(storage, Storage) or not is_count(offset):
        raise DamagedPickleError("a tensor without a storage")
    for axes in (shape, strides):
        if not isinstance(axes, tuple) or len(axes) > MAX_AXES or not all(map(is_count, axes)):
            raise DamagedPickleError("a tensor without a shape")
    if len(shape) != len(strides):
        raise DamagedPickleError("a tensor with more axes than strides")
    if 0 not in shape:
        last = offset + sum((axis - 1) * step for axis, step in zip(shape, strides, strict=True))
        # Numbers that are used twice would let a small file ask for a tensor of any size.
        if last >= storage.n_items or math.prod(shape) > storage.n_items:
            raise DamagedPickleError("a tensor that reaches beyond its storage")
    return PickledTensor(storage, offset, shape, strides)


def first(value: Any, *_: Any) -> Any:
    """Return what is wrapped: a parameter's tensor, a typed list."""
    return value


def as_size(axes: Any = ()) -> Any:
    """Return a shape, which stands in a tuple."""
    if not isinstance(axes, tuple):
        raise DamagedPickleError("a size that is no tuple")
    return axes


def as_device(*_: Any) -> str:
    """Return a word for any device; nobody asks which."""
    return "device"


def as_mapping(pairs: Any = ()) -> dict[Any, Any]:
    """Return a mapping of pairs, as an older Python's OrderedDict is pickled."""
    if not isinstance(pairs, list | tuple):
        raise DamagedPickleError("a mapping of what is no pairs")
    found = {}
    for pair in pairs:
        if not isinstance(pair, list | tuple):
            raise DamagedPickleError("a mapping of what is no pairs")
        key, value = pair
        found[checked_key(key)] = value
    return found


def checked_key(key: Any) -> Any:
    """Return a key of a mapping: a text or a number; a tuple of tuples may hash for ever."""
    if not isinstance(key, str | int):
        raise DamagedPickleError("a key that is neither text nor a number")
    return key


def is_count(value: object) -> bool:
    """Tell whether this is a whole number from zero that a file can have so many of."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


FUNCTIONS: Mapping[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): as_mapping,
    ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): first,
    ("torch", "Size"): as_size,
    ("torch", "device"): as_device,
}
