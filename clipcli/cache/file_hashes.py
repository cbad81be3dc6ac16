"""Foreign models' fingerprints, and remembers those it has computed.

Our own folders carry theirs. A foreign model's is the sha256 of its files and of the numbers that
were read from its configuration. Hashing a model takes a second or more, so the answer is kept in
the cache folder for as long as the files are the same by path, device, inode, size and times.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from clipcli.errors import ModelError
from clipcli.files import open_regular, write_atomically

FOLDER = "fingerprints"
DIGEST_CHARACTERS = 64
DIGEST = re.compile(r"[0-9a-f]{64}")


def remembered_fingerprint(files: Sequence[Path], numbers: bytes) -> str:
    """Return the sha256, in hex, of all that a foreign model's vectors and scores depend on."""
    digest = hashlib.sha256(b"clipcli foreign model 1\n")
    for path in files:
        digest.update(_remembered_hash(path).encode("ascii"))
    digest.update(hashlib.sha256(numbers).digest())
    return digest.hexdigest()


def _remembered_hash(path: Path) -> str:
    try:
        identity = _identity(path)
        place = _place(identity)
        known = _recall(place)
        if known is not None:
            return known
        with open_regular(path) as file:
            computed = hashlib.file_digest(file, "sha256").hexdigest()
        if _identity(path) != identity:
            raise ModelError(f"{path}: changed while it was read")
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error
    _remember(place, computed)
    return computed


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
