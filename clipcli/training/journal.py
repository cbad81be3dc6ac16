"""This file knows about telling what a run does: a JSONL file, and whoever watches."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

Say: TypeAlias = Callable[[str], None]
Advance: TypeAlias = Callable[[float, str], None]  # share of the run (0..1), latest figures

SHOWN = ("step", "loss", "accuracy", "lr", "scale", "pictures_per_s", "size_px")


class Journal:
    """Appends records to a file; says figures every so many seconds, or moves a bar with them."""

    def __init__(
        self, path: Path, say: Say, every_s: float = 10.0, advance: Advance | None = None
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8")
        self._every_s = every_s
        self._advance = advance
        self._last_s = -float("inf")
        self._figures = ""
        self.say = say

    def record(self, **fields: Any) -> None:
        """Write one record at once, so that a killed run's log is whole."""
        plain = {k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in fields.items()}
        self._file.write(json.dumps(plain, ensure_ascii=False) + "\n")
        self._file.flush()

    def step(self, progress: float, fields: Callable[[], dict[str, Any]]) -> None:
        """Note that a step is done; its figures are asked for only when they are due."""
        is_due = time.monotonic() - self._last_s >= self._every_s or progress >= 1
        if is_due:
            self._last_s = time.monotonic()
            found = fields()
            self.record(event="step", progress=progress, **found)
            self._figures = " · ".join(_shown(name, found[name]) for name in SHOWN if name in found)
        if self._advance is not None:
            self._advance(progress, self._figures)
        elif is_due:
            self.say(f"{progress:4.0%} · {self._figures}")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _shown(name: str, value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return f"{name.replace('_per_', '/')} {text}"
