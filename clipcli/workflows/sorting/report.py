"""A sort as people and programs read it: its lines, counts and questions."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence

from clipcli.output.text import digits, escape_tsv, print_line, print_rows
from clipcli.workflows.sorting.execute import Outcome, Placed
from clipcli.workflows.sorting.plan import Plan

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

    def _row(self, outcome: Placed) -> Sequence[str]:
        result = self._results.get(outcome.path)
        figures = ("", "")  # a sidecar
        if result is not None:
            figures = (result.label or "", digits(result.probability))
        return (self.source(outcome), os.path.join(self._into, outcome.target), *figures)


def _print_fields(*fields: str) -> None:
    print_line("\t".join(map(escape_tsv, fields)))


def folder_counts(counts: dict[str, int]) -> Iterable[str]:
    """Say how many files go to each folder, the numbers below each other."""
    width = max((len(f"{n:,}") for n in counts.values()), default=0)
    for folder, n in counts.items():
        yield f"  {n:>{width},}  {folder}"
