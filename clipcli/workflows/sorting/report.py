"""A sort as people and programs read it: its lines, counts and questions."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence

from clipcli.errors import several
from clipcli.output.text import digits, escape_tsv, print_line, print_rows
from clipcli.workflows.sorting.execute import Outcome, Placed
from clipcli.workflows.sorting.plan import Plan

ASKED = {"move": "move", "copy": "copy", "link": "link", "hardlink": "hard-link"}
FOLDERS_SHOWN = 3  # of those that are read-only
DONE = {"move": "moved", "copy": "copied", "link": "linked", "hardlink": "hard-linked"}


class SortLines:
    """Lines of a sort: SOURCE's file, DIR's file, label, probability; as columns on a terminal."""

    def __init__(self, source: str, into: str, plan: Plan) -> None:
        self._source, self._into = source, into
        self._is_read = not sys.stdout.isatty()  # people get a bar and the counts
        self._results = {group.members[0].path: group.result for group in plan.groups}

    def planned(self, plan: Plan) -> None:
        """Print where each file would go."""
        rows = [
            self._row(Placed(member.path, os.path.join(group.folder, group.name(member))))
            for group, member in plan.members()
        ]
        if rows:
            print_rows(rows)

    def placed(self, outcome: Outcome) -> None:
        """Print what became of a file; one that was left is reported elsewhere."""
        if isinstance(outcome, Placed) and self._is_read:
            try:
                _print_fields(*self._row(outcome))
            except BrokenPipeError:  # who read there has enough; the files are to go all the same
                self._is_read = False

    def source(self, outcome: Outcome) -> str:
        """Return the path of a file in SOURCE, as SOURCE was typed."""
        return os.path.join(self._source, outcome.path)

    def folder(self, path: str) -> str:
        """Return a folder of SOURCE as SOURCE was typed."""
        return os.path.join(self._source, path) if path else self._source

    def _row(self, outcome: Placed) -> Sequence[str]:
        result = self._results.get(outcome.path)
        figures = ("", "")  # a companion
        if result is not None:
            figures = (result.label or "", digits(result.probability))
        return (self.source(outcome), os.path.join(self._into, outcome.target), *figures)


def _print_fields(*fields: str) -> None:
    print_line("\t".join(map(escape_tsv, fields)))


def plan_facts(plan: Plan) -> Iterable[str]:
    """Say what a plan does that its lines do not show at once."""
    n_companions = sum(len(group.members) - 1 for group in plan.groups)
    if n_companions:
        n_pictures = sum(len(group.members) > 1 for group in plan.groups)
        take = "takes" if n_pictures == 1 else "take"
        pictures, files = several(n_pictures, "picture"), several(n_companions, "companion")
        yield f"{pictures} {take} {files} along (raw photographs, videos, sidecars)"
    if undated := [group.goal.undated for group in plan.groups if group.goal.undated]:
        have = "has" if len(undated) == 1 else "have"
        yield f"{several(len(undated), 'picture')} {have} no EXIF date: {undated[0]}"
    if plan.n_unsure:
        stay, them = ("stays", "it") if plan.n_unsure == 1 else ("stay", "them")
        yield (
            f"{several(plan.n_unsure, 'picture')} that no label is sure for {stay} in place; "
            f"--unsure NAME gives {them} a folder"
        )


def locked_folders(plan: Plan, lines: SortLines) -> str:
    """Say in a line which folders of SOURCE are read-only; "" if none is."""
    if not plan.locked:
        return ""
    folders = [lines.folder(folder) for folder in sorted(plan.locked)]
    more = f" and {len(folders) - FOLDERS_SHOWN:,} more" if len(folders) > FOLDERS_SHOWN else ""
    shown = ", ".join(folders[:FOLDERS_SHOWN]) + more
    are = "is" if len(folders) == 1 else "are"
    pictures = several(plan.locked.total(), "picture")
    return f"left {pictures}: {shown} {are} read-only, so that they can be copied but not moved"


def folder_counts(counts: dict[str, int]) -> Iterable[str]:
    """Say how many files go to each folder, the numbers below each other."""
    width = max((len(f"{n:,}") for n in counts.values()), default=0)
    for folder, n in counts.items():
        yield f"  {n:>{width},}  {folder}"
