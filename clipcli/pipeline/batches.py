"""What ``clipcli batch`` has written, opened for reading: whether it is whole, and its parts.

Whoever reads a batch reads it through here, so that half a batch, a part of another one, or one of
another kind is refused in the same words everywhere. The folder ``data`` of a batch stands for the
parts that are there, however many are missing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from clipcli.errors import ImageError, InputError, UsageError
from clipcli.pipeline.remote import WEB, file_system, in_words, open_binary, open_seekable
from clipcli.pipeline.source_names import DATA, ENDS, PLAN, URL, above, is_local_batch, last
from clipcli.results import Skipped
from clipcli.strict_json import Bounds, JsonError, parse_json

SHARDS, SUCCESS = "_shards.parquet", "_SUCCESS"
FAILED = "failed"  # a folder
PART_KEY = "clipcli.part"  # in a part's metadata: what it was made from
NOT_FOUND = 404
BOUNDS = Bounds(n_bytes=16 * 2**20)
WROTE = {"classify": "results", "embed": "vectors", "locate": "boxes"}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BatchOutput:
    """A batch's output; ``parts`` are names to open, in the order of the inputs."""

    url: str
    task: str  # classify, embed or locate
    plan: str  # its hash
    parts: tuple[str, ...]
    failed: tuple[str, ...] = ()  # names of what says why a shard has no part
    is_whole: bool = True  # not: the folder of parts was named

    def expect(self, task: str, hint: str) -> BatchOutput:
        """Return itself, if it is of this kind.

        Raises
        ------
        InputError
        """
        if self.task != task:
            wrote = WROTE.get(self.task, "something else")
            raise InputError(
                f"{self.url}: holds {wrote}, of batch {self.task}, and not {WROTE[task]}", hint=hint
            )
        return self

    def rows(self, read: Callable[[str, Any], Iterator[T]]) -> Iterator[T]:
        """Yield what ``read`` makes of each part, given its name and its open table.

        Raises
        ------
        InputError
            If a part is missing, damaged, or of another batch.
        """
        from clipcli.pipeline.archives import open_table

        for name in self.parts:
            try:
                with open_seekable(name) as stream, open_table(name, stream) as table:
                    self._check(name, table)
                    yield from read(name, table)
            except (OSError, ValueError, ImageError) as error:
                if _is_absent(error):
                    raise InputError(
                        f"{name}: this part is missing",
                        hint="run the batch again, which goes on from there",
                    ) from error
                fact = error.message if isinstance(error, ImageError) else in_words(error)
                raise InputError(
                    f"{name}: is damaged or cannot be read ({fact})",
                    hint="remove it and run the batch again, which writes it anew",
                ) from error

    def _check(self, name: str, table: Any) -> None:
        raw = (table.metadata.metadata or {}).get(PART_KEY.encode())
        try:
            facts: Any = parse_json(raw or b"")
        except JsonError:
            facts = None
        if not isinstance(facts, dict) or facts.get("plan") != self.plan:
            raise InputError(
                f"{name}: is a part of another batch than {self.url}",
                hint="run the batch again, which writes its own part in the place of this one",
            )

    def failures(self) -> Iterator[Skipped]:
        """Yield the shards that have no rows, and why."""
        for name in self.failed:
            fields = _document(name)
            yield Skipped(
                str(fields.get("url", name)), f"its shard failed: {fields.get('reason', 'unknown')}"
            )


def find_batch(name: str) -> BatchOutput | None:
    """Return the batch that a folder or URL holds; None where it is something else.

    Raises
    ------
    UsageError
        If the batch is not finished.
    InputError
        If its plan is damaged, or the store does not answer.
    MissingExtraError
    """
    place = name.removeprefix("file://").rstrip(ENDS)
    plan = _plan_of(name, place)
    if plan is not None:
        return _whole(place, plan)
    parent = above(place)
    plan = _plan_of(name, parent) if last(place) == DATA else None
    if plan is None:
        return None
    parts = [f"{place}/{one}" for one in _names(place) if one.endswith(".parquet")]
    if not parts:
        raise InputError(f"{name}: holds no part yet")
    return BatchOutput(place, *_facts(parent, plan), tuple(parts), is_whole=False)


