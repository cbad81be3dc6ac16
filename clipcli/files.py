"""Files: read within bounds, as UTF-8 text or as bytes; written whole.

Label sets and template files come from editors of all kinds. Whatever is not UTF-8 is refused with
the line it happens on, because a guess at the encoding would change the words without a sign. What
programs wrote must be a regular file: a named pipe in its place would wait for ever.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

from clipcli.errors import ClipcliError

PACKAGE = Path(__file__).parent
LIMIT_BYTES = 64 * 1024 * 1024  # a table of a million pictures fits; a film or a model does not
LINE_CHARACTERS = 4 * 1024**2  # a record of a thousand labels has 100 kB
SAVE_AS_UTF8 = "save it as UTF-8"
_OPEN_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)  # where it exists: opening a pipe returns at once
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
)

T_co = TypeVar("T_co", str, bytes, covariant=True)


def read_text(path: Path, error: type[ClipcliError], n_bytes: int = LIMIT_BYTES) -> str:
    """Return the text of a UTF-8 file, with newline line ends and without a byte-order mark."""
    text = decode_text(read_bytes(path, error, n_bytes), str(path), error)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_bytes(path: Path, error: type[ClipcliError], n_bytes: int = LIMIT_BYTES) -> bytes:
    """Return a file's bytes; pipes and ``<(...)`` of a shell count as files."""
    try:
        with path.open("rb") as file:
            return _read_all(file, path, error, n_bytes)
    except OSError as cause:
        raise error(f"{path}: cannot be read ({cause.strerror or cause})") from cause


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading; anything else, such as a named pipe, is an OSError.

    Raises
    ------
    OSError
    """
    descriptor = os.open(path, _OPEN_FLAGS)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def content_sha256(path: str | os.PathLike[str]) -> str:
    """Return the sha256 of a regular file's content, in hex.

    Raises
    ------
    OSError
    """
    import hashlib  # not needed to start up

    with open_regular(Path(path)) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_regular(path: Path, error: type[ClipcliError], n_bytes: int = LIMIT_BYTES) -> bytes:
    """Return the bytes of a regular file that has so many at most.

    Raises
    ------
    ClipcliError
        Of the class ``error``.
    """
    try:
        with open_regular(path) as file:
            return _read_all(file, path, error, n_bytes)
    except (OSError, ValueError) as cause:  # a path with a zero byte
        raise error(f"{path}: {getattr(cause, 'strerror', None) or cause}") from cause


def _read_all(file: BinaryIO, path: Path, error: type[ClipcliError], n_bytes: int) -> bytes:
    raw = file.read(n_bytes + 1)
    if len(raw) > n_bytes:
        limit = f"{n_bytes // 1024**2} MB" if n_bytes >= 1024**2 else f"{n_bytes:,} bytes"
        raise error(f"{path}: is larger than {limit}", hint="is this the right file?")
    return raw


class Lines(Protocol[T_co]):
    """An open file, read line by line."""

    def readline(self, limit: int, /) -> T_co:
        """Return a line, or the beginning of one that is longer."""
        ...


class LongLineError(ValueError):
    """A line that is longer than any record; ``line`` is its number."""

    def __init__(self, line: int) -> None:
        super().__init__(f"a line of more than {LINE_CHARACTERS // 1024**2} million characters")
        self.line = line


def bounded_lines(file: Lines[T_co]) -> Iterator[T_co]:
    """Yield the lines of an open file, each of bounded length.

    Raises
    ------
    LongLineError
        Before a longer one has been read whole.
    """
    number = 0
    while line := file.readline(LINE_CHARACTERS + 1):
        number += 1
        if len(line) > LINE_CHARACTERS:
            raise LongLineError(number)
        yield line


def write_atomically(path: Path, content: str | bytes, *, is_shared: bool = False) -> None:
    """Write a file that readers see whole or not at all; one that is there is replaced.

    Text is written as UTF-8, line ends as they are.

    Parameters
    ----------
    is_shared
        Let everybody read it. Otherwise it is its owner's alone.

    Raises
    ------
    OSError
        Then nothing is left behind, and an older file is as it was.
    """
    import tempfile  # not needed to start up

    if path.exists() and not path.is_file():
        raise OSError(errno.EEXIST, "is a folder, a pipe or a device", str(path))
    data = content.encode("utf-8") if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        if is_shared:
            Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Keep other processes out as long as the block runs; False where one of them is in.

    The system lets go of the lock when a process ends, however it ends; the file stays. Where
    nothing can be locked, as on some network file systems, nobody is kept out.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    except (OSError, NotImplementedError):
        yield True
        return
    try:
        yield True
    finally:
        lock.release()


def decode_text(raw: bytes, source: str, error: type[ClipcliError]) -> str:
    """Decode UTF-8 or say where and why it is not, naming the likely encoding."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise error(f"{source}:1: is UTF-16, not UTF-8", hint=SAVE_AS_UTF8)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        start = cause.start + (len(codecs.BOM_UTF8) if raw.startswith(codecs.BOM_UTF8) else 0)
        fact = f"byte {start + 1} ({raw[start]:#04x}) is not UTF-8"
        raise error(
            f"{source}:{_line_of(raw, start)}: {fact}",
            hint=f"{SAVE_AS_UTF8} (it may be Latin-1 or Windows-1252 now)",
        ) from cause
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise error(
            f"{source}:{line}: contains NUL characters, so it is not text in UTF-8",
            hint=f"{SAVE_AS_UTF8} (it may be UTF-16 now), or check that it is the right file",
        )
    return text


def numbered_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that say something, stripped, with their number; ``#`` starts a comment.

    Subtle: not ``str.splitlines``, which also breaks at form feeds and U+2028, where no editor
    counts a line.
    """
    number, begin = 0, 0
    while begin <= len(text):
        end = text.find("\n", begin)
        end = len(text) if end < 0 else end
        number += 1
        content = text[begin:end].strip()
        begin = end + 1
        if content and not content.startswith("#"):
            yield number, content


def as_path(spec: str) -> Path:
    """Return a text as a path; shells leave ``~`` alone in ``--labels=~/pets.txt``."""
    try:
        return Path(spec).expanduser()
    except RuntimeError:  # nobody's home
        return Path(spec)


def is_file(path: Path) -> bool:
    """Tell whether there is something to read; a very long text is no path, and no error."""
    try:
        return path.exists() and not path.is_dir()
    except (OSError, ValueError):
        return False


def has_file_look(spec: str, endings: tuple[str, ...]) -> bool:
    """Tell whether a text was meant as a path: its ending, or a folder separator, says so."""
    separators = {"/", os.sep, os.altsep or "/"}
    return spec.lower().endswith(endings) or any(mark in spec for mark in separators)


def _line_of(raw: bytes, position: int) -> int:
    before = raw[:position]
    return before.count(b"\n") + before.replace(b"\r\n", b"").count(b"\r") + 1
