"""Sorting that goes on: pictures come in groups, and one journal has them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path

from clipcli.errors import InputError
from clipcli.results import Result
from clipcli.workflows.journal.filestate import FileState, RefusedError, look, place
from clipcli.workflows.journal.journal import Journal, new_journal, open_journal
from clipcli.workflows.journal.records import Action, Places
from clipcli.workflows.journal.undo import take_back_interrupted
from clipcli.workflows.sorting.execute import Outcome, carry_out
from clipcli.workflows.sorting.plan import Planner, Rules


class ContinuousSort:
    """Puts pictures into folders as they come; the journal begins with the first of them."""

    def __init__(
        self,
        places: Places,
        rules: Rules,
        action: Action,
        *,
        note_journal: Callable[[Path], None],
    ) -> None:
        self.places, self._rules, self._action = places, rules, action
        self._note_journal = note_journal  # is told before anything is moved
        self._stack = ExitStack()
        self._journal: Journal | None = None
        self._numbers = count(1)

    def __enter__(self) -> ContinuousSort:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def states(self, paths: Sequence[str]) -> dict[str, FileState]:
        """Return what files are before they are looked at; paths are relative to SOURCE."""
        found = {}
        for path in paths:
            try:
                found[path] = look(place(self.places.source, path))
            except RefusedError:  # gone; the planner says so
                continue
        return found

    def put(
        self, results: Sequence[tuple[str, Result]], states: dict[str, FileState]
    ) -> Iterator[Outcome]:
        """Put pictures where they belong, and yield what became of those that were not there yet.

        Raises
        ------
        OutputError
            If DIR or the journal can take no more.
        """
        planner = Planner(self.places, self._rules, states, action=self._action)
        for path, result in results:
            planner.add(path, result)
        plan = planner.plan
        yield from plan.left
        if plan.groups:
            yield from carry_out(plan, self._action, self._opened(), self._numbers)

    def _opened(self) -> Journal:
        if self._journal is None:
            opened = new_journal(self.places, self._action, {})
            self._journal = self._stack.enter_context(opened)
            self._note_journal(self._journal.path)
        return self._journal


def finish_interrupted(path: Path) -> None:
    """Remove what a sort that was killed had begun to write, if its last step was not taken.

    The original is there then, and what is removed holds nothing that it does not hold. A journal
    that is gone, or says something else, is left alone.
    """
    try:
        with open_journal(path) as journal:
            take_back_interrupted(journal.read(), journal)
    except InputError:
        return
