"""Which shards there are: inputs found, looked at, and divided."""

from __future__ import annotations

import hashlib
import io
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import count, groupby
from typing import Literal, TypeAlias

from clipcli.errors import ImageError, InputError, UsageError
from clipcli.images.find import FindReport, ImageFile, find_images
from clipcli.images.kinds import has_picture_ending
from clipcli.images.lists import parse_paths
from clipcli.pipeline.remote import fetch
from clipcli.pipeline.source_names import PARQUET_ENDINGS, TAR_ENDINGS, kind_of_source
from clipcli.pipeline.sources import expand
from clipcli.results import Skipped
from clipcli.workflows.fleet.objects import Looked, look_at, objects_in
from clipcli.workflows.fleet.shard import Shard
from clipcli.workflows.fleet.splitting import (
    GRAIN,
    PICTURE_BYTES,
    Pieces,
    pieces_of,
    size_for,
)

SourceKind: TypeAlias = Literal["auto", "folder", "tar", "parquet", "list"]

AT_ONCE = 32  # answers of a store that are waited for


@dataclass(frozen=True, slots=True)
class Sources:
    """What the inputs are, and how large a shard of them is; None: by how many there are."""

    names: tuple[str, ...]
    kind: SourceKind = "auto"
    shard_size: int | None = None


@dataclass
class Survey:
    """All shards, how many pictures one of them holds, and the lists that some consist of."""

    shards: list[Shard] = field(default_factory=list)
    shard_size: int = 0
    lists: dict[int, list[str]] = field(default_factory=dict)  # by the shard's number
    report: FindReport = field(default_factory=FindReport)


def survey(sources: Sources, known: Iterable[Shard] = ()) -> Survey:
    """Find the shards of all sources, in the order of their rows.

    Parameters
    ----------
    sources
        Archives are divided where they are large, all else is cut into lists.
    known
        Shards of an earlier run: an archive that is as it was is not read again.

    Raises
    ------
    UsageError
        If a name cannot be a source of this kind.
    InputError
        If there is nothing, or a store does not answer.
    """
    found, numbers = Survey(), count()
    groups = [
        (is_archive, list(group))
        for is_archive, group in groupby(_named(sources), lambda one: one[0] in ("tar", "parquet"))
    ]
    named = [one for is_archive, group in groups if is_archive for one in group]
    archives = deque(_look_into(named, sources.shard_size, known))
    lists = deque(
        list(_entries([name for _, name in group], sources.kind, found.report))
        for is_archive, group in groups
        if not is_archive
    )
    n_pictures = sum(archive.n_pictures for archive in archives) + sum(map(len, lists))
    found.shard_size = sources.shard_size or size_for(n_pictures)
    for is_archive, group in groups:
        if is_archive:
            for _ in group:
                shards = archives.popleft().shards(found.shard_size)
                found.shards += [replace(shard, id=next(numbers)) for shard in shards]
        else:
            _add_lists(found, group[0][1], lists.popleft(), numbers)
    if not found.shards:
        raise InputError(f"{sources.names[0]}: no pictures found")
    if all(shard.etag == "" for shard in found.shards):
        raise InputError(f"{found.shards[0].url}: no such file or object", hint="check the name")
    return found


def _named(sources: Sources) -> Iterator[tuple[str, str]]:
    """Yield each source's kind and name, ranges and patterns of object stores expanded."""
    for spec in sources.names:
        for name in expand(spec):
            kind, target = kind_of_source(name)
            if sources.kind in ("tar", "parquet"):
                endings = TAR_ENDINGS if sources.kind == "tar" else PARQUET_ENDINGS
                is_folder = target.endswith("/") or os.path.isdir(target)  # noqa: PTH112
                inside = objects_in(target, endings) if is_folder else [target]
                yield from ((sources.kind, one) for one in inside)
            elif sources.kind in ("auto", "folder") and "*" in target and "://" in target:
                kinds = ((kind_of_source(one)[0] or "picture", one) for one in objects_in(target))
                yield from kinds
            elif sources.kind in ("folder", "list"):
                yield sources.kind, target
            else:
                yield kind or "folder", target


@dataclass(frozen=True, slots=True)
class _Known:
    """An archive that is as it was, and as it was divided."""

    before: list[Shard]

    @property
    def n_pictures(self) -> float:
        return sum(shard.n_units or shard.n_bytes / PICTURE_BYTES for shard in self.before)

    def shards(self, _shard_size: int) -> list[Shard]:
        return self.before


def _look_into(
    named: list[tuple[str, str]], shard_size: int | None, known: Iterable[Shard]
) -> Iterator[Pieces | _Known]:
    """Yield where each archive can be cut."""
    earlier = {url: list(group) for url, group in groupby(known, lambda shard: shard.url)}

    def look(one: tuple[str, str]) -> Looked:
        if not one[1].isprintable() or not _is_text(one[1]):
            raise UsageError(f"{one[1]!r}: is no name that a plan can hold", hint="rename it")
        return look_at(one[1])

    def cut(one: tuple[str, str], looked: Looked) -> Pieces | _Known:
        before = earlier.get(one[1], [])
        if before and looked.etag and before[0].etag == looked.etag:
            return _Known(before)
        return pieces_of(*one, looked, shard_size or GRAIN, total_bytes)

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="survey") as pool:
        looked = list(pool.map(look, named))
        total_bytes = sum(one.n_bytes for one in looked)
        yield from pool.map(cut, named, looked)


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _add_lists(
    found: Survey, url: str, entries: list[tuple[str, str]], numbers: Iterator[int]
) -> None:
    """Cut what is no archive into lists of so many entries."""
    for start in range(0, len(entries), found.shard_size):
        block = entries[start : start + found.shard_size]
        number = next(numbers)
        digest = hashlib.sha256()
        for path, mark in block:
            digest.update(os.fsencode(path) + b"\0" + mark.encode("ascii", "replace") + b"\0")
        found.lists[number] = [path for path, _ in block]
        found.shards.append(
            Shard(
                number,
                url if _is_text(url) else repr(url),
                "list",
                digest.hexdigest(),
                first=start,
                n_units=len(block),
            )
        )


def _entries(names: list[str], kind: SourceKind, report: FindReport) -> Iterator[tuple[str, str]]:
    """Yield the name of each picture, and what changes when the picture does, if that is known."""
    local = [name for name in names if "://" not in name]
    if kind == "list":
        for name in local:
            yield from map(_marked, find_images([], from_file=name, report=report))
    elif local:
        yield from map(_marked, find_images(local, report=report))
    for name in names:
        if "://" not in name:
            continue
        if kind == "list":
            yield from ((path, "") for path in _listed(name))
        elif name.endswith("/") or kind == "folder":
            yield from ((url, "") for url in objects_in(name) if has_picture_ending(url))
        else:
            yield name, ""


def _marked(entry: ImageFile | Skipped) -> tuple[str, str]:
    status = entry.status if isinstance(entry, ImageFile) else None
    return entry.path, f"{status.st_size} {status.st_mtime_ns}" if status else ""


def _listed(name: str) -> Iterator[str]:
    try:
        data = fetch(name)
    except ImageError as error:
        raise InputError(f"{name}: {error.message}") from error
    yield from parse_paths(io.BytesIO(data))
