"""Safetensors files: what is in them, where, and whether they are whole.

The format (https://github.com/huggingface/safetensors#format): eight bytes with the header's
length, the header as JSON (name to type, shape and place), then all tensors' bytes. Reading it
here needs no torch, so a broken download is found before anything slow begins.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from clipcli.errors import ModelError
from clipcli.files import open_regular
from clipcli.strict_json import Bounds, JsonError, parse_json, short

LENGTH_BYTES = 8
METADATA = "__metadata__"
HEADER = Bounds()  # 50,000 tensors; the reference implementation reads 100 MB
MAX_AXES = 32
NUMBER_BYTES = 8
CHUNK_BYTES = 1 << 20
ITEM_BYTES = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
}
AGAIN = "download or copy it again"
# What people's files turn out to be instead, by how they begin.
IMPOSTORS = (
    (b"version https://git-lfs", "is a Git LFS pointer, not the weights", "run `git lfs pull`"),
    (b"<", "is a web page, not the weights", "download it again; the server answered with a page"),
    (b"PK\x03\x04", "is a zip or PyTorch archive, not safetensors", None),
    (b"\x80\x02", "is a Python pickle, not safetensors", None),
)


class RawTensor(NamedTuple):
    """A tensor as it is stored: ``dtype`` as safetensors names it, bytes in row-major order."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes | memoryview


class TensorPlace(NamedTuple):
    """What a file says about one tensor, and where in the file its bytes are."""

    dtype: str
    shape: tuple[int, ...]
    begin: int  # bytes from the start of the file
    end: int
    strides: tuple[int, ...] | None = None  # in items; None: dense, in row-major order


def read_tensor_table(path: Path) -> dict[str, TensorPlace]:
    """Read a file's header and check that the file is whole.

    Raises
    ------
    ModelError
        If the file cannot be read, is something else, or is truncated or damaged.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error
    identity = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    return dict(_table(path, identity))


@lru_cache(maxsize=4)  # opening a model asks for the same header three times
def _table(path: Path, identity: tuple[int, ...]) -> dict[str, TensorPlace]:
    header, end, size = _read_header(path)
    table = _places(path, header, end)
    _check_whole(path, table, end, size)
    return table


def read_metadata(path: Path) -> dict[str, str]:
    """Read what stands beside the tensors; nothing where there is nothing.

    Raises
    ------
    ModelError
        As :func:`read_tensor_table`.
    """
    header, _, _ = _read_header(path)
    metadata = header.get(METADATA) or {}
    if not isinstance(metadata, dict) or not all(isinstance(x, str) for x in metadata.values()):
        raise _no_sense(path)
    return metadata


def _read_header(path: Path) -> tuple[dict[str, Any], int, int]:
    """Return the header, where it ends, and the size of the file."""
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            start = file.read(LENGTH_BYTES + len(IMPOSTORS[0][0]))
            length = _header_length(path, start, size)
            file.seek(LENGTH_BYTES)
            header = parse_json(file.read(length), HEADER)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error
    except JsonError as error:
        raise ModelError(f"{path}: damaged: its header {error.fact}") from error
    if not isinstance(header, dict):
        raise _no_sense(path)
    return header, LENGTH_BYTES + length, size


def read_bytes(path: Path, place: TensorPlace) -> Iterator[bytes]:
    """Yield a tensor's bytes in pieces of bounded size."""
    with open_regular(path) as file:
        yield from read_open(path, file, place)


def read_open(path: Path, file: BinaryIO, place: TensorPlace) -> Iterator[bytes]:
    """Yield a tensor's bytes in pieces of bounded size, out of a file that is open."""
    file.seek(place.begin)
    left = place.end - place.begin
    while left > 0:
        piece = file.read(min(left, CHUNK_BYTES))
        if not piece:
            raise ModelError(f"{path}: became shorter while it was read")
        left -= len(piece)
        yield piece


def read_number(path: Path, place: TensorPlace) -> float:
    """Read a tensor that holds one floating-point number."""
    if place.end - place.begin > NUMBER_BYTES:
        raise _no_number(path, place)
    data = b"".join(read_bytes(path, place))
    if place.dtype == "BF16":  # the upper half of an F32
        place, data = TensorPlace("F32", place.shape, 0, 4), b"\0\0" + data
    code = {"F16": "<e", "F32": "<f", "F64": "<d"}.get(place.dtype)
    if code is None or len(data) != struct.calcsize(code):
        raise _no_number(path, place)
    number: float = struct.unpack(code, data)[0]
    return number


