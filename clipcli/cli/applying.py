"""``clipcli audit --apply``: decisions carried out on a data set, under a journal."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from clipcli.errors import ExitCode, UsageError, several

if TYPE_CHECKING:
    from clipcli.cli.progress import Notes
    from clipcli.images.class_tree import ClassTree
    from clipcli.workflows.audit.application import Application


@dataclass
class ApplyOptions:
    """What is done with decisions about a data set."""

    HEADING: ClassVar = "Action"
    apply: Annotated[
        Path | None,
        typer.Option(
            "--apply",
            metavar="FILE",
            help="Do what a review decided (decisions.jsonl): move pictures into the folders of "
            "their classes, or change a table's labels; `clipcli undo` takes it back. Left out: "
            "audit.",
        ),
    ] = None
    rejected: Annotated[
        Path | None,
        typer.Option(
            "--rejected",
            metavar="DIR",
            help="Where --apply moves rejected pictures. Left out: they stay.",
        ),
    ] = None
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only say what --apply would do.")
    ] = False
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask. Left out: --apply asks.")
    ] = False

    def check(self, tree: ClassTree, *, is_alone: bool) -> None:
        """Refuse what cannot work, before anything is read.

        Raises
        ------
        UsageError
        """
        from clipcli.cli.prompt import check_askable

        if self.apply is None:
            if self.rejected or self.dry_run or self.yes:
                raise UsageError("--rejected, --dry-run and --yes: belong to --apply FILE")
            return
        if not is_alone:
            raise UsageError(
                "--apply: does not audit, so it takes no labels, outputs or --fail-on",
                hint="audit again afterwards",
            )
        if self.rejected is not None:
            self._check_rejected(tree)
        if not self.dry_run:
            check_askable(f"change {tree.source}?", is_agreed=self.yes)

    def _check_rejected(self, tree: ClassTree) -> None:
        assert self.rejected is not None
        if tree.rows is not None:
            raise UsageError("--rejected: moves files, and a table has none", hint="leave it out")
        source, target = os.path.realpath(tree.source), os.path.realpath(self.rejected)
        if target == source or target.startswith(source + os.sep):
            raise UsageError(
                f"{self.rejected}: is inside of {tree.source}, where it would be a class",
                hint="choose a folder beside it",
            )
        if Path(target).exists() and not Path(target).is_dir():
            raise UsageError(
                f"{self.rejected}: is there and is not a folder", hint="choose another DIR"
            )
        parent = Path(target) if Path(target).is_dir() else Path(target).parent
        if not parent.is_dir():
            raise UsageError(f"{self.rejected}: the folder {parent} does not exist")


def apply_decisions(tree: ClassTree, options: ApplyOptions, notes: Notes) -> ExitCode:
    """Find the pictures again, ask, and move or relabel them.

    Raises
    ------
    DecisionsError, InputError, OutputError
    """
    from clipcli.cli.prompt import ask
    from clipcli.pipeline.known_answers import open_known, tell_left_over
    from clipcli.workflows.audit.application import Application

    known = open_known(options.apply)
    assert known is not None
    rejected = None if options.rejected is None else str(options.rejected)
    application = Application(tree, rejected)
    application.plan(known)
    tell_left_over(known, notes.say)
    for one in application.unmoved:
        notes.say(f"{one.path}: {one.reason}")
    _tell(application, notes)
    n = len(application.changes)
    if not n or options.dry_run:
        notes.say("there is nothing to change" if not n else "nothing was done")
        return ExitCode.SKIPPED if application.unmoved else ExitCode.DONE
    verb = "move" if tree.rows is None else "give other labels to"
    ask(f"{verb} {several(n, 'picture')} of {tree.source}?", is_agreed=options.yes)
    n_left = _carry_out(application, notes) + len(application.unmoved)
    return ExitCode.SKIPPED if n_left else ExitCode.DONE


def _tell(application: Application, notes: Notes) -> None:
    counts: dict[str, int] = {}
    for change in application.changes:
        name = application.rejected or "" if change.label is None else change.label
        counts[name] = counts.get(name, 0) + 1
    for name, n in sorted(counts.items()):
        notes.say(f"{n:,} to {name}")
    if application.n_right:
        is_one = application.n_right == 1
        are = "picture is where it belongs" if is_one else "pictures are where they belong"
        notes.say(f"{application.n_right:,} {are}")
    if application.n_rejected:
        stay = "picture stays" if application.n_rejected == 1 else "pictures stay"
        it = "it" if application.n_rejected == 1 else "them"
        more = "" if application.tree.rows is not None else f"; --rejected DIR moves {it}"
        notes.say(f"{application.n_rejected:,} rejected {stay}{more}")


def _carry_out(application: Application, notes: Notes) -> int:
    """Do it under a journal, and return how many files stayed as they are."""
    from clipcli.workflows.audit.application import Unmoved
    from clipcli.workflows.journal.changes import begun_changes

    source = application.tree.source
    roots = [source if application.tree.rows is None else str(Path(source).parent)]
    roots += [application.rejected] if application.rejected else []
    n_done = n_left = 0
    with begun_changes("audit", roots) as changes:
        notes.say(f"journal: {changes.path}")
        try:
            for outcome in application.carry_out(changes):
                if isinstance(outcome, Unmoved):
                    n_left += 1
                    notes.say(f"{outcome.path}: {outcome.reason}")
                else:
                    n_done += 1
        finally:
            done = "moved" if application.tree.rows is None else "given another label"
            notes.say(
                f"{several(n_done, 'file')} {done}; `clipcli undo` takes that back"
                if n_done
                else "nothing was changed"
            )
    return n_left
