"""This file knows about links from a page to files: relative where it can be, percent-encoded."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote_from_bytes


def link(path: str, folder: Path | None) -> str:
    """Return the URL of a file for a page in ``folder``; None: the page may lie anywhere.

    A name's bytes are encoded as they are, so that names that are not UTF-8 lead somewhere too.
    """
    if folder is None:
        return _absolute(path)
    try:
        relative = os.path.relpath(path, folder)
    except ValueError:  # another drive, on Windows
        return _absolute(path)
    # A colon is encoded as well, so "c:d.jpg" in this folder is no URL of the scheme "c".
    return quote_from_bytes(os.fsencode(relative.replace(os.sep, "/")))


def _absolute(path: str) -> str:
    return Path(path).absolute().as_uri()
