"""Reading a pickle without running it.

A pickle is a program: it may call whatever its reader looks up for it. This reader looks up tensor
rebuilding, plain containers and, for TorchScript, empty shells of modules; any other name ends the
reading before anything has been called. It knows no torch: a tensor comes out as a note of where
its numbers lie.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, BinaryIO

from clipcli.errors import ModelError

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
SAVE_WEIGHTS_ONLY = "save the weights alone: torch.save(model.state_dict(), …), or as safetensors"
# What TorchScript wraps around lists and typed values: they stay what they are.
SCRIPT_WRAPPERS = {
    "build_boollist",
    "build_doublelist",
    "build_intlist",
    "build_tensorlist",
    "restore_type_tag",
}


@dataclass(frozen=True, slots=True)
class Storage:
    """A stretch of numbers in the archive, by its key."""

    key: str
    dtype: str  # as safetensors names it
    n_items: int


@dataclass(frozen=True, slots=True)
class PickledTensor:
    """A tensor as the pickle tells it: a window on a storage, in items, not bytes."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Shell:
    """What is left of a TorchScript module when its code is not looked at: names and values."""

    kind = ""
    attributes: Mapping[str, Any] = MappingProxyType({})

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, dict):
            raise pickle.UnpicklingError("a module without named parts")
        self.attributes = state


def unpickle(file: BinaryIO | bytes, source: str, *, is_script: bool = False) -> Any:
    """Read one pickle and leave ``file`` behind it; ``is_script`` lets shells of modules pass.

    Raises
    ------
    ModelError
        If it asks for anything but tensors and plain containers, or is damaged.
    """
    stream = io.BytesIO(file) if isinstance(file, bytes) else file
    try:
        return _Reader(stream, source, is_script=is_script).load()
    except ModelError:
        raise
    except Exception as error:  # a damaged pickle can raise anything, as pickle's manual says
        raise ModelError(f"{source}: damaged: its pickle makes no sense") from error


# Subtle: the reader written in Python, not the one in C. The latter makes room for as many memo
# entries as a file of twenty bytes asks for, gigabytes of them.
class _Reader(pickle._Unpickler):
    def __init__(self, stream: BinaryIO, source: str, *, is_script: bool) -> None:
        super().__init__(stream)
        self._source = source
        self._is_script = is_script

    def find_class(self, module: str, name: str) -> Any:
        found = _ALLOWED.get((module, name))
        if found is not None:
            return found
        if module == "torch" and name in STORAGE_TYPES:
            return STORAGE_TYPES[name]
        if self._is_script and module == "torch.jit._pickle" and name in SCRIPT_WRAPPERS:
            return _first
        if self._is_script and (module == "__torch__" or module.startswith("__torch__.")):
            return type("Shell", (Shell,), {"kind": f"{module}.{name}"})
        raise ModelError(
            f"{self._source}: refused: its pickle asks for {_printable(module, name)}, which is "
            "neither a tensor nor a plain container; nothing in it was run",
            hint=SAVE_WEIGHTS_ONLY,
        )

    def persistent_load(self, pid: Any) -> Storage:
        kind, dtype, key, _, n_items, *_ = pid
        if kind != "storage" or dtype not in STORAGE_TYPES.values() or not _is_count(n_items):
            raise pickle.UnpicklingError("a storage of an unknown kind")
        return Storage(str(key), dtype, n_items)

    # The opcodes of protocol 2's copyreg extensions would look classes up elsewhere.
    def get_extension(self, code: int) -> None:
        raise ModelError(f"{self._source}: refused: its pickle asks for extension {code}")


def _rebuild_tensor(
    storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any
) -> PickledTensor:
    shape, strides = tuple(shape), tuple(strides)
    numbers = (offset, *shape, *strides)
    if not isinstance(storage, Storage) or not all(map(_is_count, numbers)):
        raise pickle.UnpicklingError("a tensor without a storage")
    if len(shape) != len(strides):
        raise pickle.UnpicklingError("a tensor with more axes than strides")
    last = offset + sum((axis - 1) * step for axis, step in zip(shape, strides, strict=True))
    if 0 not in shape and last >= storage.n_items:
        raise pickle.UnpicklingError("a tensor that reaches beyond its storage")
    return PickledTensor(storage, offset, shape, strides)


def _first(value: Any, *_: Any) -> Any:
    return value


def _as_tuple(values: Any = ()) -> tuple[Any, ...]:
    return tuple(values)


def _as_text(*values: Any) -> str:
    return ":".join(map(str, values))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _printable(module: str, name: str) -> str:
    return ascii(f"{module}.{name}"[:80])


_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _first,
    ("torch", "Size"): _as_tuple,
    ("torch", "device"): _as_text,
}
