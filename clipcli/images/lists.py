"""Lists of paths: a line each, or NUL-separated, as ``find -print0`` writes.

A path is bytes to the system, so a list is read as bytes; names that are not UTF-8 survive.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from clipcli.errors import UsageError
from clipcli.files import LIMIT_BYTES
from clipcli.images.files import failure_reason
from clipcli.images.kinds import HEAD_BYTES

STANDARD_INPUT = "-"
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CHUNK_BYTES = 65536


def read_paths(source: str, *, null: bool = False) -> Iterator[str]:
    """Yield the paths listed in a file, or on standard input for ``-``, as they arrive."""
    if source == STANDARD_INPUT:
        if sys.stdin is None:
            raise UsageError("standard input: closed", hint="name the files, or use --from-file")
        _check_text(standard_input_head(), null=null)
        yield from parse_paths(sys.stdin.buffer, null=null)
        return
    try:
        # It may be a pipe: the shell's <(find …) is one.
        stream = Path(source).open("rb")  # noqa: SIM115 - closed below, only opening is guarded
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{source}: {failure_reason(error, source)}",
            hint="--from-file takes a file with one path a line",
        ) from error
    with stream:
        yield from parse_paths(stream, null=null)


def standard_input_head() -> bytes:
    """Return how standard input begins, as far as it has arrived, and leave it there."""
    peek = getattr(getattr(sys.stdin, "buffer", None), "peek", None)
    head: bytes = peek(HEAD_BYTES)[:HEAD_BYTES] if peek else b""
    return head


def _check_text(head: bytes, *, null: bool) -> None:
    """Refuse what is no list: its bytes would come out again as names of files."""
    if null or b"\0" not in head or head.startswith(_UTF_16):
        return
    raise UsageError(
        "standard input: is neither a picture that is read nor a list with a path in each line",
        hint="a list with NUL characters between the paths, as `find -print0` writes it, needs -0",
    )


def parse_paths(stream: BinaryIO, *, null: bool = False) -> Iterator[str]:
    """Yield the paths in an open list; empty entries are left out."""
    entries = _split_nul(stream) if null else _lines(stream)
    for entry in entries:
        if entry:
            yield os.fsdecode(entry)


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    for number, line in enumerate(stream):
        entry = line
        if number == 0:
            if line.startswith(_UTF_16):
                yield from _utf16_lines(line, stream)
                return
            entry = line.removeprefix(codecs.BOM_UTF8)
        entry = entry.removesuffix(b"\n").removesuffix(b"\r")
        if entry.strip():  # a line of blanks is blank; other blanks belong to the name
            yield entry


def _utf16_lines(start: bytes, stream: BinaryIO) -> Iterator[bytes]:
    """Windows PowerShell's ``>`` writes UTF-16 with a byte order mark."""
    content = start + stream.read(LIMIT_BYTES)
    text = io.StringIO(content.decode("utf-16", "replace"))
    for line in text:
        if line.strip():
            yield os.fsencode(line.rstrip("\r\n"))


def _split_nul(stream: BinaryIO) -> Iterator[bytes]:
    # read1 returns what has arrived, so that a slow producer's first path is not held back.
    read = getattr(stream, "read1", stream.read)
    rest = b""
    while chunk := cast("bytes", read(_CHUNK_BYTES)):
        *entries, rest = (rest + chunk).split(b"\0")
        yield from entries
    yield rest
