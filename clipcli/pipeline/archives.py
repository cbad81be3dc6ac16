"""Pictures in an archive that is open: members of a tar, rows of a Parquet table.

Both can be read in part, so that several workers share a large one: a tar from the header of one
member over so many members, a table by its row groups.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

from clipcli.errors import MissingExtraError
from clipcli.images.kinds import HEAD_BYTES, has_picture_ending, sniff
from clipcli.images.left_out import kind_of
from clipcli.images.tars import members_of, open_tar
from clipcli.pipeline.image_data import MOST_BYTES, ImageData
from clipcli.pipeline.vector_tables import has_vectors, incomplete, vectors_of
from clipcli.results import Skipped

if TYPE_CHECKING:
    from clipcli.images.find import FindReport

ROWS_AT_ONCE = 64  # of Parquet: bounds memory where pictures are large
KEY_COLUMNS = ("__key__", "key", "path", "file_name", "filename", "name", "id", "url")


@dataclass(frozen=True, slots=True)
class TarPart:
    """So many members from a place on; what stands behind the last one is for others."""

    n_members: int
    is_end: bool  # then the tar has to end behind them


@dataclass(frozen=True, slots=True)
class TableColumns:
    """Which columns hold pictures, or their URLs, and names; None: found out by what they hold."""

    image: str | None = None
    key: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class TablePart:
    """Row groups of a table, and the number of the first row in them."""

    groups: tuple[int, ...]
    first_row: int


def tar_pictures(
    name: str, stream: BinaryIO, report: FindReport, part: TarPart | None = None
) -> Iterator[ImageData | Skipped]:
    """Yield pictures as the tar is streamed past; sparse and huge members are skipped.

    Parameters
    ----------
    name
        What the tar is called in the names of its pictures.
    stream
        Its bytes; of a part, from the header of its first member on.
    report
        Counts members that are no pictures.
    part
        Left out: the whole tar.

    Raises
    ------
    ValueError, EOFError, OSError
        If the tar is damaged, or has fewer or more members than its part.
    """
    with open_tar(stream, has_to_end=part is None or part.is_end) as tar:
        n_seen = 0
        for member in islice(members_of(tar), None if part is None else part.n_members):
            n_seen += 1
            yield from _member(name, tar, member, report)
        if part is not None and n_seen < part.n_members:
            raise EOFError(f"has {n_seen} members where {part.n_members} were counted")
        if part is not None and part.is_end and tar.next() is not None:
            raise ValueError(f"has more members than the {part.n_members} that were counted")


def _member(name: str, tar: Any, member: Any, report: FindReport) -> Iterator[ImageData | Skipped]:
    path = f"{name}::{member.name}"
    if not member.isreg() or member.name.rpartition("/")[2].startswith("."):
        return
    if member.issparse() or not 0 <= member.size <= MOST_BYTES:
        yield Skipped(path, "a sparse or very large member of a tar")
        return
    file = tar.extractfile(member)
    head = file.read(HEAD_BYTES) if file else b""
    if not (has_picture_ending(member.name) or sniff(head)):
        report.left_out[kind_of(member.name)] += 1
        return
    # What begins like no picture is refused for that, however long it goes on.
    data = head + (file.read() if file and sniff(head) else b"")
    if sniff(head) and len(data) != member.size:
        raise EOFError(f"ends within {member.name}")
    yield ImageData(path, partial(bytes, data), len(data))


def table_pictures(
    name: str,
    stream: BinaryIO,
    columns: TableColumns | None = None,
    part: TablePart | None = None,
    report: FindReport | None = None,
) -> Iterator[ImageData | Skipped]:
    """Yield the pictures in a column of bytes, or of ``{bytes, path}`` as ``datasets`` writes.

    Parameters
    ----------
    name
        What the table is called in the names of its pictures.
    stream
        Its bytes, to be read from any place.
    columns
        Left out: by what they hold, see ``KEY_COLUMNS``.
    part
        Left out: the whole table.
    report
        Is told of vectors whose run ended early.

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    ValueError, OSError
        If the table is damaged, or no column fits.
    """
    with open_table(name, stream) as table:
        if columns is None and part is None and has_vectors(table):
            if report is not None and (why := incomplete(table)):
                report.incomplete[name] = why
            yield from vectors_of(name, table)
            return
        yield from _rows_of(name, table, columns or TableColumns(), part)


@contextmanager
def open_table(name: str, stream: BinaryIO) -> Iterator[Any]:
    """Open a Parquet table that is there as a stream.

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    ValueError
        If the table is damaged; also for what its reader raises within the block.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError(
            f"{name}: reading Parquet needs pyarrow, which is not installed",
            hint='pip install "clipcli[parquet]"',
        ) from error
    try:
        with pq.ParquetFile(stream) as table:
            yield table
    except pa.ArrowException as error:  # some of them are ValueErrors, others KeyErrors and more
        raise ValueError(str(error) or type(error).__name__) from error


def _rows_of(
    name: str, table: Any, columns: TableColumns, part: TablePart | None
) -> Iterator[ImageData | Skipped]:
    names = table.schema_arrow.names
    for column in filter(None, (columns.image, columns.key, columns.url)):
        if column not in names:
            raise ValueError(f"{name}: has no column {column!r}, but {', '.join(names)}")
    source = columns.url or columns.image or _image_column(name, table.schema_arrow)
    found = (k for k in KEY_COLUMNS if k in names and k != source)
    key = columns.key or next(found, None)
    row = part.first_row if part else 0
    wanted = [source, *([key] if key and key != source else [])]
    groups = list(part.groups) if part else None
    for batch in table.iter_batches(ROWS_AT_ONCE, columns=wanted, row_groups=groups):
        keys = batch[key].to_pylist() if key else [None] * len(batch)
        for value, own in zip(batch[source].to_pylist(), keys, strict=True):
            path = f"{name}::{row if own is None else own}"
            yield _behind_url(path, value) if columns.url else _in_cell(path, value)
            row += 1


def _in_cell(path: str, value: Any) -> ImageData | Skipped:
    content = value.get("bytes") if isinstance(value, dict) else value
    if isinstance(content, bytes):
        return ImageData(path, partial(bytes, content), len(content))
    return Skipped(path, "no picture in this row")


def _behind_url(path: str, value: Any) -> ImageData | Skipped:
    from clipcli.pipeline.remote import fetch
    from clipcli.pipeline.source_names import URL

    if isinstance(value, str) and URL.match(value):
        return ImageData(path, partial(fetch, value))
    return Skipped(path, "no URL in this row")


def _image_column(name: str, schema: Any) -> str:
    """Return the one column that holds pictures."""
    import pyarrow as pa

    def holds_bytes(kind: Any) -> bool:
        if pa.types.is_struct(kind):
            return any(field.name == "bytes" for field in kind)
        return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))

    found = [str(field.name) for field in schema if holds_bytes(field.type)]
    preferred = [column for column in found if column in ("image", "img", "jpg", "bytes")]
    if len(preferred or found) != 1:
        fact = "has no column of pictures" if not found else f"has several: {', '.join(found)}"
        raise ValueError(f"{name}: {fact}")
    return (preferred or found)[0]
