"""Dividing large archives: a tar by members, a table by row groups.

A tar has no index, so its headers are read one after the other. That is done where it costs little
beside what it saves: on a disk where there may be more members than a shard takes, in a store where
the tar is so long that a single worker would be busy with it at the end.

First it is found out where pieces begin, then as many of them as a shard takes are put together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from clipcli.errors import ClipcliError, MissingExtraError
from clipcli.images.tars import members_of, strict_headers
from clipcli.pipeline.archives import open_table
from clipcli.pipeline.remote import open_binary
from clipcli.pipeline.source_names import URL
from clipcli.workflows.fleet.objects import Looked
from clipcli.workflows.fleet.shard import Shard

LEAST_MEMBER_BYTES = 1024  # a header and a block of content
LONG_REMOTE_BYTES = 2 * 2**30
LARGE_REMOTE_BYTES = 64 * 2**20  # of a tar that has a large share of all there is to read
LARGE_SHARE = 1 / 8
PICTURE_BYTES = 2**15  # 32 kB: a picture, as they go
PACKED = (".gz", ".tgz", ".bz2", ".xz")
# Sizes to choose from: few, so that a picture more or less hardly ever means another one.
SIZES = (100, 200, 500, 1000, 2000, 5000, 10_000)
LEAST_SHARDS = 64  # ten for each of six workers: then no shard keeps the others waiting
GRAIN = SIZES[0]  # each of them is a multiple of it


def size_for(n_pictures: float) -> int:
    """Return how many pictures make a shard, where so many are to be divided."""
    fitting = [size for size in SIZES if size * LEAST_SHARDS <= n_pictures]
    return fitting[-1] if fitting else SIZES[0]


@dataclass(frozen=True, slots=True)
class Pieces:
    """An archive, and where it can be cut: members and bytes, or rows and bytes, of each piece."""

    whole: Shard
    sizes: tuple[tuple[int, int], ...] = ()  # none: it cannot be cut, or was not looked into
    start: int = 0  # of the first piece, in bytes

    @property
    def n_pictures(self) -> float:
        """How many there are, as far as that is known."""
        if not self.sizes:
            return self.whole.n_bytes / PICTURE_BYTES
        return sum(n for n, _ in self.sizes)

    def shards(self, shard_size: int) -> list[Shard]:
        """Put pieces together to shards of so many members or rows."""
        if not self.sizes:
            return [self.whole]
        found: list[Shard] = []
        pieces: list[int] = []
        first = n_units = n_bytes = 0
        offset = self.start
        for i, (n, size) in enumerate(self.sizes):
            if pieces and n_units + n > shard_size:
                found.append(self._shard(pieces, first, n_units, n_bytes, offset))
                first, offset, pieces = first + n_units, offset + n_bytes, []
                n_units = n_bytes = 0
            pieces.append(i)
            n_units, n_bytes = n_units + n, n_bytes + size
        return [*found, self._shard(pieces, first, n_units, n_bytes, offset)]

    def _shard(
        self, pieces: list[int], first: int, n_units: int, n_bytes: int, offset: int
    ) -> Shard:
        whole = self.whole
        common = (0, whole.url, whole.kind, whole.etag, n_bytes, first, n_units)
        if whole.kind == "parquet":
            return Shard(*common, groups=tuple(pieces))
        return Shard(*common, offset=offset, is_end=pieces[-1] == len(self.sizes) - 1)


def pieces_of(kind: str, url: str, looked: Looked, grain: int, total_bytes: int) -> Pieces:
    """Find out where an archive can be cut.

    Parameters
    ----------
    grain
        Members of a tar that stay together.
    total_bytes
        Of all archives: a tar with a large share of them is looked into wherever it is.
    """
    whole = Shard(0, url, "tar" if kind == "tar" else "parquet", looked.etag, looked.n_bytes)
    if not looked.etag:
        return Pieces(whole)
    try:
        if kind == "parquet":
            return Pieces(whole, _row_groups(whole))
        if not _is_worth_it(whole, grain, total_bytes):
            return Pieces(whole)
        with open_binary(url) as stream:
            starts, n_members = _starts(stream, grain)
    except MissingExtraError:
        raise
    except (OSError, ValueError, EOFError, ClipcliError):
        return Pieces(whole)  # whoever reads it meets the damage, and says so
    ends = [*starts[1:], looked.n_bytes]
    sizes = [
        (min(grain, n_members - i * grain), end - start)
        for i, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]
    return Pieces(whole, tuple(sizes), starts[0] if starts else 0)


def _is_worth_it(tar: Shard, grain: int, total_bytes: int) -> bool:
    if tar.url.lower().endswith(PACKED) or tar.url.lower().startswith(("http://", "https://")):
        return False
    if URL.match(tar.url):
        is_large = tar.n_bytes > max(LARGE_REMOTE_BYTES, total_bytes * LARGE_SHARE)
        return is_large or tar.n_bytes > LONG_REMOTE_BYTES
    return tar.n_bytes > grain * LEAST_MEMBER_BYTES


def _starts(stream: BinaryIO, step: int) -> tuple[list[int], int]:
    """Return where every so-many-th member begins, and how many there are.

    Raises
    ------
    ValueError, OSError
        If the tar is damaged, packed, or has settings for all members that follow.
    """
    offsets, n_members = [], 0
    for member in _members(stream):
        if member.pax_headers:
            # Subtle: a global header far before holds for this member, too; a part would miss it.
            raise ValueError("has headers for several members")
        if n_members % step == 0:
            offsets.append(member.offset)
        n_members += 1
    return offsets, n_members


def _members(stream: BinaryIO) -> Iterator[Any]:
    import tarfile

    try:
        with tarfile.open(fileobj=stream, mode="r:", tarinfo=strict_headers()) as tar:
            for member in members_of(tar):
                # Its own extended header is fine: a part begins in front of it.
                yield _Start(member.offset, tar.pax_headers)
    except tarfile.TarError as error:
        raise ValueError(str(error)) from error


class _Start:
    """Where a member begins, and what was said for all that follow."""

    def __init__(self, offset: int, pax_headers: Any) -> None:
        self.offset, self.pax_headers = offset, dict(pax_headers)


def _row_groups(table: Shard) -> tuple[tuple[int, int], ...]:
    with open_binary(table.url) as stream, open_table(table.url, stream) as opened:
        groups = (opened.metadata.row_group(i) for i in range(opened.metadata.num_row_groups))
        return tuple((group.num_rows, group.total_byte_size) for group in groups)
