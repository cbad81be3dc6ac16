"""Sorting that goes on: pictures come in groups, and one journal has them all."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain, count
from pathlib import Path

from clipcli.errors import InputError
from clipcli.images.companions import Companion, Companions
from clipcli.results import Result
from clipcli.workflows.journal.filestate import FileState, RefusedError, look, place
from clipcli.workflows.journal.journal import Journal, new_journal, open_journal
from clipcli.workflows.journal.records import Action, Places
from clipcli.workflows.journal.undo import take_back_interrupted
from clipcli.workflows.sorting.execute import Outcome, carry_out
from clipcli.workflows.sorting.plan import Left, Planner
from clipcli.workflows.sorting.rules import Rules


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
        self.n_unsure = 0  # stay because no label was sure
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
        self,
        results: Sequence[tuple[str, Result]],
        states: dict[str, FileState],
        followers: Collection[str] = (),
    ) -> Iterator[Outcome]:
        """Put pictures where they belong, and yield what became of those that were not there yet.

        Parameters
        ----------
        results
            By paths relative to SOURCE.
        states
            What the pictures were before they were looked at.
        followers
            Files that go along with their pictures, relative to SOURCE.

        Raises
        ------
        OutputError
            If DIR or the journal can take no more.
        """
        companions = _Some(self.places.source, followers) if followers else None
        planner = Planner(
            self.places, self._rules, states, action=self._action, companions=companions
        )
        for path, result in results:
            planner.add(path, result)
        plan = planner.plan
        self.n_unsure += plan.n_unsure
        yield from chain(plan.skipped, plan.left)
        for folder in plan.locked:
            yield Left(folder or ".", "is read-only, so that nothing can be moved out of it")
        if plan.groups:
            yield from carry_out(plan, self._action, self._opened(), self._numbers)

    def _opened(self) -> Journal:
        if self._journal is None:
            opened = new_journal(self.places, self._action, {})
            self._journal = self._stack.enter_context(opened)
            self._note_journal(self._journal.path)
        return self._journal


class _Some(Companions):
    """Those companions that are known to be whole; others may have come a moment ago."""

    def __init__(self, top: str, known: Collection[str]) -> None:
        super().__init__(top)
        self._known = frozenset(known)

    def of(self, path: str) -> list[Companion]:
        parent = os.path.dirname(path)
        return [x for x in super().of(path) if os.path.join(parent, x.name) in self._known]


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
