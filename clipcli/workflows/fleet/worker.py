"""A worker: one model, loaded once, that does one shard after the other."""

from __future__ import annotations

import io
import os
import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from clipcli.errors import ClipcliError, ImageError, InputError, OutputError
from clipcli.images.find import FindReport, ImageFile
from clipcli.pipeline.archives import TableColumns, TablePart, TarPart, table_pictures, tar_pictures
from clipcli.pipeline.image_data import ImageData
from clipcli.pipeline.remote import fetch, in_words, open_binary
from clipcli.pipeline.source_names import URL
from clipcli.results import Skipped
from clipcli.workflows.fleet.jobs import Job, job_of
from clipcli.workflows.fleet.part import KEY, PartFacts
from clipcli.workflows.fleet.plan import unpack_paths
from clipcli.workflows.fleet.recipe import Recipe
from clipcli.workflows.fleet.shard import Shard
from clipcli.workflows.fleet.store import FullStoreError, PartStore, open_store

if TYPE_CHECKING:
    from clipcli.pipeline.inputs import Input

REASONS_COUNTED = 20  # of skipped pictures, a shard


@dataclass(frozen=True, slots=True)
class ShardOutcome:
    """What came of a shard; it travels back to the machine that began the run."""

    shard: int
    worker: str
    n: int = 0
    skipped: int = 0
    left_out: int = 0
    reasons: dict[str, int] = field(default_factory=dict)  # why pictures were skipped
    seconds: float = 0.0
    failure: str = ""  # why there is no part
    has_died: bool = False  # the worker, with the shard in its hands
    error: ClipcliError | None = None  # which every shard would meet, so that the run has to end


class Worker:
    """Does shards; the model is loaded with the first."""

    def __init__(self, recipe: Recipe, plan_hash: str) -> None:
        self._recipe, self._plan_hash = recipe, plan_hash
        self._store: PartStore = open_store(recipe.into)
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.n_done = 0  # pictures, for who looks on

    @cached_property
    def _job(self) -> Job:
        return job_of(self._recipe)

    def do(self, shard: Shard) -> ShardOutcome:
        """Write a shard's part, or say why that could not be done; only bugs are raised."""
        started = time.perf_counter()
        failed = partial(ShardOutcome, shard.id, self.name)
        try:
            facts, reasons = self._do(shard)
        except FullStoreError as error:
            return failed(error=error, failure=error.message)
        except (ImageError, InputError, OutputError) as error:
            # OutputError as well: the next try may find the store well again.
            return failed(failure=error.message)
        except ClipcliError as error:
            return failed(error=error, failure=error.message)
        except (OSError, EOFError, ValueError, MemoryError) as error:
            return failed(failure=f"damaged or unreadable: {in_words(error)}")
        return ShardOutcome(
            shard.id,
            self.name,
            facts.n,
            facts.skipped,
            facts.left_out,
            reasons,
            time.perf_counter() - started,
        )

    def rows(self, shard: Shard, names: list[str] | None = None) -> Iterator[Any]:
        """Yield a shard's rows without writing them; ``names`` are those of a list not written."""
        found = self._names(shard) if names is None else names
        yield from self._job.results(_read(shard, self._recipe.columns, found, FindReport()))

    def _names(self, shard: Shard) -> list[str]:
        """Return the names that a list consists of; an archive has none."""
        if shard.kind != "list":
            return []
        data = self._store.read(shard.paths)
        if data is None:
            raise ValueError(f"{shard.paths} is missing")
        return unpack_paths(data)

    def _do(self, shard: Shard) -> tuple[PartFacts, dict[str, int]]:
        report, reasons = FindReport(), Counter[str]()
        n = n_skipped = 0
        sink = _Memory()
        document = self._job.open_document(sink)
        inputs = _read(shard, self._recipe.columns, self._names(shard), report)
        for result in self._job.results(inputs):
            document.write(result)
            n += 1
            self.n_done += 1
            if isinstance(result, Skipped):
                n_skipped += 1
                if len(reasons) < REASONS_COUNTED or result.reason in reasons:
                    reasons[result.reason] += 1
        if shard.kind != "tar" and n != shard.n_units and shard.n_units is not None:
            raise ValueError(f"has {n:,} rows where {shard.n_units:,} were counted")
        facts = PartFacts(self._plan_hash, shard.etag, n, n_skipped, report.ignored)
        document.note(KEY, facts.to_json())
        self._job.finish(document, {"ok": n - n_skipped, "skipped": n_skipped})
        self._store.write(shard.part, sink.getvalue())
        return facts, dict(reasons)


class _Memory(io.BytesIO):
    """A part while it is being written: some megabytes, which go to the store in one piece."""

    def write(self, content: Any) -> Any:
        return super().write(content)


def _read(
    shard: Shard, columns: TableColumns, names: list[str], report: FindReport
) -> Iterator[Input]:
    """Yield a shard's pictures as ``classify`` would meet them.

    Raises
    ------
    ImageError, OSError, EOFError, ValueError, MissingExtraError
        If the archive is not there or is damaged: then there is no part.
    """
    if shard.kind == "list":
        for path in names:
            is_url = URL.match(path) is not None
            yield ImageData(path, partial(fetch, path)) if is_url else ImageFile(path)
        return
    try:
        with open_binary(shard.url) as stream:
            if shard.kind == "parquet":
                part = TablePart(shard.groups, shard.first) if shard.groups else None
                yield from table_pictures(shard.url, stream, columns, part)
                return
            tar_part = None
            if shard.n_units is not None:
                stream.seek(shard.offset)
                tar_part = TarPart(shard.n_units, shard.is_end)
            yield from tar_pictures(shard.url, stream, report, tar_part)
    except (ClipcliError, OSError, EOFError, ValueError):
        raise
    except Exception as error:
        # A store raises what its package likes; a bug of ours is no business of a store.
        if type(error).__module__.partition(".")[0] in ("clipcli", "builtins"):
            raise
        raise OSError(in_words(error)) from error
