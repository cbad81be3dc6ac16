"""Copies that are put away, or an undo of that, in a process of its own, to be killed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from clipcli import process as interrupts
from clipcli.workflows.audit.copies import exact_groups
from clipcli.workflows.audit.disposal import Disposed, Disposer, Spare, common_folder, states_of
from clipcli.workflows.journal.changes import begun_changes
from clipcli.workflows.journal.trash import trash_for
from tests.workflows.sorting.child import say_ready, take_back


def main(arguments: Sequence[str]) -> None:
    interrupts.take_over()
    if arguments[0] == "undo":
        take_back()
    else:
        dispose(*arguments[1:])


def dispose(source: str, into: str, action: str) -> None:
    paths = sorted(str(path) for path in Path(source).rglob("*") if path.suffix in (".jpg", ".png"))
    groups = exact_groups(paths)
    spares = [Spare(paths[i], paths[group[0]], True) for group in groups for i in group[1:]]
    states = states_of(paths)
    roots = [source, into, *{trash_for(spare.path).root for spare in spares}]
    say_ready()
    with begun_changes("dedup", roots) as changes:
        disposer = Disposer(action, changes, states, into, common_folder(paths))  # type: ignore[arg-type]
        for outcome in disposer.dispose(spares):
            assert isinstance(outcome, Disposed), outcome


if __name__ == "__main__":
    main(sys.argv[1:])
