"""Running a plan or an undo under the user's eyes: notes, bar, last words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

from clipcli.errors import several
from clipcli.process import held
from clipcli.workflows.journal.journal import new_journal
from clipcli.workflows.sorting.execute import Outcome, Placed, source_folders
from clipcli.workflows.sorting.execute import carry_out as carry_out_plan
from clipcli.workflows.sorting.report import DONE, locked_folders, plan_facts

if TYPE_CHECKING:
    from clipcli.pipeline.session import Reporter
    from clipcli.workflows.journal.records import Action
    from clipcli.workflows.sorting.inputs import InputWatch
    from clipcli.workflows.sorting.plan import Plan
    from clipcli.workflows.sorting.report import SortLines

T = TypeVar("T")
SHOWN = 10  # names on standard error; the rest is a count


class SkipReasons:
    """Says the first reasons and counts the rest."""

    def __init__(self, notes: Reporter) -> None:
        self._notes, self.n = notes, 0

    def report(self, path: str, reason: str, verb: str = "left") -> None:
        """Say why a file stays where it is."""
        self.n += 1
        if self.n <= SHOWN:
            self._notes.say(f"{verb} {path}: {reason}")

    def conclude(self, what: str = "files were left") -> None:
        """Say how many there were if not all were shown."""
        if self.n > SHOWN:
            self._notes.say(f"{self.n:,} {what} in all")


def report_found(notes: Reporter, plan: Plan, watched: InputWatch, links: list[str]) -> None:
    """Say what was found that is not going anywhere, broken pictures aside."""
    reasons = SkipReasons(notes)
    for path in links:
        if not watched.is_inside(path):
            reasons.report(path, "a symbolic link")
    reasons.conclude("symbolic links were left")
    if watched.n_inside:
        notes.say(f"{several(watched.n_inside, 'file')} in {plan.places.into} left as sorted")
    if plan.n_in_place:
        notes.say(f"{several(plan.n_in_place, 'picture')} in the right folder already")


def report_plan(notes: Reporter, plan: Plan, lines: SortLines) -> int:
    """Say what a plan does and leaves; returns how many files cannot go where they belong."""
    for fact in plan_facts(plan):
        notes.say(fact)
    if locked := locked_folders(plan, lines):
        notes.say(locked)
    reasons = SkipReasons(notes)
    for left in plan.left:
        reasons.report(lines.source(left), left.reason)
    reasons.conclude()
    return reasons.n + plan.locked.total()


def carry_out(plan: Plan, action: Action, lines: SortLines, notes: Reporter) -> int:
    """Carry out a plan, and say where the journal is; returns how many files were left."""
    n_files, n_placed, reasons = sum(plan.counts().values()), 0, SkipReasons(notes)
    with new_journal(plan.places, action, source_folders(plan)) as journal:
        notes.say(f"journal: {journal.path}")
        try:
            with notes.progress(lambda: n_files) as advance:

                def report(outcome: Outcome) -> None:
                    nonlocal n_placed
                    if isinstance(outcome, Placed):
                        n_placed += 1
                    else:
                        reasons.report(lines.source(outcome), outcome.reason)
                    lines.placed(outcome)
                    advance()

                for_each(carry_out_plan(plan, action, journal), report)
        except BaseException:
            notes.say(f"stopped: {_outcome(n_placed, n_files, action)}")
            raise
    reasons.conclude()
    notes.say(_outcome(n_placed, n_files, action))
    return reasons.n


def for_each(items: Iterable[T], act: Callable[[T], None]) -> None:
    """Take items and act on each; an interrupt comes between two, so that none goes unreported."""
    iterator, is_left = iter(items), True
    while is_left:
        with held():
            is_left = False
            for item in iterator:
                act(item)
                is_left = True
                break


def _outcome(n_placed: int, n_files: int, action: Action) -> str:
    done = DONE[action]
    if not n_placed:
        return f"no file was {done}"
    files = several(n_files, "file")
    if n_placed != n_files:
        files = f"{n_placed:,} of {files}"
    return f"{done} {files}; `clipcli undo` takes that back"
