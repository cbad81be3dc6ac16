"""Tagging as people and programs read it: its lines and counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from clipcli.errors import several
from clipcli.output.text import print_rows

if TYPE_CHECKING:
    from clipcli.pipeline.session import Reporter
    from clipcli.workflows.tagging.plan import TagPlan, TagTarget

LABELS_SHOWN = 20


def print_row(row: Sequence[str]) -> None:
    """Print what becomes of one file."""
    print_rows([row])


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
    counts = list(plan.labels().items())
    width = max(len(f"{n:,}") for _, n in counts)
    for label, n in counts[:LABELS_SHOWN]:
        notes.say(f"  {n:>{width},}  {label}")
    if len(counts) > LABELS_SHOWN:
        notes.say(f"  and {len(counts) - LABELS_SHOWN:,} more labels")
