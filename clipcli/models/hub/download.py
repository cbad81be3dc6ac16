"""One file on the hub: fetching it whole, or the rest of it, and checking it.

The hub's library lays files into its cache under their hashes, but begins again where a process
ended early, and believes what came. So the bytes are fetched here, with the library's own request,
into a file beside their place; they take the place once their hash is right, and the library then
finds the file and does the rest.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from clipcli.errors import ModelError
from clipcli.files import open_regular, write_atomically
from clipcli.models.hub.patience import ANSWER_S, answers_make_sense, within
from clipcli.models.store_pointer import PulledFile

ETAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")  # it becomes a file's name
SHA256 = re.compile(r"[0-9a-f]{64}")
# A download has a limit: what no connection in use is slower than, and an hour.
LEAST_BYTES_PER_S = 10_000
LEAST_DOWNLOAD_S = 3600.0
MAX_UNKNOWN_BYTES = 64 * 2**20  # of a file whose length nobody says: a tokenizer, at most
PARTIAL = ".clipcli.incomplete"  # the hub's tools know files of this ending, and clean them up


@dataclass(frozen=True, slots=True)
class HubFile:
    """What a repository says about one of its files."""

    repository: str
    commit: str
    name: str
    n_bytes: int | None = None
    sha256: str | None = None


def find_cached(file: HubFile) -> Path | None:
    """Return where the hub's cache has a file already, or None."""
    from huggingface_hub import constants, try_to_load_from_cache

    found = try_to_load_from_cache(
        file.repository, file.name, revision=file.commit, cache_dir=constants.HF_HUB_CACHE
    )
    return Path(found) if isinstance(found, str) else None


def partial_bytes(file: HubFile) -> int:
    """Return how much of a file an interrupted pull has left."""
    if file.sha256 is None:
        return 0
    try:
        return _blob(file, file.sha256).with_name(file.sha256 + PARTIAL).stat().st_size
    except OSError:
        return 0


def fetch(file: HubFile) -> tuple[Path, PulledFile]:
    """Bring a file into the hub's cache, if it is not there, and check its hash.

    Raises
    ------
    ModelError
        If what came, or lay there, is not what it should be.
    OSError, Exception
        What the hub's library raises; see ``clipcli.models.hub.errors``.
    """
    path = find_cached(file) or _fetch(file)
    digest = _sha256(path)
    if file.sha256 is not None and digest != file.sha256:
        raise ModelError(
            f"{path}: its sha256 is {digest}, not {file.sha256}: it is damaged",
            hint="remove that file and the one it points to, and pull again",
        )
    return path, PulledFile(file.name, path.stat().st_size, digest)


def note_newest(file: HubFile) -> None:
    """Note that a file's commit is what ``main`` means, as the library does, for use offline."""
    from huggingface_hub import constants

    path = Path(constants.HF_HUB_CACHE) / repository_folder(file.repository) / "refs" / "main"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, file.commit, is_shared=True)


def _fetch(file: HubFile) -> Path:
    from huggingface_hub import (
        constants,
        get_hf_file_metadata,
        hf_hub_download,
        hf_hub_url,
    )

    url = hf_hub_url(file.repository, file.name, revision=file.commit)
    with answers_make_sense():
        metadata = within(
            ANSWER_S,
            url,
            lambda: get_hf_file_metadata(url, timeout=constants.HF_HUB_ETAG_TIMEOUT),
        )
    etag = metadata.etag or ""
    if not ETAG.fullmatch(etag) or metadata.commit_hash != file.commit:
        raise ModelError(
            f"{url}: the answer is not a hub's", hint="check HF_ENDPOINT and the network"
        )
    blob = _blob(file, etag)
    with _lock(file, etag):
        if not blob.exists():
            blob.parent.mkdir(parents=True, exist_ok=True)
            size = metadata.size if metadata.size is not None else file.n_bytes
            patience_s = LEAST_DOWNLOAD_S + (size or MAX_UNKNOWN_BYTES) / LEAST_BYTES_PER_S
            within(patience_s, url, lambda: _download(file, url, metadata.size, blob))
    with answers_make_sense():
        placed = within(
            ANSWER_S,
            url,
            lambda: hf_hub_download(
                file.repository, file.name, revision=file.commit, cache_dir=constants.HF_HUB_CACHE
            ),
        )
    return Path(placed)


def _download(file: HubFile, url: str, size: int | None, blob: Path) -> None:
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # documented

    partial = blob.with_name(blob.name + PARTIAL)
    done = _resume_at(partial, size)
    # Subtle: what is compressed on the way cannot be continued in the middle.
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
    with _removed_if_useless(partial), partial.open("r+b" if done else "wb") as out:
        out.seek(done)
        http_get(
            url,
            cast("BinaryIO", _BoundedFile(out, MAX_UNKNOWN_BYTES if size is None else size)),
            resume_size=done,
            headers=headers,
            expected_size=size,
            displayed_filename=file.name,
        )
    with _removed_if_useless(partial):
        _check(file, url, partial, blob.name)
    partial.replace(blob)


class _BoundedFile:
    """A file that is being written, and takes no more bytes than were announced."""

    def __init__(self, out: BinaryIO, most: int) -> None:
        self._out, self._most = out, most

    def write(self, data: bytes) -> int:
        if self._out.tell() + len(data) > self._most:
            raise ModelError("the server sends more than it announced, so nothing was installed")
        return self._out.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._out, name)


def _resume_at(partial: Path, size: int | None) -> int:
    try:
        done = partial.stat().st_size
    except OSError:
        return 0
    return done if size is not None and done <= size else 0


def _check(file: HubFile, url: str, partial: Path, etag: str) -> None:
    """Compare with the hash in the list of files, or the one that the server names the file by."""
    expected = file.sha256 or (etag if SHA256.fullmatch(etag) else None)
    if expected is None:
        return
    digest = _sha256(partial)
    if digest != expected:
        raise ModelError(
            f"{url}: what came has the sha256 {digest}, not {expected}: nothing was installed",
            hint="pull again; if it stays so, the server has another file than it says",
        )


@contextmanager
def _removed_if_useless(partial: Path) -> Iterator[None]:
    """Keep the bytes of an interruption for next time, but not wrong ones, nor on a full disk."""
    try:
        yield
    except (ModelError, OSError) as error:
        if isinstance(error, ModelError) or error.errno is not None:
            partial.unlink(missing_ok=True)
        raise


@contextmanager
def _lock(file: HubFile, etag: str) -> Iterator[None]:
    """Hold the lock that the hub's library takes for a file, so that one waits for another."""
    from huggingface_hub import constants
    from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]  # no __all__

    folder = Path(constants.HF_HUB_CACHE) / ".locks" / repository_folder(file.repository)
    folder.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(folder / f"{etag}.lock"):
        yield


def _blob(file: HubFile, etag: str) -> Path:
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE).absolute() / repository_folder(file.repository)
    return folder / "blobs" / etag


def repository_folder(repository: str) -> str:
    """Return what a repository's folder in the hub's cache is called."""
    return "--".join(["models", *repository.split("/")])


def _sha256(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
