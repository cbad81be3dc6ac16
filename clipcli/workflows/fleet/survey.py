"""Which shards there are: inputs found, looked at, and divided."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import count, groupby, islice
from typing import Literal, TypeAlias

from clipcli.errors import ImageError, InputError, UsageError
from clipcli.images.find import FindReport, ImageFile, find_images
from clipcli.images.kinds import has_picture_ending
from clipcli.images.lists import parse_paths
from clipcli.pipeline.remote import fetch
from clipcli.pipeline.sources import PARQUET_ENDINGS, TAR_ENDINGS, expand, kind_of_source
from clipcli.results import Skipped
from clipcli.workflows.fleet.objects import look_at, objects_in
from clipcli.workflows.fleet.shard import Shard
from clipcli.workflows.fleet.splitting import split

SourceKind: TypeAlias = Literal["auto", "folder", "tar", "parquet", "list"]

AT_ONCE = 32  # answers of a store that are waited for


@dataclass(frozen=True, slots=True)
class Sources:
    """What the inputs are, and how large a shard of them is."""

    names: tuple[str, ...]
    kind: SourceKind = "auto"
    shard_size: int = 10_000


@dataclass
class Survey:
    """All shards, and the lists that some of them consist of."""

    shards: list[Shard] = field(default_factory=list)
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
    found = Survey()
    earlier = {url: list(group) for url, group in groupby(known, lambda shard: shard.url)}
    numbers = count()
    for is_archive, group in groupby(_named(sources), lambda one: one[0] in ("tar", "parquet")):
        if is_archive:
            _add_archives(found, list(group), sources.shard_size, earlier, numbers)
        else:
            _add_lists(found, [name for _, name in group], sources, numbers)
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


def _add_archives(
    found: Survey,
    named: list[tuple[str, str]],
    shard_size: int,
    earlier: dict[str, list[Shard]],
    numbers: Iterator[int],
) -> None:
    def divided(one: tuple[str, str]) -> list[Shard]:
        kind, url = one
        if not url.isprintable() or not _is_text(url):
            raise UsageError(f"{url!r}: is no name that a plan can hold", hint="rename it")
        looked = look_at(url)
        before = earlier.get(url, [])
        if before and looked.etag and before[0].etag == looked.etag:
            return before
        return split(kind, url, looked, shard_size)

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="survey") as pool:
        for shards in pool.map(divided, named):
            found.shards += [replace(shard, id=next(numbers)) for shard in shards]


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _add_lists(found: Survey, names: list[str], sources: Sources, numbers: Iterator[int]) -> None:
    """Cut what is no archive into lists of so many entries."""
    entries = _entries(names, sources.kind, found.report)
    n_before = 0
    while block := list(islice(entries, sources.shard_size)):
        number = next(numbers)
        digest = hashlib.sha256()
        for path, mark in block:
            digest.update(os.fsencode(path) + b"\0" + mark.encode("ascii", "replace") + b"\0")
        found.lists[number] = [path for path, _ in block]
        found.shards.append(
            Shard(
                number,
                names[0] if _is_text(names[0]) else repr(names[0]),
                "list",
                digest.hexdigest(),
                first=n_before,
                n_units=len(block),
            )
        )
        n_before += len(block)


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
