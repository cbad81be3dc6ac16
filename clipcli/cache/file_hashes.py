"""Models' fingerprints, computed from their files and remembered.

What a folder says of itself is a claim: with other weights under a known fingerprint, one model
would be answered from another's vectors. So the content decides. Hashing a model takes a second or
more, and the answer is kept in the cache folder for as long as the files are the same by path,
device, inode, size and times.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from clipcli.cache.identity import is_settled
from clipcli.errors import ModelError
from clipcli.files import open_regular, write_atomically

FOLDER = "fingerprints"
DIGEST_CHARACTERS = 64
DIGEST = re.compile(r"[0-9a-f]{64}")


def remembered_fingerprint(files: Sequence[Path], numbers: bytes) -> str:
    """Return the sha256, in hex, of all that a foreign model's vectors and scores depend on."""
    digest = hashlib.sha256(b"clipcli foreign model 1\n")
    for path in files:
        digest.update(remembered_hash(path).encode("ascii"))
    digest.update(hashlib.sha256(numbers).digest())
    return digest.hexdigest()


def remembered_digest(files: Sequence[Path], facts: bytes, compute: Callable[[], str]) -> str:
    """Return what ``compute`` answers about files, or answered while they were as they are.

    Parameters
    ----------
    files
        What the answer depends on.
    facts
        What else it depends on, such as numbers and the name of the question.

    Raises
    ------
    ModelError
        If a file cannot be read, or changes meanwhile.
    """
    try:
        now_ns = time.time_ns()
        identities = [_identity(path) for path in files]
        place = _place(json.dumps([*identities, hashlib.sha256(facts).hexdigest()]))
        known = _recall(place)
        if known is not None:
            return known
        computed = compute()
        if [_identity(path) for path in files] != identities:
            raise ModelError(f"{files[0]}: changed while it was read")
        # A young file may change once more without a trace in its times.
        if all(is_settled(path.stat(), now_ns) for path in files):
            _remember(place, computed)
    except OSError as error:
        raise ModelError(f"{files[0]}: {error.strerror or error}") from error
    return computed


def remembered_hash(path: Path) -> str:
    """Return the sha256, in hex, of a file's content.

    Raises
    ------
    ModelError
        If it cannot be read, or changes meanwhile.
    """

    def compute() -> str:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    return remembered_digest([path], b"file", compute)


def _identity(path: Path) -> str:
    status = path.stat()
    facts = (
        str(path.resolve()),
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
    return json.dumps(facts)


def _place(identity: str) -> Path | None:
    from clipcli.cache.text_cache import default_folder

    folder = default_folder()
    name = hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()
    return folder / FOLDER / name if folder is not None else None


def _recall(place: Path | None) -> str | None:
    if place is None:
        return None
    with contextlib.suppress(OSError, UnicodeDecodeError):
        status = place.stat()
        # What somebody else wrote there could pass one model off as another.
        if not hasattr(os, "getuid") or status.st_uid == os.getuid():
            with open_regular(place) as file:
                digest = file.read(DIGEST_CHARACTERS + 1).decode("ascii")
            return digest if DIGEST.fullmatch(digest) else None
    return None


def _remember(place: Path | None, digest: str) -> None:
    """Write the digest down; where that cannot be done, it is computed again next time."""
    if place is None:
        return
    with contextlib.suppress(OSError):
        place.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.parent.mkdir(mode=0o700, exist_ok=True)
        write_atomically(place, digest)
