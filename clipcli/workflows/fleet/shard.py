"""A shard: a part of the inputs that one worker does at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

ShardKind: TypeAlias = Literal["tar", "parquet", "list"]

DATA, FAILED, LISTS = "data", "failed", "_lists"


@dataclass(frozen=True, slots=True)
class Shard:
    """What to read, and from where to where.

    ``first`` and ``n_units`` count members of a tar, rows of a table, or entries of a list; a tar
    that was not looked into has no ``n_units``. ``etag`` changes when the content does.
    """

    id: int
    url: str
    kind: ShardKind
    etag: str
    n_bytes: int = 0
    first: int = 0
    n_units: int | None = None
    offset: int = 0  # of the first member's header, in bytes
    groups: tuple[int, ...] = ()  # row groups
    is_end: bool = True  # nothing of the tar stands behind

    @property
    def part(self) -> str:
        """Where its rows go."""
        return f"{DATA}/part-{self.id:05}.parquet"

    @property
    def failure(self) -> str:
        """Where it is said that it could not be done."""
        return f"{FAILED}/{self.id:05}.json"

    @property
    def paths(self) -> str:
        """Where the names are that a shard of the kind "list" consists of."""
        return f"{LISTS}/{self.id:05}.txt"

    @property
    def place(self) -> tuple[Any, ...]:
        """What makes it another shard, in contrast to the same one with other content."""
        return (self.id, self.url, self.kind, self.first, self.offset, self.groups, self.is_end)


def hash_places(shards: Iterable[Shard]) -> str:
    """Return the sha256 of how the inputs are divided."""
    digest = hashlib.sha256()
    for shard in shards:
        digest.update(json.dumps(shard.place).encode("ascii") + b"\n")
    return digest.hexdigest()


def to_table(shards: list[Shard]) -> bytes:
    """Return shards as a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = [("id", pa.int64()), ("url", pa.string()), ("kind", pa.string())]
    columns += [("etag", pa.string()), ("n_bytes", pa.int64()), ("first", pa.int64())]
    columns += [("n_units", pa.int64()), ("offset", pa.int64())]
    columns += [("groups", pa.list_(pa.int32())), ("is_end", pa.bool_())]
    rows = [asdict(shard) for shard in shards]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(columns)), sink)
    return bytes(sink.getvalue())


def from_table(data: bytes) -> list[Shard]:
    """Read what :func:`to_table` returned.

    Raises
    ------
    ValueError
        If it is something else.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows = pq.read_table(pa.BufferReader(data)).to_pylist()
        return [Shard(**row | {"groups": tuple(row["groups"])}) for row in rows]
    except (pa.ArrowException, TypeError, KeyError) as error:
        raise ValueError(str(error)) from error
