"""Plain words: what compounds are made of, and templates (``words.yaml``)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml


@cache
def word_lists() -> dict[str, tuple[str, ...]]:
    """Return the lists by name; items are separated by bars."""
    text = Path(__file__).with_name("words.yaml").read_text(encoding="utf-8")
    return {
        name: tuple(item.strip() for item in items.split("|"))
        for name, items in yaml.safe_load(text).items()
    }
