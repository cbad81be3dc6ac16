"""An undo as people and programs read it: its lines, counts and question."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence

from clipcli.errors import several
from clipcli.output.text import print_rows
from clipcli.workflows.journal.judging import Undone
from clipcli.workflows.journal.records import Log

ROOTS_SHOWN = 3


class UndoLines:
    """Lines of an undo: the file that was made or changed, what becomes of it, where it is back.

    The second column is ``back``, ``removed`` or ``restored``.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._is_read = not sys.stdout.isatty()

    def target(self, entry: Undone) -> str:
        """Return where a file had been put, or which one was changed."""
        return os.path.join(self._log.roots[entry.step.target_root], entry.step.target)

    def write(self, entry: Undone) -> None:
        """Print what is to become of a file; one that is refused is reported elsewhere."""
        if entry.refusal:
            return
        home = os.path.join(self._log.roots[entry.step.source_root], entry.step.source)
        words = {"remove": ("removed", ""), "restore": ("restored", "")}
        print_rows([(self.target(entry), *words.get(entry.how, ("back", home)))])

    def done(self, entry: Undone) -> None:
        """Print what became of a file, to a reader that is no terminal."""
        if self._is_read:
            try:
                self.write(entry)
            except BrokenPipeError:
                self._is_read = False


def undo_counts(plan: Sequence[Undone], log: Log) -> Iterable[str]:
    """Say in a few lines what an undo would do."""
    hows = [entry.how for entry in plan if not entry.refusal]
    n_back = hows.count("back") + hows.count("again")
    n_removed, n_restored = hows.count("remove"), hows.count("restore")
    n_refused = len(plan) - len(hows)
    when = log.started[:19].replace("T", " ")
    yield f"the {log.command} of {when} UTC, {_where(log)}"
    if n_back:
        yield f"  {several(n_back, 'file')} to be brought back"
    if n_restored:
        yield f"  {several(n_restored, 'file')} to be made what {_they(n_restored)} before"
    if n_removed:
        noun = ("copy or link", "copies or links") if log.command == "sort" else ("new file",)
        yield f"  {several(n_removed, *noun)} to be removed"
    if n_refused:
        yield f"  {several(n_refused, 'file')} to be left: gone, changed, or the old place is taken"
    if not plan:
        yield "  nothing to be done"


def undo_question(log: Log) -> str:
    """Return what is asked before files are touched."""
    if log.command == "sort":
        return f"take files from {log.places.into} back to {log.places.source}?"
    return f"take back what {log.command} did {_where(log)}?"


def _where(log: Log) -> str:
    if log.command == "sort":
        return f"from {log.places.source} into {log.places.into}"
    shown = ", ".join(log.roots[:ROOTS_SHOWN])
    n_more = len(log.roots) - ROOTS_SHOWN
    return f"in {shown}" + (f" and {n_more:,} more" if n_more > 0 else "")


def _they(n: int) -> str:
    return "it was" if n == 1 else "they were"
