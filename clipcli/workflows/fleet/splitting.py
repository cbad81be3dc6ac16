"""Dividing large archives: a tar by members, a table by row groups.

A tar has no index, so its headers are read one after the other. That is done where it costs little
beside what it saves: on a disk where there may be more members than a shard takes, in a store where
the tar is so long that a single worker would be busy with it at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from clipcli.errors import ClipcliError, MissingExtraError
from clipcli.images.tars import members_of, strict_headers
from clipcli.pipeline.archives import open_table
from clipcli.pipeline.remote import URL, open_binary
from clipcli.workflows.fleet.objects import Looked
from clipcli.workflows.fleet.shard import Shard

LEAST_MEMBER_BYTES = 1024  # a header and a block of content
LONG_REMOTE_BYTES = 2 * 2**30
PACKED = (".gz", ".tgz", ".bz2", ".xz")


def split(kind: str, url: str, looked: Looked, shard_size: int) -> list[Shard]:
    """Return the shards of an archive, one or several; what cannot be divided is one."""
    whole = Shard(0, url, "tar" if kind == "tar" else "parquet", looked.etag, looked.n_bytes)
    if not looked.etag:
        return [whole]
    try:
        if kind == "parquet":
            return _split_table(whole, shard_size)
        return _split_tar(whole, shard_size) if _is_worth_it(whole, shard_size) else [whole]
    except MissingExtraError:
        raise
    except (OSError, ValueError, EOFError, ClipcliError):
        return [whole]  # whoever reads it meets the damage, and says so


def _is_worth_it(tar: Shard, shard_size: int) -> bool:
    if tar.url.lower().endswith(PACKED) or tar.url.lower().startswith(("http://", "https://")):
        return False
    if URL.match(tar.url):
        return tar.n_bytes > LONG_REMOTE_BYTES
    return tar.n_bytes > shard_size * LEAST_MEMBER_BYTES


def _split_tar(tar: Shard, shard_size: int) -> list[Shard]:
    with open_binary(tar.url) as stream:
        offsets, n_members = _starts(stream, shard_size)
    ends = [*offsets[1:], tar.n_bytes]
    return [
        Shard(
            0,
            tar.url,
            "tar",
            tar.etag,
            ends[i] - offset,
            first=i * shard_size,
            n_units=min(shard_size, n_members - i * shard_size),
            offset=offset,
            is_end=i == len(offsets) - 1,
        )
        for i, offset in enumerate(offsets)
    ]


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


def _split_table(table: Shard, shard_size: int) -> list[Shard]:
    with open_binary(table.url) as stream, open_table(table.url, stream) as opened:
        metadata = opened.metadata
        sizes = [
            (metadata.row_group(i).num_rows, metadata.row_group(i).total_byte_size)
            for i in range(metadata.num_row_groups)
        ]
    found: list[Shard] = []
    groups: list[int] = []
    first = n_rows = n_bytes = 0

    def close() -> None:
        nonlocal first, n_rows, n_bytes
        found.append(
            Shard(
                0,
                table.url,
                "parquet",
                table.etag,
                n_bytes,
                first=first,
                n_units=n_rows,
                groups=tuple(groups),
            )
        )
        first, n_rows, n_bytes = first + n_rows, 0, 0
        groups.clear()

    for i, (rows, size) in enumerate(sizes):
        if groups and n_rows + rows > shard_size:
            close()
        groups.append(i)
        n_rows += rows
        n_bytes += size
    close()
    return found
