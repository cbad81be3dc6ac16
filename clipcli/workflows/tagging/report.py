"""Tagging as people and programs read it: its lines and counts."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from clipcli.errors import several
from clipcli.output.text import escape_tsv, print_line, print_rows

if TYPE_CHECKING:
    from clipcli.pipeline.session import Reporter
    from clipcli.workflows.tagging.plan import TagPlan, TagTarget

LABELS_SHOWN = 20


class TagLines:
    """Lines of a run: file, what becomes of it, labels, picture; as columns on a terminal."""

    def __init__(self) -> None:
        self._is_read = not sys.stdout.isatty()  # people get a bar and the counts

    def planned(self, rows: Sequence[Sequence[str]]) -> None:
        """Print what would become of each file."""
        if rows:
            print_rows(rows)

    def done(self, row: Sequence[str]) -> None:
        """Print what became of a file."""
        if self._is_read:
            try:
                print_line("\t".join(map(escape_tsv, row)))
            except BrokenPipeError:  # who read there has enough; keywords are written all the same
                self._is_read = False


def report_counts(
    notes: Reporter, plan: TagPlan, changes: Sequence[TagTarget], *, is_removal: bool
) -> None:
    """Say how many files change, which labels are written, and what is unsure."""
    if plan.n_unsure:
        notes.say(f"{several(plan.n_unsure, 'picture')} that no label is sure for: no keywords")
    n_same = len(plan.targets) - len(changes)
    if n_same and not is_removal:
        stay = "stays as it is" if n_same == 1 else "stay as they are"
        notes.say(f"{several(n_same, 'file')} {stay}")
    if not changes:
        return
    if is_removal:
        notes.say(f"{several(len(changes), 'file')} with keywords of clipcli's")
        return
    found = Counter(keyword.label for target in changes for keyword in target.keywords)
    counts = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    width = max(len(f"{n:,}") for _, n in counts)
    for label, n in counts[:LABELS_SHOWN]:
        notes.say(f"  {n:>{width},}  {label}")
    if len(counts) > LABELS_SHOWN:
        notes.say(f"  and {len(counts) - LABELS_SHOWN:,} more labels")
