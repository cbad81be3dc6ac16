"""Runs of the pipeline over a cache, which count what they had to do."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from clipcli.cache import identity
from clipcli.cache.image_cache import ImageCache
from clipcli.images import load
from clipcli.images.find import find_images
from clipcli.pipeline import reader as decoding
from clipcli.pipeline.embed import DecodeOptions, Embedded, embed
from clipcli.results import Skipped
from tests.fakes import FakeEncoder

Answer: TypeAlias = "list[float] | str"


@dataclass
class Outcome:
    """What a run gave, and what it took."""

    answers: dict[str, Answer]  # by file name: the vector, or the reason
    n_decoded: int
    n_hashed: int
    problem: str | None


Runner: TypeAlias = Callable[..., Outcome]


def answer(entry: Embedded | Skipped) -> Answer:
    if isinstance(entry, Skipped):
        return entry.reason
    row: list[float] = entry.row.tolist()
    return row


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count how often pictures are decoded and files are hashed."""
    counted: Counter[str] = Counter()

    def count(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*arguments: Any, **options: Any) -> Any:
            counted[name] += 1
            return function(*arguments, **options)

        return counting

    monkeypatch.setattr(load, "load", count("decoded", load.load))
    for name in ("hash_content", "hash_stream"):
        monkeypatch.setattr(decoding, name, count("hashed", getattr(decoding, name)))
    return counted


@pytest.fixture
def run(cache_folder: Path, calls: Counter[str]) -> Runner:
    """Return what embeds pictures through the test's cache."""

    def run(
        *paths: Path,
        encoder: FakeEncoder | None = None,
        cache: ImageCache | None = None,
        **options: Any,
    ) -> Outcome:
        calls.clear()
        cache = cache or ImageCache(cache_folder)
        found = find_images(map(str, paths))
        blocks = embed(found, encoder or FakeEncoder(), DecodeOptions(**options), cache)
        entries = itertools.chain.from_iterable(blocks)
        answers = {Path(entry.path).name: answer(entry) for entry in entries}
        return Outcome(answers, calls["decoded"], calls["hashed"], cache.problem)

    return run


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take files that a test has just written for old ones."""
    monkeypatch.setattr(identity, "YOUNG_NS", -(10**9))
