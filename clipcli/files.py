"""Text files that people write: UTF-8, line ends, and what else they may be.

Label sets and template files come from editors of all kinds. Whatever is not UTF-8 is refused with
the line it happens on, because a guess at the encoding would change the words without a sign.
"""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator
from pathlib import Path

from clipcli.errors import ClipcliError

PACKAGE = Path(__file__).parent
LIMIT_BYTES = 64 * 1024 * 1024  # a million labels fit; a film or a model does not
SAVE_AS_UTF8 = "save it as UTF-8"


def read_text(path: Path, error: type[ClipcliError]) -> str:
    """Return the text of a UTF-8 file, with newline line ends and without a byte-order mark."""
    text = decode_text(read_bytes(path, error), str(path), error)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_bytes(path: Path, error: type[ClipcliError]) -> bytes:
    """Return a file's bytes; pipes and ``<(...)`` of a shell count as files."""
    try:
        with path.open("rb") as file:
            raw = file.read(LIMIT_BYTES + 1)
    except OSError as cause:
        raise error(f"{path}: cannot be read ({cause.strerror or cause})") from cause
    if len(raw) > LIMIT_BYTES:
        limit_mb = LIMIT_BYTES // 1024**2
        raise error(f"{path}: is larger than {limit_mb} MB", hint="is this the right file?")
    return raw


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
    for number, line in enumerate(text.split("\n"), start=1):
        content = line.strip()
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
