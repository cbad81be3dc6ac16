"""Bytes behind a name: a file, an answer of a web server, an object in a store."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from clipcli.errors import ImageError, InputError, MissingExtraError
from clipcli.pipeline.image_data import MOST_BYTES

TIMEOUT_S = 30.0  # without a byte from a server
FETCH_S = 300.0  # for a picture, however steadily its bytes drip
FETCHED_AT_ONCE = 2**16
URL = re.compile(r"^[a-z][a-z0-9+.-]+://", re.IGNORECASE)


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
