"""Carrying out a plan of tagging, under the journal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from clipcli.workflows.journal.changes import begun_changes
from clipcli.workflows.journal.filestate import RefusedError
from clipcli.workflows.tagging.packet import UnreadablePacketError
from clipcli.workflows.tagging.plan import Change, TagPlan, TagTarget, prepare


@dataclass(frozen=True, slots=True)
class Done:
    """What becomes, or became, of a target; a reason if it stays as it is."""

    target: TagTarget
    change: Change = "same"
    reason: str = ""


def looked_at(plan: TagPlan) -> Iterator[Done]:
    """Yield what would become of each target."""
    for target in plan.targets.values():
        try:
            yield Done(target, prepare(target).change)
        except (RefusedError, UnreadablePacketError) as refusal:
            yield Done(target, reason=refusal.message)


def carried_out(
    plan: TagPlan, targets: Iterable[TagTarget], say: Callable[[str], None]
) -> Iterator[Done]:
    """Change targets one after the other, and yield what became of each.

    Raises
    ------
    OutputError
        If the disk or the journal takes no more; what was done before stays done.
    """
    with begun_changes("tag", plan.roots()) as changes:
        say(f"journal: {changes.path}")
        for target in targets:
            try:
                # Read again: it may have changed since the question was asked.
                now = prepare(target)
                if now.change != "same":
                    changes.rewrite(target.path, now.content, now.state)
                yield Done(target, now.change)
            except (RefusedError, UnreadablePacketError) as refusal:
                yield Done(target, reason=refusal.message)


def row(done: Done) -> tuple[str, str, str, str]:
    """Return a target as a line: its file, what happens, the labels, the first picture."""
    target = done.target
    labels = ", ".join(keyword.label for keyword in target.keywords)
    return target.path, done.change, labels, target.pictures[0]
