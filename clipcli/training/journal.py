"""This file knows about telling what a run does: a JSONL file, and lines for whoever watches."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

Say: TypeAlias = Callable[[str], None]


class Journal:
    """Appends records to ``log.jsonl`` and says one line every so many seconds."""

    def __init__(self, path: Path, say: Say, every_s: float = 10.0) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8")
        self._say = say
        self._every_s = every_s
        self._last_s = -float("inf")

    def is_due(self) -> bool:
        """Tell whether the time for the next line has come."""
        return time.monotonic() - self._last_s >= self._every_s

    def record(self, **fields: Any) -> None:
        """Write one record at once, so that a killed run's log is whole."""
        rounded = {k: round(v, 6) if isinstance(v, float) else v for k, v in fields.items()}
        self._file.write(json.dumps(rounded, ensure_ascii=False) + "\n")
        self._file.flush()

    def step(self, fields: dict[str, Any], progress: float) -> None:
        """Record a step's figures and say them."""
        self._last_s = time.monotonic()
        self.record(event="step", **fields, progress=progress)
        shown = " · ".join(_shown(name, fields[name]) for name in SHOWN if name in fields)
        self._say(f"{progress:4.0%} · {shown}")

    def say(self, line: str) -> None:
        """Pass a line to whoever watches."""
        self._say(line)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


SHOWN = ("step", "loss", "accuracy", "lr", "scale", "pictures_per_s", "size_px")


def _shown(name: str, value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return f"{name.replace('_per_', '/')} {text}"
