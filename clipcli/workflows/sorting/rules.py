"""Rules: the folder and the name that a picture's label, date and place give it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias, cast, get_args

from clipcli.errors import UsageError
from clipcli.images.companions import split_ending
from clipcli.results import Classified
from clipcli.workflows.sorting.pattern import NamePattern

By: TypeAlias = Literal["label", "label/year", "year/label"]
UNDATED = "undated"  # in place of the year


@dataclass(frozen=True, slots=True)
class Goal:
    """Where a picture belongs: a folder of DIR, and what it is called there without its ending."""

    heading: str  # the folder, without those that are kept from SOURCE
    folder: str
    stem: str
    is_renamed: bool = False
    undated: str = ""  # what happens to it, in words, because it has no date


@dataclass(frozen=True, slots=True)
class Rules:
    """How a result becomes a place."""

    folders: Mapping[str, str]  # by label
    unsure: str | None = None  # the folder of pictures without a label; None: they stay
    margin: float = 0.0
    by: By = "label"
    keep_folders: bool = False
    pattern: NamePattern | None = None

    def goal(
        self, path: str, result: Classified, taken_on: Callable[[], datetime | None]
    ) -> Goal | None:
        """Return where a picture belongs; None for one that is unsure and stays.

        Parameters
        ----------
        path
            Relative to SOURCE.
        taken_on
            Looks when the picture was taken; asked if that matters.
        """
        parent, name = os.path.split(path)
        stem, _ = split_ending(name)
        if result.label is None or self._is_close(result):
            if self.unsure is None:
                return None
            return Goal(self.unsure, _below(self.unsure, parent), stem)
        label = self.folders[result.label]
        needs_date = self.by != "label" or bool(self.pattern and self.pattern.needs_date)
        taken = taken_on() if needs_date else None
        heading = self._heading(label, taken)
        folder = _below(heading, parent) if self.keep_folders else heading
        undated = self._undated() if needs_date and taken is None else ""
        if self.pattern is None or (self.pattern.needs_date and undated):
            return Goal(heading, folder, stem, undated=undated)
        new_stem = self.pattern.fill(stem, label, taken)
        return Goal(heading, folder, new_stem, is_renamed=True, undated=undated)

    def _undated(self) -> str:
        goes = f"into {UNDATED!r}" if self.by != "label" else ""
        keeps = "named as before" if self.pattern and self.pattern.needs_date else ""
        return ", ".join(filter(None, (goes, keeps)))

    def _heading(self, label: str, taken: datetime | None) -> str:
        year = f"{taken.year:04}" if taken else UNDATED
        parts = {"label": label, "year": year}
        return os.path.join(*(parts[part] for part in self.by.split("/")))

    def _is_close(self, result: Classified) -> bool:
        if len(result.top) < 2 or result.decision == "reviewed":
            return False
        return result.top[0].probability - result.top[1].probability < self.margin


def _below(folder: str, parent: str) -> str:
    return os.path.join(folder, parent) if parent else folder


def check_by(text: str) -> By:
    """Return how folders are nested, as ``--by`` says.

    Raises
    ------
    UsageError
        If there is no such way.
    """
    if text not in get_args(By):
        known = ", ".join(get_args(By))
        raise UsageError(f"--by {text}: there is no such order", hint=f"one of {known}")
    return cast("By", text)
