"""What the hub says of a repository: its commit, its files, their hashes.

The answer is read here and not by the hub's library, which takes as much of it as comes, for as
long as it comes, and believes its types.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from clipcli.errors import ModelError
from clipcli.models.catalog.entry import CatalogEntry
from clipcli.models.hub.download import SHA256, HubFile
from clipcli.models.hub.patience import ANSWER_S, no_hub, within
from clipcli.strict_json import Bounds, JsonError, parse_json

COMMIT = re.compile(r"[0-9a-f]{40}")
ANSWER = Bounds(n_bytes=32 * 1024**2, items=2_000_000)  # 100,000 files
MAX_FILE_BYTES = 2**43
MAX_NAME = 1000


@dataclass(frozen=True, slots=True)
class Listing:
    """A repository at one commit."""

    commit: str
    files: dict[str, HubFile]
    licence: str = ""


def ask_for_listing(repository: str, entry: CatalogEntry | None) -> Listing:
    """Ask the hub for a repository's files.

    Raises
    ------
    ModelError
        If what comes is no hub's answer, too long, or too slow; or the catalogue has other hashes.
    Exception
        What the hub's library raises; see ``clipcli.models.hub.errors``.
    """
    from huggingface_hub.utils import (  # type: ignore[attr-defined]  # documented, no __all__
        validate_repo_id,
    )

    validate_repo_id(repository)
    content = within(ANSWER_S, repository, lambda: _fetch(repository))
    try:
        return read_listing(repository, entry, parse_json(content, ANSWER))
    except JsonError as error:
        raise no_hub() from error


def read_listing(repository: str, entry: CatalogEntry | None, answer: Any) -> Listing:
    """Read the hub's answer; see :func:`ask_for_listing`."""
    fields = answer if isinstance(answer, dict) else {}
    commit, siblings = fields.get("sha"), fields.get("siblings") or []
    if not isinstance(commit, str) or not COMMIT.fullmatch(commit):
        raise no_hub()
    if not isinstance(siblings, list):
        raise no_hub()
    files = {}
    for sibling in siblings:
        file = _file(repository, commit, entry, sibling)
        files[file.name] = file
    card = fields.get("cardData")
    licence = card.get("license") if isinstance(card, dict) else None
    return Listing(commit, files, licence if isinstance(licence, str) else "")


def _file(repository: str, commit: str, entry: CatalogEntry | None, sibling: Any) -> HubFile:
    fields = sibling if isinstance(sibling, dict) else {}
    name, size, lfs = (fields.get(key) for key in ("rfilename", "size", "lfs"))
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME or "\0" in name:
        raise no_hub()
    if size is not None and (type(size) is not int or not 0 <= size <= MAX_FILE_BYTES):
        raise no_hub()
    said = lfs.get("sha256") if isinstance(lfs, dict) else None
    # Subtle: it becomes a file's name.
    if said is not None and not (isinstance(said, str) and SHA256.fullmatch(said)):
        raise no_hub()
    known = entry.sha256.get(name) if entry else None
    if said and known and said != known:
        raise ModelError(
            f"{repository}: {name} has the sha256 {said} on the hub, but "
            f"{known} in the catalogue: it was replaced there"
        )
    return HubFile(repository, commit, name, size, known or said)


def _fetch(repository: str) -> bytes:
    from huggingface_hub import constants
    from huggingface_hub.utils import (  # type: ignore[attr-defined]  # documented, no __all__
        build_hf_headers,
        get_session,
        hf_raise_for_status,
    )

    url = f"{constants.ENDPOINT}/api/models/{repository}"
    options: Any = {
        "params": {"blobs": True},
        "headers": build_hf_headers(),
        "timeout": constants.HF_HUB_ETAG_TIMEOUT,
    }
    session: Any = get_session()
    is_httpx = hasattr(session, "stream")  # before version 1 the library used requests
    opened = (
        session.stream("GET", url, **options)
        if is_httpx
        else session.get(url, stream=True, **options)
    )
    with opened as response:
        hf_raise_for_status(response)
        content = bytearray()
        for chunk in response.iter_bytes() if is_httpx else response.iter_content(2**16):
            content += chunk
            if len(content) > ANSWER.n_bytes:
                raise ModelError(f"{url}: the answer does not end")
    return bytes(content)
