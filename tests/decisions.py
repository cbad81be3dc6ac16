"""Files of decisions as a page saves them, written by the rules of docs/formats.md."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

WHEN = "2026-03-01T12:00:00.000Z"


def record(picture: Path, old: str | None, new: str | None, verdict: str) -> dict[str, Any]:
    """Return a decision about a picture that is there."""
    content = picture.read_bytes()
    return {
        "path": str(picture),
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "old": old,
        "new": new,
        "verdict": verdict,
        "when": WHEN,
    }


def write(path: Path, records: Iterable[dict[str, Any]], **header: Any) -> Path:
    """Write a file of decisions; ``header`` changes its first line."""
    records = list(records)
    first = {"clipcli": "decisions", "version": 1, "page": "0f" * 8, "count": len(records)}
    lines = [json.dumps(line, ensure_ascii=False) for line in (first | header, *records)]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path
