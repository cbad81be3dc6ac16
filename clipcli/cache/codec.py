"""How vectors and reasons are stored: rounded, with a checksum each.

A value is: the number of a note on the file (1 byte), the picture's pixels by its header (7 bytes),
the payload, a checksum. The checksum also
covers the hash of the picture, so that a value which a damaged index leads to is found out.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HEAD_BYTES, CHECK_BYTES = 8, 4
_NOTE_BITS = 56  # a note stands above them
HALF, SINGLE = "<f2", "<f4"


def vector_type(*, exact: bool) -> str:
    """Return the type of stored vectors: half precision, or single where exactness is asked for.

    Half keeps 11 bits of each number: the vector turns by at most 2**-11, so a cosine moves by at
    most 0.0005, and in practice by a fiftieth of that, less than between fp32 and bf16.
    """
    return SINGLE if exact else HALF


def rounded(rows: NDArray[np.float32], kind: str) -> NDArray[np.float32]:
    """Return rows (n, d) as they come back from the cache, so that no run sees others."""
    return restored(rows.astype(kind))


def restored(stored: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return stored rows (n, d) as float32; what was rounded is brought to unit length again."""
    import numpy as np

    rows = stored.astype(np.float32)
    if stored.dtype.itemsize == rows.dtype.itemsize:
        return rows
    # Subtle: a sum along the last axis is the same for a row alone and among others; a matrix
    # product or einsum need not be.
    lengths = np.sqrt((rows * rows).sum(axis=1, keepdims=True))  # (n, 1)
    rows /= np.where(lengths == 0, np.float32(1), lengths)
    return rows


def tag_of(content: bytes) -> int:
    """Return 32 bits of a content hash, which lead from a file to its value and prove the way."""
    return zlib.crc32(content)


def pack(payload: bytes, n_pixels: int, tag: int, note: int = 0) -> bytes:
    """Return a value for the store."""
    body = struct.pack("<Q", n_pixels | note << _NOTE_BITS) + payload
    return body + struct.pack("<I", zlib.crc32(body, tag))


def is_sound(value: bytes, tag: int) -> bool:
    """Say whether a value is what was put there, for that picture."""
    check = zlib.crc32(memoryview(value)[:-CHECK_BYTES], tag)
    return value[-CHECK_BYTES:] == check.to_bytes(CHECK_BYTES, "little")


def unpack_reason(value: bytes) -> str:
    """Return the reason for which a picture is skipped."""
    return value[HEAD_BYTES:-CHECK_BYTES].decode("utf-8", "replace")


def unpack_bytes(value: bytes) -> tuple[bytes, int]:
    """Return the payload of a value, and the picture's pixels."""
    (head,) = struct.unpack_from("<Q", value)
    return value[HEAD_BYTES:-CHECK_BYTES], head & (2**_NOTE_BITS - 1)


def unpack_vectors(
    values: Sequence[bytes], width: int, kind: str
) -> tuple[NDArray[np.float32], NDArray[np.uint64], NDArray[np.uint64]]:
    """Return rows (n, width), pixels (n,) and notes (n,) of values of the right size."""
    import numpy as np

    record = np.dtype([("n_pixels", "<u8"), ("row", kind, (width,)), ("check", "<u4")])
    block = np.frombuffer(b"".join(values), dtype=record)  # (n,)
    heads = block["n_pixels"]
    return (
        restored(block["row"]),
        heads & np.uint64(2**_NOTE_BITS - 1),
        heads >> np.uint64(_NOTE_BITS),
    )


def value_bytes(width: int, kind: str) -> int:
    """Return how long the value of a vector is."""
    return HEAD_BYTES + width * int(kind[-1]) + CHECK_BYTES
