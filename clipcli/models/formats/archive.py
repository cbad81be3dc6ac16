"""Zip archives of PyTorch's, read within bounds.

The standard library reads whatever the list of members at the end says, and raises what it meets on
the way: eight kinds of errors on damaged files. Here it is looked at before, and there is one kind.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from clipcli.errors import ModelError

# The record at the end (APPNOTE.TXT, 4.3.16), and its larger form (4.3.14), which stands before it
# with a pointer of its own in between.
END, LARGE_END = b"PK\5\6", b"PK\6\6"
END_BYTES, POINTER_BYTES, LARGE_END_BYTES = 22, 20, 56
COMMENT_BYTES = 2**16
ELSEWHERE = 2**32 - 1  # in place of a length: the larger record says it
MAX_LIST_BYTES = 4 * 1024**2  # of members: 40,000 tensors fit
AGAIN = "download or copy it again"


@contextmanager
def open_archive(path: Path, file: BinaryIO) -> Iterator[zipfile.ZipFile]:
    """Open an archive, and turn whatever is wrong with it into a :class:`ModelError`."""
    try:
        if _list_bytes(file) > MAX_LIST_BYTES:
            raise ModelError(f"{path}: damaged: its list of members is far too long")
        with zipfile.ZipFile(file) as archive:
            yield archive
    except (ModelError, MemoryError):
        raise
    except OSError as error:
        if error.errno is not None and not isinstance(error, BlockingIOError):
            raise
        raise _damaged(path) from error
    # The library promises no list of what it raises on damaged files: BadZipFile, RuntimeError
    # (encrypted), NotImplementedError, zlib.error, struct.error, EOFError, ValueError and more.
    except Exception as error:
        raise _damaged(path) from error


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, n_bytes: int) -> bytes:
    """Return what a member holds; so many bytes at most, whatever it claims to have."""
    # Other ways of packing make room for as much as the file says before they read a byte.
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise zipfile.BadZipFile("packed in an unusual way")
    with archive.open(member) as content:
        data = content.read(n_bytes + 1)
    if len(data) > n_bytes:
        raise zipfile.BadZipFile("a member that is far too long")
    return data


def _damaged(path: Path) -> ModelError:
    return ModelError(f"{path}: truncated or damaged archive", hint=AGAIN)


def _list_bytes(file: BinaryIO) -> int:
    """Return how long the list of members is, as the end of the file says; 0 where it says nothing.

    Subtle: the last record counts that the library would find as well: one without a comment, or
    the last that begins like one.
    """
    size = file.seek(0, io.SEEK_END)
    begin = max(0, size - END_BYTES - COMMENT_BYTES - POINTER_BYTES - LARGE_END_BYTES)
    file.seek(begin)
    tail = file.read(size - begin)
    file.seek(0)
    places = [(at, 12, 4) for at in _places(tail, END, len(tail) - END_BYTES)]
    places += [(at, 40, 8) for at in _places(tail, LARGE_END)] if places else []
    lengths = (
        int.from_bytes(tail[at + skip :][:n_bytes], "little") for at, skip, n_bytes in places
    )
    return max((n for n in lengths if n != ELSEWHERE), default=0)


def _places(tail: bytes, mark: bytes, *others: int) -> list[int]:
    return [at for at in {tail.rfind(mark), *others} if at >= 0 and tail.startswith(mark, at)]
