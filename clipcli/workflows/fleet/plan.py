"""The plan of a run: what is asked of which inputs, in which versions; one hash for it all."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from typing import Any

from clipcli.errors import InputError, UsageError
from clipcli.strict_json import Bounds, parse_json
from clipcli.workflows.fleet.shard import (
    DATA,
    FAILED,
    LISTS,
    Shard,
    from_table,
    hash_places,
    to_table,
)
from clipcli.workflows.fleet.store import TEMPORARY, PartStore
from clipcli.workflows.fleet.survey import Survey

PLAN, SHARDS, SUCCESS = "_plan.json", "_shards.parquet", "_SUCCESS"
OURS = {PLAN, SHARDS, SUCCESS, DATA, FAILED, LISTS, TEMPORARY}
FORMAT = 1
BOUNDS = Bounds(n_bytes=16 * 2**20)
SHOWN = 3  # differences between two plans


@dataclass(frozen=True)
class FleetPlan:
    """What is done, as plain JSON data, and the shards that it is done to."""

    facts: dict[str, Any]  # what decides the rows: task, model, labels, options, versions
    shards: tuple[Shard, ...]

    @property
    def hash(self) -> str:
        """The sha256 of the facts and of how the inputs are divided, not of their content."""
        facts = json.dumps(self.facts, sort_keys=True, separators=(",", ":"))
        content = f"{FORMAT}\n{facts}\n{hash_places(self.shards)}"
        return hashlib.sha256(content.encode("ascii")).hexdigest()

    @property
    def shard_size(self) -> int | None:
        """How many pictures a shard holds, where that could be chosen."""
        size = self.facts.get("shard_size")
        return size if isinstance(size, int) and size > 0 else None

    @property
    def n_units(self) -> int:
        """How many members, rows and list entries were counted."""
        return sum(shard.n_units or 0 for shard in self.shards)

    @property
    def n_bytes(self) -> int:
        """How much there is to read, as far as that is known; lists are not asked."""
        return sum(shard.n_bytes for shard in self.shards)

    def document(self) -> dict[str, Any]:
        """Return the plan without its shards, as JSON data."""
        counts = {"n": len(self.shards), "units": self.n_units, "bytes": self.n_bytes}
        shards = counts | {"hash": hash_places(self.shards)}
        return {"format": FORMAT, "hash": self.hash, **self.facts, "shards": shards}


def read_plan(store: PartStore) -> FleetPlan | None:
    """Return the plan that lies in an output, or None in a new one.

    Raises
    ------
    UsageError
        If the place holds something else.
    InputError
        If the plan is damaged.
    """
    raw = store.read(PLAN)
    if raw is None:
        others = sorted(store.names() - OURS)
        if others:
            raise UsageError(
                f"{store.url}: holds {others[0]} and no plan of a batch",
                hint="--into takes a new place, or one that a batch was written to",
            )
        return None
    try:
        document: Any = parse_json(raw, BOUNDS)
        shards = tuple(from_table(store.read(SHARDS) or b""))
        is_ours = document.pop("format") == FORMAT
        hash_, _ = document.pop("hash"), document.pop("shards")
        plan = FleetPlan(document, shards)
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise InputError(f"{store.url}/{PLAN}: is damaged, or no plan of a batch") from error
    if not is_ours or hash_ != plan.hash:
        raise InputError(
            f"{store.url}/{PLAN}: does not fit {SHARDS}, or is of another version",
            hint="remove both: the parts that are there are kept and looked at",
        )
    return plan


def check_same(store: PartStore, earlier: FleetPlan, plan: FleetPlan) -> None:
    """Refuse to go on with another plan where one was begun.

    Raises
    ------
    UsageError
    """
    if earlier.hash == plan.hash:
        return
    differences = _differences("", earlier.facts, plan.facts)
    if not differences:
        n_before, n_now = len(earlier.shards), len(plan.shards)
        differences = [f"the inputs were divided into {n_before:,} shards and are into {n_now:,}"]
        if n_before == n_now:
            differences = ["the inputs are others, or divided in other places"]
    raise UsageError(
        f"{store.url}: holds a batch with another plan: " + "; ".join(differences[:SHOWN]),
        hint="give the options of that run, or another --into",
    )


def _differences(path: str, before: Any, now: Any) -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        return [
            line
            for key in before | now
            for line in _differences(f"{path}.{key}".strip("."), before.get(key), now.get(key))
        ]
    return [] if before == now else [f"{path} was {_short(before)} and is {_short(now)}"]


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:12]}…"


def write_plan(store: PartStore, plan: FleetPlan, surveyed: Survey) -> None:
    """Write the plan: the lists first, then the shards, then what says that all are there.

    Raises
    ------
    OutputError
    """
    for shard in plan.shards:
        if shard.id in surveyed.lists:
            store.write(shard.paths, pack_paths(surveyed.lists[shard.id]))
    store.write(SHARDS, to_table(list(plan.shards)))
    document = json.dumps(plan.document(), indent=2, ensure_ascii=False)
    store.write(PLAN, f"{document}\n".encode("utf-8", "replace"))


def pack_paths(paths: list[str]) -> bytes:
    """Return names as they are on disk, each behind it a NUL."""
    return b"".join(os.fsencode(path) + b"\0" for path in paths)


def unpack_paths(data: bytes) -> list[str]:
    """Read what :func:`pack_paths` returned."""
    return [os.fsdecode(path) for path in data.split(b"\0")[:-1]]
