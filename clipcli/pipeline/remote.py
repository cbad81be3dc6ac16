"""Bytes behind a name: a file, an answer of a web server, an object in a store."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from clipcli.errors import ImageError, InputError, MissingExtraError, UsageError
from clipcli.pipeline.image_data import MOST_BYTES
from clipcli.pipeline.source_names import URL

TIMEOUT_S = 30.0  # without a byte from a server
FETCH_S = 300.0  # for a picture, however steadily its bytes drip
FETCHED_AT_ONCE = 2**16
WEB = ("http://", "https://")
COPIED_IN_MEMORY = 64 * 2**20  # of a web server's answer that is read from any place
# For stores that would otherwise try for minutes; given to fsspec by protocol.
S3_SETTINGS = {"connect_timeout": 5, "read_timeout": 60, "retries": {"max_attempts": 4}}


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
    if name.lower().startswith(WEB):
        with _open_http(name) as stream:
            yield stream
        return
    try:
        system, path = file_system(name)
    except UsageError as error:
        raise InputError(error.message, hint="s3://, gs://, az:// and https:// are read") from error
    with system.open(path, "rb") as stream:
        yield stream


@contextmanager
def open_seekable(name: str) -> Iterator[BinaryIO]:
    """Open as :func:`open_binary` does, for reading from any place; an answer is copied for that.

    Raises
    ------
    MissingExtraError, OSError
    """
    with open_binary(name) as stream:
        if not name.lower().startswith(WEB):
            yield stream
            return
        import shutil
        import tempfile

        with tempfile.SpooledTemporaryFile(COPIED_IN_MEMORY) as copy:
            shutil.copyfileobj(stream, copy)
            copy.seek(0)
            yield copy  # type: ignore[misc]


def file_system(url: str) -> tuple[Any, str]:
    """Return fsspec's file system for a URL, and the path in it.

    Raises
    ------
    MissingExtraError, UsageError
        If the store's package is not installed, or there is none for this protocol.
    """
    try:
        import fsspec
    except ImportError as error:
        raise MissingExtraError(
            f"{url}: object stores need fsspec, which is not installed",
            hint='pip install "clipcli[fleet]"',
        ) from error
    is_s3 = url.startswith(("s3://", "s3a://"))
    settings: dict[str, Any] = {"config_kwargs": S3_SETTINGS} if is_s3 else {}
    try:
        system, path = fsspec.core.url_to_fs(url, **settings)
    except ImportError as error:
        raise MissingExtraError(
            f"{url}: the package for this store is not installed",
            hint=f'pip install "clipcli[fleet]" and what this says: {error}',
        ) from error
    except ValueError as error:
        raise UsageError(
            f"{url}: {in_words(error)}", hint="a folder, s3://, gs:// or az:// are written to"
        ) from error
    return system, str(path).rstrip("/")


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
        raise ImageError(f"could not be fetched: {in_words(error)}") from error


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


def in_words(error: BaseException) -> str:
    """Say what went wrong, in a line of bounded length."""
    text = " ".join(str(getattr(error, "reason", None) or error).split())
    return text[:200] or type(error).__name__
