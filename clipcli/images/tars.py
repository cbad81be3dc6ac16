"""Tars read strictly: one that is damaged or cut short is never taken for a shorter one.

Python's ``tarfile`` ends without a word at the first header that makes no sense, and where a file
ends between two members. It reads a header of any length that a header claims, and of ``.tar.gz``
it leaves the checksum aside.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, cast

if TYPE_CHECKING:
    from tarfile import TarFile, TarInfo

MAX_HEADER_BYTES = 2**20  # of a long name, which stands in a header of its own
READS_BEHIND_THE_END = 100  # a sound tar needs a few
_BLOCK_BYTES = 2**16
_MAX_FILLING = 64 * 2**20  # zeros behind the end; as a rule 10 kB
_GZIP, _BZIP2, _XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0"
_MAGIC_BYTES = 6


@contextmanager
def open_tar(stream: BinaryIO, *, has_to_end: bool = True) -> Iterator[TarFile]:
    """Open a tar, packed by gzip, bzip2, xz or not at all, to read its members in their order.

    Subtle: that the end is none is noticed when the block is left, after the last member; not
    without ``has_to_end``, where only a part is read.

    Raises
    ------
    ValueError
        If a header makes no sense, the end is missing, or something stands behind it.
    EOFError, OSError
        If it breaks off, or its packing is damaged.
    """
    import tarfile
    import zlib
    from lzma import LZMAError

    headers = strict_headers()
    try:
        plain = cast("Any", _WithEnd(_unpacked(stream)))
        with tarfile.open(fileobj=plain, mode="r|", tarinfo=headers) as tar:
            yield tar
            if has_to_end:
                check_end(cast("Any", tar.fileobj).read, has_end=headers.has_end)
    except (tarfile.TarError, zlib.error, LZMAError) as error:
        raise ValueError(str(error)) from error


def members_of(tar: TarFile) -> Iterator[TarInfo]:
    """Yield a tar's members, of which it keeps none: there may be millions."""
    kept: list[TarInfo] = cast("Any", tar).members
    while (member := tar.next()) is not None:
        kept.clear()
        yield member


def check_end(read: Callable[[int], bytes], *, has_end: bool) -> None:
    """Look at what stands behind the last member.

    Raises
    ------
    tarfile.ReadError
        If the mark of the end is missing, or more than filling stands behind it.
    """
    import tarfile

    if not has_end:
        raise tarfile.ReadError("its end is missing, and members may be missing with it")
    n_bytes = 0
    while n_bytes < _MAX_FILLING and (block := read(_BLOCK_BYTES)):
        if block.strip(b"\0"):
            raise tarfile.ReadError("more stands behind its end, perhaps another tar")
        n_bytes += len(block)


def strict_headers() -> Any:
    """Return a class for ``tarfile.open(tarinfo=...)`` that refuses what ``tarfile`` passes over.

    Its ``has_end`` tells whether the mark of the end was read. Each tar needs its own.
    """
    import tarfile

    lengthy = {tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE}
    lengthy |= {tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE}

    class StrictHeader(tarfile.TarInfo):
        has_end = False

        @classmethod
        def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Any:
            if not buf.strip(b"\0"):  # the mark of the end, or nothing more
                cls.has_end = len(buf) == tarfile.BLOCKSIZE
                return super().frombuf(buf, encoding, errors)
            try:
                member = super().frombuf(buf, encoding, errors)
            except tarfile.HeaderError as error:
                raise tarfile.ReadError(f"a damaged header: {error}") from error
            if member.size < 0 or (member.type in lengthy and member.size > MAX_HEADER_BYTES):
                raise tarfile.ReadError("a header that is far too long")
            return member

    return StrictHeader


class _WithEnd:
    """A stream that says where it ends: ``tarfile`` reads on for as long as a header claims."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._n_reads_behind = 0

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._n_reads_behind += not data
        if self._n_reads_behind > READS_BEHIND_THE_END:
            raise EOFError("ends within a member")
        return data


class _Again(io.RawIOBase):
    """A stream of which the first bytes were read already."""

    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        self._head, self._stream = head, stream

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self._head:
            part, self._head = self._head[:size], self._head[size:]
            return part
        return self._stream.read(size)


def _unpacked(stream: BinaryIO) -> BinaryIO:
    """Return what is packed in a stream; the checksums of these packers are looked at."""
    head = b""
    while len(head) < _MAGIC_BYTES and (more := stream.read(_MAGIC_BYTES - len(head))):
        head += more
    again: Any = _Again(head, stream)
    if head.startswith(_GZIP):
        import gzip

        return cast("BinaryIO", gzip.GzipFile(fileobj=again))
    if head.startswith(_BZIP2):
        import bz2

        return cast("BinaryIO", bz2.BZ2File(again))
    if head.startswith(_XZ):
        import lzma

        return cast("BinaryIO", lzma.LZMAFile(again))
    return cast("BinaryIO", again)
