"""A part: the rows of a shard, and in its footer what they were made from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from clipcli.strict_json import parse_json

KEY = "clipcli.part"
FOOTER_BYTES = 2**16  # where a footer is, as a rule


@dataclass(frozen=True, slots=True)
class PartFacts:
    """What a part says of itself."""

    plan: str  # hash
    etag: str
    n: int  # rows
    skipped: int  # of them
    left_out: int = 0  # members of a tar that are no pictures

    def to_json(self) -> str:
        """Return them for the metadata of a Parquet file."""
        return json.dumps(asdict(self), sort_keys=True)


def read_facts(tail: bytes) -> PartFacts | None:
    """Return what the end of a part says; None of no whole part, or where the end is too short.

    Only the footer is read, so that of ten thousand parts in a store a few kilobytes each travel.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata: dict[bytes, bytes] = pq.read_metadata(pa.BufferReader(tail)).metadata or {}
        data: Any = parse_json(metadata[KEY.encode()])
        return PartFacts(**data)
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError):
        return None