def write_tensors(path: Path, tensors: Mapping[str, RawTensor]) -> None:
    """Write a safetensors file; equal tensors make equal files."""
    with path.open("wb") as file:
        for piece in tensor_pieces(tensors):
            file.write(piece)


def tensor_pieces(
    tensors: Mapping[str, RawTensor], metadata: Mapping[str, str] | None = None
) -> Iterator[bytes | memoryview]:
    """Yield a safetensors file piece by piece; ``metadata`` stands beside the tensors."""
    # Wide items first, then by name: so every tensor is aligned in a memory map.
    ordered = sorted(tensors.items(), key=lambda item: (-ITEM_BYTES[item[1].dtype], item[0]))
    header: dict[str, Any] = {METADATA: {"format": "pt"} | dict(metadata or {})}
    end = 0
    for name, tensor in ordered:
        begin, end = end, end + math.prod(tensor.shape) * ITEM_BYTES[tensor.dtype]
        assert memoryview(tensor.data).nbytes == end - begin, name
        header[name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data_offsets": [begin, end],
        }
    data = json.dumps(header, separators=(",", ":")).encode("utf-8")
    data += b" " * (-len(data) % LENGTH_BYTES)
    yield struct.pack("<Q", len(data)) + data
    for _, tensor in ordered:
        yield tensor.data


def _header_length(path: Path, start: bytes, size: int) -> int:
    # Subtle: the length's bytes may look like anything, so the header's brace is asked first.
    if start[LENGTH_BYTES : LENGTH_BYTES + 1] != b"{":
        for beginning, fact, hint in IMPOSTORS:
            if start.lstrip().startswith(beginning):
                raise ModelError(f"{path}: {fact}", hint=hint)
    if size <= LENGTH_BYTES:
        raise ModelError(f"{path}: {'truncated' if size else 'empty'}", hint=AGAIN)
    length: int = struct.unpack("<Q", start[:LENGTH_BYTES])[0]
    if length > HEADER.n_bytes or start[LENGTH_BYTES : LENGTH_BYTES + 1] != b"{":
        raise ModelError(f"{path}: not a safetensors file")
    if LENGTH_BYTES + length > size:
        raise ModelError(f"{path}: truncated within its header", hint=AGAIN)
    return length


def _places(path: Path, header: dict[str, Any], start: int) -> dict[str, TensorPlace]:
    table = {}
    for name, entry in header.items():
        if name == METADATA:
            continue
        if not isinstance(entry, dict):
            raise _no_sense(path)
        dtype, shape = entry.get("dtype"), _counts(path, entry.get("shape"))
        offsets = _counts(path, entry.get("data_offsets"))
        if len(offsets) != 2:
            raise _no_sense(path)
        if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
            where, kind = (short(text).strip('"') for text in (name, dtype))
            raise ModelError(f"{path}: {where}: type {kind} is not supported")
        begin, end = offsets
        if end - begin != math.prod(shape) * ITEM_BYTES[dtype]:
            raise _no_sense(path)
        table[name] = TensorPlace(dtype, tuple(shape), start + begin, start + end)
    return table


def _counts(path: Path, values: object) -> list[int]:
    """Return whole numbers from zero, at most as many as a tensor may have axes."""
    if not isinstance(values, list) or len(values) > MAX_AXES:
        raise _no_sense(path)
    if not all(type(value) is int and value >= 0 for value in values):
        raise _no_sense(path)
    return values


def _no_sense(path: Path) -> ModelError:
    return ModelError(f"{path}: damaged: its header makes no sense")


def _no_number(path: Path, place: TensorPlace) -> ModelError:
    return ModelError(f"{path}: expected one number, got {place.dtype} {list(place.shape)}")


def _check_whole(path: Path, table: Mapping[str, TensorPlace], start: int, size: int) -> None:
    position = start
    for place in sorted(table.values(), key=lambda place: (place.begin, place.end)):
        if place.begin != position:
            raise ModelError(f"{path}: damaged: its tensors overlap or leave gaps")
        position = place.end
    if position > size:
        raise ModelError(
            f"{path}: truncated: {size:,} of {position:,} bytes are there",
            hint=AGAIN,
        )
    if position < size:
        raise ModelError(f"{path}: damaged: {size - position:,} bytes too many")
