"""A sort, or an undo, in a process of its own, to be killed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from clipcli import process as interrupts
from clipcli.workflows.journal.journal import journals, new_journal, open_journal
from clipcli.workflows.journal.undo import undo
from clipcli.workflows.sorting.execute import carry_out, source_folders
from tests.workflows.sorting.trees import make_plan


def main(arguments: Sequence[str]) -> None:
    interrupts.take_over()
    try:
        if arguments[0] == "undo":
            take_back()
        else:
            sort(*arguments[1:])
    except KeyboardInterrupt:
        sys.exit(130)


def sort(source: str, into: str, action: str) -> None:
    plan = make_plan(Path(source), Path(into), with_companions=True, keep_folders=True)
    say_ready()
    with new_journal(plan.places, action, source_folders(plan)) as journal:  # type: ignore[arg-type]
        for _ in carry_out(plan, action, journal):  # type: ignore[arg-type]
            pass


def take_back() -> None:
    say_ready()
    with open_journal(journals()[-1]) as journal:
        for entry in undo(journal.read(), journal):
            assert not entry.refusal, entry


def say_ready() -> None:
    print("ready", flush=True)  # noqa: T201 - to who has started us


if __name__ == "__main__":
    main(sys.argv[1:])
