"""Pictures that are no files of their own: members of tars, rows of Parquet, objects behind URLs.

A source is named like a path: ``shard-{0000..0099}.tar``, ``data.parquet``, ``s3://bucket/a.tar``
or ``https://host/cat.jpg``; ``tar::NAME`` and ``parquet::NAME`` say what a name without an ending
is.
Archives are read once from front to back, nothing is unpacked on disk, and each picture is called
``ARCHIVE::KEY``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from clipcli.errors import ImageError, UsageError
from clipcli.images.kinds import has_picture_ending
from clipcli.pipeline.batches import BatchOutput, find_batch
from clipcli.pipeline.image_data import ImageData
from clipcli.pipeline.remote import fetch, in_words, open_binary, open_seekable
from clipcli.pipeline.source_names import Kind, kind_of_source
from clipcli.results import Skipped

if TYPE_CHECKING:
    from clipcli.images.find import FindReport

WANTS_VECTORS = "give the pictures, or what batch embed has written of them"
MOST_SHARDS = 10_000_000
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


def read_source(spec: str, report: FindReport) -> Iterator[ImageData | Skipped]:
    """Yield the pictures of a source, in its own order.

    Parameters
    ----------
    spec
        As the module says; a range in braces stands for many archives.
    report
        Counts members that are no pictures, and is told of vectors whose run ended early.

    Yields
    ------
    ImageData or Skipped
        A damaged archive yields what stands before the damage, then one ``Skipped`` for itself.

    Raises
    ------
    UsageError, MissingExtraError
    InputError
        If a batch is not one of vectors, or a part of it is damaged.
    """
    from http.client import HTTPException

    from clipcli.pipeline.archives import table_pictures, tar_pictures
    from clipcli.pipeline.vector_tables import vectors_of

    for name in expand(spec):
        kind, target = kind_of_source(name)
        batch = _batch_at(kind, target)
        if batch is not None:
            yield from batch.expect("embed", WANTS_VECTORS).rows(vectors_of)
            yield from batch.failures()
            continue
        if kind == "picture":
            yield ImageData(target, partial(fetch, target))
            continue
        try:
            with (open_binary if kind == "tar" else open_seekable)(target) as stream:
                if kind == "tar":
                    yield from tar_pictures(target, stream, report)
                else:
                    yield from table_pictures(target, stream, report=report)
        except ImageError as error:  # it is not there, or no regular file
            yield Skipped(target, error.message)
        except (OSError, EOFError, ValueError, HTTPException) as error:
            yield Skipped(target, f"damaged or unreadable archive: {in_words(error)}")


def expand(spec: str) -> Iterator[str]:
    """Yield the names that ``{0000..0099}`` stands for, as wide as its first number.

    Raises
    ------
    UsageError
        If the range runs backwards or is too long.
    """
    found = _RANGE.search(spec)
    if found is None:
        yield spec
        return
    first, last = int(found[1]), int(found[2])
    if not 0 <= last - first < MOST_SHARDS:
        raise UsageError(f"{spec}: {found[0]} is no range", hint="write it as {0000..0099}")
    for number in range(first, last + 1):
        yield from expand(f"{spec[: found.start()]}{number:0{len(found[1])}}{spec[found.end() :]}")


def _batch_at(kind: Kind | None, target: str) -> BatchOutput | None:
    """Return the batch behind a name; a URL that ends like a picture is none."""
    may_be = kind is None or (kind == "picture" and not has_picture_ending(target))
    return find_batch(target) if may_be else None
