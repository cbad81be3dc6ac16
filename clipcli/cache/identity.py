"""Which file is which: by what the system says of it, and by its bytes.

The system's word (device, inode, size and times) is had for the price of a look at the folder, and
changes whenever a file does. The hash of the bytes stays the same under another name.
"""

from __future__ import annotations

import hashlib
import os
from typing import BinaryIO, NamedTuple

# Two changes of a file within one tick of its file system's clock leave the same times behind. The
# coarsest clock is FAT's, of two seconds.
YOUNG_NS = 2_000_000_000
# Times that are whole multiples of this come from a file system with a coarse clock (FAT, exFAT,
# HFS+, ext3), or, once in a hundred trillion times, by chance.
COARSE_NS = 10_000_000
HASH_BYTES = 20  # of blake2b: nobody finds two pictures with the same 160 bits
READ_BYTES = 2**20

_LIMIT = 2**63  # SQLite's integers


class Identity(NamedTuple):
    """What the system says of a file; integers of 64 bits with a sign."""

    device: int
    place: int  # the inode, or less than zero: a hash of the path
    size: int
    mtime_ns: int
    ctime_ns: int  # the last change of anything; on Windows the file's making


def identity_of(path: str, status: os.stat_result) -> Identity | None:
    """Return a file's identity, or None where the system says too little to go by.

    Inodes are not to be had everywhere (0 on some Windows drives), and FAT makes them up anew at
    each mount; coarse clocks give that away. There the path stands in.
    """
    mtime_ns, ctime_ns, inode = status.st_mtime_ns, status.st_ctime_ns, status.st_ino
    if not (-_LIMIT < mtime_ns < _LIMIT and -_LIMIT < ctime_ns < _LIMIT):
        return None
    if not 0 < inode < _LIMIT or mtime_ns % COARSE_NS == ctime_ns % COARSE_NS == 0:
        inode = _path_number(path)
    return Identity(_signed(status.st_dev), inode, status.st_size, mtime_ns, ctime_ns)


def is_settled(status: os.stat_result, now_ns: int) -> bool:
    """Say whether any change after ``now_ns`` must show in the file's times."""
    return now_ns - max(status.st_mtime_ns, status.st_ctime_ns) > YOUNG_NS


def is_unchanged(before: os.stat_result, after: os.stat_result) -> bool:
    """Say whether nothing was written to a file between two looks at it."""
    return (before.st_size, before.st_mtime_ns, before.st_ctime_ns) == (
        after.st_size,
        after.st_mtime_ns,
        after.st_ctime_ns,
    )


def hash_content(content: bytes) -> bytes:
    """Return the hash of a file's bytes; blake2b needs no special hardware to be fast."""
    return hashlib.blake2b(content, digest_size=HASH_BYTES).digest()


def hash_stream(stream: BinaryIO) -> bytes:
    """Hash an open file that is too large to be held in memory."""
    digest = hashlib.blake2b(digest_size=HASH_BYTES)
    while block := stream.read(READ_BYTES):
        digest.update(block)
    return digest.digest()


def _path_number(path: str) -> int:
    name = os.fsencode(os.path.abspath(path))  # noqa: PTH100 - Path takes ten times as long
    return ~(int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big") >> 1)


def _signed(number: int) -> int:
    number &= 2**64 - 1
    return number if number < _LIMIT else number - 2**64
