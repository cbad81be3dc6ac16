"""Vectors on disk: the rows of labels that were encoded before.

One file per label. A row is found by the fingerprint of the model, the precision and the label's
prompts; so nothing has to be thrown away when any of them changes. A cache is only ever a short
cut: whatever is wrong with it, the run goes on without it, and :attr:`TextCache.problem` says why.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from clipcli.files import open_regular, write_atomically
from clipcli.strict_json import parse_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAGIC = b"clipcli text row 1\n"
DIGEST_BYTES = 32  # sha256
MAX_BYTES = 1024**2  # the widest rows have 6 kB


class CutPrompt(NamedTuple):
    """A prompt that was longer than the model's context and lost its end."""

    prompt: str
    n_tokens: int  # before the cut, start and end tokens included


class TextRow(NamedTuple):
    """A label's row (d,), float32, unit length, and what there is to tell about its prompts."""

    row: NDArray[np.float32]
    cut: tuple[CutPrompt, ...] = ()


def default_folder() -> Path | None:
    """Return where caches live: ``CLIPCLI_CACHE``, or the platform's own place, if it has one."""
    if chosen := os.environ.get("CLIPCLI_CACHE"):
        return Path(chosen)
    import platformdirs

    folder = platformdirs.user_cache_path("clipcli", appauthor=False)
    # Subtle: a user without a home folder, as in some containers, gets a relative "~/.cache".
    return folder if folder.is_absolute() else None


def text_key(fingerprint: str, precision: str, prompts: Sequence[str]) -> str:
    """Return the key of a label's row: sha256, in hex, of all that its value depends on."""
    parts = json.dumps([fingerprint, precision, list(prompts)], ensure_ascii=True)
    return hashlib.sha256(parts.encode("ascii")).hexdigest()


class TextCache:
    """Label rows under a folder; ``None`` as the folder makes a cache that holds nothing."""

    def __init__(self, folder: Path | None) -> None:
        self.problem: str | None = None
        self._folder = None if folder is None else folder / "text"
        if self._folder is not None:
            self._attempt(self._folder, prepare_folder)

    def get(self, key: str) -> TextRow | None:
        """Return the row stored under ``key``, or None where there is none or it is damaged."""
        if self._folder is None:
            return None
        path = _place(self._folder, key)
        try:
            with open_regular(path) as file:
                return _decode(key, file.read(MAX_BYTES + 1))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            self.problem = f"{path}: {_in_words(error)}"
            return None

    def put(self, key: str, value: TextRow) -> None:
        """Store a row; readers see the whole of it or nothing."""
        if self._folder is not None:
            content = _encode(key, value)
            path = _place(self._folder, key)
            self._attempt(path, lambda path: _write(path, content))

    def _attempt(self, path: Path, write: Callable[[Path], None]) -> None:
        """Run a write; the first failure is kept for a note, and ends the use of this cache."""
        try:
            write(path)
        except OSError as error:
            self.problem = f"{path}: {_in_words(error)}; going on without the cache"
            self._folder = None


def _in_words(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _place(folder: Path, key: str) -> Path:
    return folder / key[:2] / key[2:]


def prepare_folder(folder: Path) -> None:
    """Make the folder, for its owner alone; refuse one that belongs to somebody else.

    What is above it keeps its permissions: ``CLIPCLI_CACHE`` may well be a home folder.
    """
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    if hasattr(os, "getuid"):  # Windows has no owners in this sense
        status = folder.lstat()  # a link, too, may have been laid there by somebody else
        if status.st_uid != os.getuid():
            raise PermissionError(errno.EPERM, "belongs to another user")
        if stat.S_IMODE(status.st_mode) & 0o077 and not stat.S_ISLNK(status.st_mode):
            folder.chmod(0o700)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    write_atomically(path, content)


def _encode(key: str, value: TextRow) -> bytes:
    """Lay out: magic, sha256 of key and rest, a line of JSON, the row as little-endian float32."""
    facts = {"cut": [[cut.prompt, cut.n_tokens] for cut in value.cut]}
    body = json.dumps(facts).encode("ascii") + b"\n" + value.row.astype("<f4").tobytes()
    return MAGIC + hashlib.sha256(key.encode("ascii") + body).digest() + body


def _decode(key: str, content: bytes) -> TextRow:
    """Read what :func:`_encode` wrote; ValueError where a byte of it is not as it was."""
    import numpy as np

    digest, body = content[len(MAGIC) :][:DIGEST_BYTES], content[len(MAGIC) + DIGEST_BYTES :]
    is_ours = content.startswith(MAGIC)
    if not is_ours or hashlib.sha256(key.encode("ascii") + body).digest() != digest:
        raise ValueError("damaged, so it is made again")
    head, _, row = body.partition(b"\n")
    # The hash holds, so this process's user wrote it; but not necessarily this version of clipcli.
    try:
        cut = tuple(CutPrompt(prompt, n_tokens) for prompt, n_tokens in parse_json(head)["cut"])
    except (KeyError, TypeError) as error:
        raise ValueError("not understood, so it is made again") from error
    return TextRow(np.frombuffer(row, dtype="<f4"), cut)
