"""Pictures that are no files of their own: members of tars, rows of Parquet, objects behind URLs.

A source is named like a path: ``shard-{0000..0099}.tar``, ``data.parquet``, ``s3://bucket/a.tar``
or ``https://host/cat.jpg``; ``tar::NAME`` and ``parquet::NAME`` say what a name without an ending
is.
Archives are read once from front to back, nothing is unpacked on disk, and each picture is called
``ARCHIVE::KEY``.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

from clipcli.errors import ImageError, InputError, MissingExtraError, UsageError
from clipcli.images.kinds import HEAD_BYTES, has_picture_ending, sniff
from clipcli.images.left_out import kind_of
from clipcli.images.tars import members_of, open_tar
from clipcli.results import Skipped

if TYPE_CHECKING:
    from tarfile import TarFile

    from clipcli.images.find import FindReport

MOST_BYTES = 256 * 2**20  # of one picture, which is in memory as a whole
MOST_SHARDS = 10_000_000
ROWS_AT_ONCE = 64  # of Parquet: bounds memory where pictures are large
TIMEOUT_S = 30.0  # without a byte from a server
FETCH_S = 300.0  # for a picture, however steadily its bytes drip
FETCHED_AT_ONCE = 2**16
TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
PARQUET_ENDINGS = (".parquet", ".pq")
KEY_COLUMNS = ("__key__", "key", "path", "file_name", "filename", "name", "id", "url")
URL = re.compile(r"^[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_FORCED = re.compile(r"^(tar|parquet)::")


@dataclass(frozen=True, slots=True)
class ImageData:
    """A picture whose bytes somebody else has; ``read`` is called once, in a decoding thread."""

    path: str
    read: Callable[[], bytes]
    n_bytes: int = 0  # that are in memory meanwhile


def in_memory(pictures: Iterable[tuple[str, bytes]]) -> Iterator[ImageData]:
    """Yield pictures whose bytes are there: names, and the whole content of a file each."""
    return (ImageData(name, partial(bytes, data), len(data)) for name, data in pictures)


def is_source(path: str) -> bool:
    """Tell whether a name stands for something else than files and folders."""
    kind = _kind(path)
    return kind is not None and (bool(URL.match(path)) or kind != "picture")


def read_source(spec: str, report: FindReport) -> Iterator[ImageData | Skipped]:
    """Yield the pictures of a source, in its own order.

    Parameters
    ----------
    spec
        As the module says; a range in braces stands for many archives.
    report
        Counts members that are no pictures.

    Yields
    ------
    ImageData or Skipped
        A damaged archive yields what stands before the damage, then one ``Skipped`` for itself.

    Raises
    ------
    UsageError, MissingExtraError
    """
    from http.client import HTTPException

    for name in expand(spec):
        kind, target = _kind(name), _FORCED.sub("", name)
        if kind == "picture":
            yield ImageData(target, partial(fetch, target))
            continue
        read = _tar_members if kind == "tar" else _parquet_rows
        try:
            yield from read(target, report)
        except ImageError as error:  # it is not there, or no regular file
            yield Skipped(target, error.message)
        except (OSError, EOFError, ValueError, HTTPException) as error:
            yield Skipped(target, f"damaged or unreadable archive: {_in_words(error)}")


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


def _kind(spec: str) -> str | None:
    """Return "tar", "parquet" or "picture", by prefix or ending."""
    if forced := _FORCED.match(spec):
        return forced[1]
    name = spec.lower().partition("?")[0] if URL.match(spec) else spec.lower()
    if name.endswith(TAR_ENDINGS):
        return "tar"
    if name.endswith(PARQUET_ENDINGS):
        return "parquet"
    return "picture" if URL.match(spec) else None


def _tar_members(name: str, report: FindReport) -> Iterator[ImageData | Skipped]:
    """Yield pictures as the tar is streamed past; sparse and huge members are skipped."""
    with open_binary(name) as stream, open_tar(stream) as tar:
        yield from _pictures_of(name, tar, report)


def _pictures_of(name: str, tar: TarFile, report: FindReport) -> Iterator[ImageData | Skipped]:
    for member in members_of(tar):
        path = f"{name}::{member.name}"
        if not member.isreg() or member.name.rpartition("/")[2].startswith("."):
            continue
        if member.issparse() or not 0 <= member.size <= MOST_BYTES:
            yield Skipped(path, "a sparse or very large member of a tar")
            continue
        file = tar.extractfile(member)
        head = file.read(HEAD_BYTES) if file else b""
        if not (has_picture_ending(member.name) or sniff(head)):
            report.left_out[kind_of(member.name)] += 1
            continue
        # What begins like no picture is refused for that, however long it goes on.
        data = head + (file.read() if file and sniff(head) else b"")
        if sniff(head) and len(data) != member.size:
            raise EOFError(f"ends within {member.name}")
        yield ImageData(path, partial(bytes, data), len(data))


def _parquet_rows(name: str, report: FindReport) -> Iterator[ImageData | Skipped]:
    """Yield the pictures in a column of bytes, or of ``{bytes, path}`` as ``datasets`` writes."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError(
            f"{name}: reading Parquet needs pyarrow, which is not installed",
            hint='pip install "clipcli[parquet]"',
        ) from error

    try:
        with open_binary(name) as stream, pq.ParquetFile(stream) as table:
            yield from _rows_of(name, table)
    except pa.ArrowException as error:  # some of them are ValueErrors, others KeyErrors and more
        raise ValueError(_in_words(error)) from error


