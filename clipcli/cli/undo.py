"""``clipcli undo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clipcli.cli import options
from clipcli.cli.prompt import ask
from clipcli.errors import ExitCode, InputError, UsageError, several

if TYPE_CHECKING:
    from clipcli.cli.progress import Notes
    from clipcli.workflows.journal.journal import Journal
    from clipcli.workflows.journal.judging import Undone
    from clipcli.workflows.journal.records import Log
    from clipcli.workflows.journal.report import UndoLines


def undo(
    journal: Annotated[
        Path | None,
        typer.Argument(
            metavar="JOURNAL",
            help="What `clipcli sort` or another command named. Left out: the newest.",
            autocompletion=options.completing(options.journal_paths),
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only print what would be done.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask. Left out: ask on a terminal.")
    ] = False,
    quiet: options.Quiet = False,
) -> ExitCode:
    """Take back what a command did, also an interrupted one.

    clipcli undo --dry-run
    clipcli undo

    Every file is where and what it was before.
    A file that has changed since stays where it is, and is reported (exit code 5).
    """
    from clipcli.cli.progress import Notes
    from clipcli.workflows.journal.journal import is_ours, open_journal

    path = journal or _newest()
    with open_journal(path) as opened:
        log = opened.read()
        if yes and not dry_run and not is_ours(path):
            raise UsageError(
                f"{path}: --yes is not taken for a journal that lies outside of clipcli's own "
                "folder",
                hint="leave --yes out, and look at the folders that are named; or set "
                "CLIPCLI_STATE to the folder above the journal's",
            )
        return _undo(opened, log, Notes(quiet=quiet), is_dry=dry_run, is_agreed=yes)


def _newest() -> Path:
    from clipcli.workflows.journal.journal import journal_folder, journals

    found = journals()
    if not found:
        raise InputError(
            f"{journal_folder()}: there is no journal, so there is nothing to take back",
            hint="name one, if it was put elsewhere",
        )
    return found[-1]


def _undo(journal: Journal, log: Log, notes: Notes, *, is_dry: bool, is_agreed: bool) -> ExitCode:
    from clipcli.cli.sort_progress import SkipReasons
    from clipcli.output.text import visible
    from clipcli.workflows.journal.report import UndoLines, undo_counts, undo_question
    from clipcli.workflows.journal.undo import plan_undo

    for problem in log.problems:
        notes.say(problem)
    if log.is_undone:
        notes.say(f"{journal.path}: was taken back already")
        return ExitCode.DONE
    plan, lines = plan_undo(log), UndoLines(log)
    is_asked = not (is_agreed or is_dry) and any(not entry.refusal for entry in plan)
    for line in undo_counts(plan, log):
        typer.echo(visible(line), err=True) if is_asked else notes.say(line)
    if is_dry:
        reasons = SkipReasons(notes)
        for entry in plan:
            lines.write(entry)
            if entry.refusal:
                reasons.report(lines.target(entry), entry.refusal)
        reasons.conclude()
        return ExitCode.SKIPPED if reasons.n or log.problems else ExitCode.DONE
    if is_asked:
        ask(undo_question(log), is_agreed=False)
    return _take_back(journal, log, plan, lines, notes)


def _take_back(
    journal: Journal, log: Log, plan: list[Undone], lines: UndoLines, notes: Notes
) -> ExitCode:
    from clipcli.cli.sort_progress import SkipReasons, for_each
    from clipcli.workflows.journal.undo import undo as take_back

    n_done, reasons = 0, SkipReasons(notes)
    try:
        with notes.progress(lambda: len(plan), is_wanted=bool(plan)) as advance:

            def report(entry: Undone) -> None:
                nonlocal n_done
                if entry.refusal:
                    reasons.report(lines.target(entry), entry.refusal)
                else:
                    n_done += 1
                    lines.done(entry)
                advance()

            for_each(take_back(log, journal), report)
    except BaseException:
        notes.say(f"stopped after {several(n_done, 'file')}; the same command goes on")
        raise
    reasons.conclude()
    notes.say(f"{several(n_done, 'file')} taken back")
    return ExitCode.SKIPPED if reasons.n or log.problems else ExitCode.DONE