def _plan_of(name: str, place: str) -> bytes | None:
    """Return the bytes of the plan in a place that may be a batch's."""
    if not URL.match(place):
        return _read(f"{place}/{PLAN}") if is_local_batch(place) else None
    # A web server is asked only where the name says that it is a folder: most URLs are pictures.
    if _is_web(place) and not name.endswith("/"):
        return None
    return _read(f"{place}/{PLAN}")


def _whole(place: str, raw: bytes) -> BatchOutput:
    task, plan = _facts(place, raw)
    numbers = _shards(place)
    if _read(f"{place}/{SUCCESS}") is None:
        raise _unfinished(place, len(numbers))
    failed = _names(f"{place}/{FAILED}") if _document(f"{place}/{SUCCESS}").get("failed") else []
    without = {one.partition(".")[0] for one in failed}
    parts = [f"{place}/{DATA}/part-{i:05}.parquet" for i in numbers if f"{i:05}" not in without]
    return BatchOutput(
        place, task, plan, tuple(parts), tuple(f"{place}/{FAILED}/{one}" for one in failed)
    )


def _unfinished(place: str, n_parts: int) -> UsageError:
    if _is_web(place):  # such a server has no list of what is there
        return UsageError(f"{place}: this batch is not finished", hint="wait until it is")
    n = sum(one.endswith(".parquet") for one in _names(f"{place}/{DATA}"))
    return UsageError(
        f"{place}: this batch is not finished: {n:,} of {n_parts:,} parts are there",
        hint=f"run it again, it goes on from there; or name {place}/{DATA} for those parts",
    )


def _is_web(place: str) -> bool:
    return place.lower().startswith(WEB)


def _facts(place: str, raw: bytes) -> tuple[str, str]:
    try:
        document: Any = parse_json(raw, BOUNDS)
        return str(document["task"]), str(document["hash"])
    except (JsonError, TypeError, KeyError) as error:
        raise InputError(f"{place}/{PLAN}: is damaged, or no plan of a batch") from error


def _shards(place: str) -> list[int]:
    """Return the numbers of all shards."""
    from clipcli.pipeline.archives import open_table

    name = f"{place}/{SHARDS}"
    try:
        with open_seekable(name) as stream, open_table(name, stream) as table:
            numbers = table.read(columns=["id"])["id"].to_pylist()
            if any(type(number) is not int for number in numbers):
                raise ValueError("a shard without a number")
            return sorted(numbers)
    except (OSError, ValueError, KeyError, ImageError) as error:
        raise InputError(f"{name}: is damaged or missing ({in_words(error)})") from error


def _document(name: str) -> dict[str, Any]:
    try:
        data: Any = parse_json(_read(name) or b"", BOUNDS)
    except JsonError:
        return {}
    return data if isinstance(data, dict) else {}


def _read(name: str) -> bytes | None:
    """Return a short file's bytes; None where there is none."""
    try:
        with open_binary(name) as stream:
            return stream.read(BOUNDS.n_bytes + 1)
    except (OSError, ImageError) as error:
        if _is_absent(error):
            return None
        fact = error.message if isinstance(error, ImageError) else in_words(error)
        raise InputError(f"{name}: cannot be read ({fact})") from error


def _is_absent(error: Exception) -> bool:
    """Tell whether an error says that nothing is there: of a disk, a store or a web server."""
    is_404 = getattr(error, "code", None) == NOT_FOUND
    return is_404 or FileNotFoundError in (type(error), type(error.__cause__))


def _names(place: str) -> list[str]:
    """Return the names in a folder, in order; none where there is no such folder."""
    try:
        if _is_web(place):
            return []
        if not URL.match(place):
            return sorted(os.listdir(place))  # noqa: PTH208 - names are wanted
        system, path = file_system(place)
        system.invalidate_cache()
        return sorted(
            str(one).rstrip("/").rpartition("/")[2] for one in system.ls(path, detail=False)
        )
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"{place}: cannot be read ({in_words(error)})") from error
