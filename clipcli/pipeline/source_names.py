"""What names stand for, by how they are spelt: files, archives, batches, objects behind URLs."""

from __future__ import annotations

import os
import re
from typing import Literal, TypeAlias

TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
PARQUET_ENDINGS = (".parquet", ".pq")
URL = re.compile(r"^[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_FORCED = re.compile(r"^(tar|parquet)::")
PLAN, DATA = "_plan.json", "data"  # in the output of a batch: a file, and the folder of parts
ENDS = "/" + os.sep  # of a folder's name

Kind: TypeAlias = Literal["tar", "parquet", "picture"]


def is_source(path: str) -> bool:
    """Tell whether a name stands for something else than files and folders."""
    kind, _ = kind_of_source(path)
    if kind is None and is_local_batch(path):
        return True
    return kind is not None and (bool(URL.match(path)) or kind != "picture")


def kind_of_source(spec: str) -> tuple[Kind | None, str]:
    """Return what a name stands for, by prefix or ending, and the name without the prefix."""
    if _FORCED.match(spec):
        forced: Kind = "tar" if spec.startswith("tar") else "parquet"
        return forced, _FORCED.sub("", spec)
    name = spec.lower().partition("?")[0] if URL.match(spec) else spec.lower()
    if name.endswith(TAR_ENDINGS):
        return "tar", spec
    if name.endswith(PARQUET_ENDINGS):
        return "parquet", spec
    return ("picture" if URL.match(spec) else None), spec


def is_local_batch(name: str) -> bool:
    """Tell whether a folder is a batch's output, or that one's folder of parts."""
    try:
        return _is_file(name, PLAN) or (last(name) == DATA and _is_file(above(name), PLAN))
    except ValueError:  # a NUL character
        return False


def _is_file(folder: str, name: str) -> bool:
    return os.path.isfile(os.path.join(folder, name))  # noqa: PTH113, PTH118 - as it was written


def above(place: str) -> str:
    """Return the folder that a folder or URL lies in."""
    return os.path.dirname(place.rstrip(ENDS)) or "."  # noqa: PTH120 - a URL as well


def last(place: str) -> str:
    """Return what a folder or URL is called in that one."""
    return os.path.basename(place.rstrip(ENDS))  # noqa: PTH119