def _rows_of(name: str, table: Any) -> Iterator[ImageData | Skipped]:
    column = _image_column(name, table.schema_arrow)
    names = table.schema_arrow.names
    key = next((k for k in KEY_COLUMNS if k in names and k != column), None)
    row = 0
    batches = table.iter_batches(ROWS_AT_ONCE, columns=[column, *([key] if key else [])])
    for batch in batches:
        keys = batch[key].to_pylist() if key else [None] * len(batch)
        for value, own in zip(batch[column].to_pylist(), keys, strict=True):
            content = value.get("bytes") if isinstance(value, dict) else value
            path = f"{name}::{row if own is None else own}"
            if isinstance(content, bytes):
                yield ImageData(path, partial(bytes, content), len(content))
            else:
                yield Skipped(path, "no picture in this row")
            row += 1


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


@contextmanager
def open_binary(name: str) -> Iterator[BinaryIO]:
    """Open a file, or an object behind a URL, for reading bytes from front to back.

    Raises
    ------
    MissingExtraError
        If the store's package is not installed.
    OSError
    """
    if not URL.match(name):
        from clipcli.images.files import open_regular

        with open_regular(name) as stream:
            yield stream
        return
    if name.lower().startswith(("http://", "https://")):
        with _open_http(name) as stream:
            yield stream
        return
    import fsspec

    try:
        opened = fsspec.open(name, "rb")
    except ImportError as error:
        raise MissingExtraError(
            f"{name}: the package for this store is not installed",
            hint=f'pip install "clipcli[fleet]" and what this says: {error}',
        ) from error
    except ValueError as error:
        raise InputError(
            f"{name}: {error}", hint="s3://, gs://, az:// and https:// are read"
        ) from None
    with opened as stream:
        yield stream


@contextmanager
def _open_http(url: str) -> Iterator[BinaryIO]:
    import urllib.request

    request = urllib.request.Request(url, headers={"User-Agent": "clipcli"})  # noqa: S310 - http(s)
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - the same
        yield answer


def fetch(url: str) -> bytes:
    """Return the bytes behind a URL.

    Raises
    ------
    ImageError
        If it cannot be read, or is too large for a picture.
    """
    from http.client import HTTPException

    try:
        with open_binary(url) as stream:
            return _read_in_time(stream)
    except (OSError, ValueError, HTTPException) as error:
        raise ImageError(f"could not be fetched: {_in_words(error)}") from error


def _read_in_time(stream: BinaryIO) -> bytes:
    """Return all that a server sends, if that ends within bounds of size and time."""
    read = getattr(stream, "read1", stream.read)  # one answer of the network, not until it is full
    data, end_s = bytearray(), time.monotonic() + FETCH_S
    while part := read(FETCHED_AT_ONCE):
        data += part
        if len(data) > MOST_BYTES:
            raise ImageError("larger than any picture that is read")
        if time.monotonic() > end_s:
            raise ImageError(f"could not be fetched within {FETCH_S:.0f} s")
    if getattr(stream, "length", None):  # of an answer that announced how long it is: what is left
        raise ImageError("could not be fetched: the server sent less than it announced")
    return bytes(data)


def read_whole(stream: BinaryIO) -> bytes:
    """Return all that a stream holds.

    Raises
    ------
    ImageError
        If it is too large for a picture.
    """
    data = stream.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ImageError("larger than any picture that is read")
    return data


def _in_words(error: BaseException) -> str:
    text = " ".join(str(getattr(error, "reason", None) or error).split())
    return text[:200] or type(error).__name__
