"""``clipcli dedup``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from clipcli.cli.groups import FindingsOutput, ModelOptions, NoteOptions, PathOptions
from clipcli.cli.prompt import check_askable
from clipcli.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clipcli.cli.disposal import Wish
    from clipcli.images.find import ImageFile
    from clipcli.output.html.thumbnails import ThumbnailSpool
    from clipcli.output.request import OutputRequest
    from clipcli.pipeline.session import Session
    from clipcli.results import Skipped
    from clipcli.workflows.audit.choice import Chooser
    from clipcli.workflows.audit.copies_report import CopiesReport
    from clipcli.workflows.audit.disposal import Disposal
    from clipcli.workflows.audit.index_choice import IndexChoice


@dataclass
class ChoiceOptions:
    """Which of several copies is kept."""

    HEADING: ClassVar = "Decision"
    prefer: Annotated[
        list[Path] | None,
        typer.Option(
            "--prefer",
            metavar="DIR",
            help="Of several copies, keep the one in this folder. May be given several times, the "
            "first counts most. Left out: all folders are alike.",
        ),
    ] = None
    strategy: Annotated[
        str,
        typer.Option(
            "--strategy",
            metavar="STRATEGY",
            help="What is kept: best (without loss, raw, most pixels, most metadata, oldest), "
            "oldest, newest, largest, or first (as found).",
        ),
    ] = "best"

    def chooser(self) -> Chooser:
        """Return what chooses.

        Raises
        ------
        UsageError
            If there is no such strategy or folder.
        """
        import os

        from clipcli.workflows.audit.choice import STRATEGIES, Chooser

        if self.strategy not in STRATEGIES:
            names = ", ".join(STRATEGIES)
            raise UsageError(
                f"--strategy {self.strategy}: no such strategy", hint=f"one of {names}"
            )
        for folder in self.prefer or ():
            if not folder.is_dir():
                raise UsageError(f"--prefer {folder}: no such folder")
        return Chooser(self.strategy, [os.path.realpath(each) for each in self.prefer or ()])

    def given(self) -> str:
        """Return the option that was given, "" if none was: each is about files."""
        return "--prefer" if self.prefer else "" if self.strategy == "best" else "--strategy"

    def check(self, chooser: Chooser, found: Sequence[ImageFile | Skipped]) -> None:
        """Refuse folders that hold none of the pictures.

        Raises
        ------
        UsageError
        """
        met = {chooser.preference(entry.path) for entry in found}
        for i, folder in enumerate(self.prefer or ()):
            if i not in met:
                raise UsageError(
                    f"--prefer {folder}: none of the pictures lies in it",
                    hint=f"name it among the inputs: clipcli dedup {folder} …",
                )


@dataclass
class IndexOptions:
    """How near copies are searched."""

    HEADING: ClassVar = "Decision"
    index: Annotated[
        str,
        typer.Option(
            "--index",
            metavar="KIND",
            help="How near copies are found: exact (each is compared with each), or faiss (an "
            "index, faster among many; misses a few). Left out: exact below 100,000 pictures.",
        ),
    ] = "auto"

    def choice(self) -> IndexChoice:
        """Return it as a search takes it.

        Raises
        ------
        UsageError, MissingExtraError
        """
        from clipcli.workflows.audit.index_choice import checked_choice

        return checked_choice(self.index)


@dataclass
class DisposalOptions:
    """What is done with spare copies, if anything."""

    HEADING: ClassVar = "Action"
    trash: Annotated[
        bool, typer.Option("--trash", help="Put spare copies into the desktop's trash (Linux).")
    ] = False
    hardlink: Annotated[
        bool, typer.Option("--hardlink", help="Replace them by hard links to the one kept.")
    ] = False
    move: Annotated[
        Path | None,
        typer.Option(
            "--move", metavar="DIR", help="Move them into a folder, with the folders they lie in."
        ),
    ] = None
    near: Annotated[
        bool,
        typer.Option(
            "--near",
            help="Do it with near copies too. Left out: with files of the same bytes alone.",
        ),
    ] = False
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            "-n",
            help="Only say what would be done. Left out: the same, unless one of the three above "
            "is given.",
        ),
    ] = False
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask. Left out: ask on a terminal.")
    ] = False

    def wish(self) -> Wish | None:
        """Return what is to be done, if anything, after what can be checked at once.

        Raises
        ------
        UsageError, OutputError, OutputExistsError
        """
        from clipcli.cli.disposal import Wish
        from clipcli.workflows.journal.trash import check_trash

        wanted: dict[Disposal, object] = {
            "trash": self.trash,
            "hardlink": self.hardlink,
            "move": self.move,
        }
        chosen = [action for action, value in wanted.items() if value]
        if len(chosen) > 1:
            raise UsageError(
                f"--{chosen[0]} and --{chosen[1]}: only one of them can be done",
                hint="one of --trash, --hardlink, --move DIR",
            )
        if not chosen:
            return None
        if self.hardlink and self.near:
            raise UsageError(
                "--hardlink and --near: near copies hold other bytes, which a link would lose",
                hint="--hardlink alone, or --near with --trash or --move DIR",
            )
        if self.trash:
            check_trash()
        wish = Wish(
            chosen[0], self.move, with_near=self.near, is_dry=self.dry_run, is_agreed=self.yes
        )
        if not self.dry_run:
            check_askable(wish.question("spare copies"), is_agreed=self.yes)
        return wish


def dedup(
    paths: PathOptions,
    choice: ChoiceOptions,
    search: IndexOptions,
    actions: DisposalOptions,
    model: ModelOptions,
    output: FindingsOutput,
    notes: NoteOptions,
) -> ExitCode:
    """Find copies and near copies of pictures, and put them away.

    clipcli dedup photos/ -o copies.html
    clipcli dedup photos/ backup/ --prefer photos/ --trash

    It says which of them to keep, and why. Without --trash, --hardlink or --move nothing is done;
    `clipcli undo` takes back what was.

    One copy of each stays, and is compared again before another goes.
    """
    from clipcli.cli.conclude import note_incomplete
    from clipcli.cli.dedup_archived import dedup_archived
    from clipcli.pipeline.inputs import Inputs
    from clipcli.pipeline.source_names import is_source
    from clipcli.workflows.audit.copies_report import FORMATS

    wish, chooser, index = actions.wish(), choice.chooser(), search.choice()
    request = output.guarded_request(FORMATS)
    session = model.session(paths.inputs(), notes)
    if any(map(is_source, session.inputs.paths)):
        refused = f"--{wish.action}" if wish else choice.given()
        told = dedup_archived(session, request, output, index, refused)
        if not isinstance(told, tuple):
            return told
        note_incomplete(session)
        session = model.session(Inputs(told), notes)
    return _dedup_files(session, choice, chooser, index, wish, request, output)


def _dedup_files(
    session: Session,
    choice: ChoiceOptions,
    chooser: Chooser,
    index: IndexChoice,
    wish: Wish | None,
    request: OutputRequest,
    output: FindingsOutput,
) -> ExitCode:
    from clipcli.cli.conclude import conclude, note_files
    from clipcli.cli.disposal import carry_out
    from clipcli.output.html.thumbnails import spooled
    from clipcli.output.report import send
    from clipcli.workflows.audit.disposal import roots_of, states_of

    found = list(session.find_files()[0])
    choice.check(chooser, found)
    names = [entry.path for entry in found]
    roots = roots_of(session.inputs.paths, names) if wish else []
    if wish:
        wish.check(roots)
    states = states_of(names) if wish else {}
    with spooled(is_wanted=request.wants("html")) as spool:
        report = _dedup(session, found, chooser, index, spool, is_guarded=output.guard_formulas)
        send(report, request)
        note_files(session, request)
    outcome = conclude(session)
    is_left = carry_out(wish, report.copies, states, roots, session.notes)
    return ExitCode.SKIPPED if is_left else outcome


def _dedup(
    session: Session,
    found: list[ImageFile | Skipped],
    chooser: Chooser,
    index: IndexChoice,
    spool: ThumbnailSpool | None,
    *,
    is_guarded: bool,
) -> CopiesReport:
    from clipcli.images.class_tree import Place
    from clipcli.pipeline.provenance import now
    from clipcli.workflows.audit.copies import duplicates
    from clipcli.workflows.audit.copies_report import CopiesReport
    from clipcli.workflows.audit.gather import Gathering
    from clipcli.workflows.audit.index_choice import uses_index

    started = now()
    dataset = Gathering(session, (), lambda _: Place(None), spool).gather(found)
    for skipped, _ in dataset.broken:
        session.notes.say(f"skipped {skipped.path}: {skipped.reason}")
    by_index = uses_index(index, len(dataset), session.notes.say)
    copies = tuple(duplicates(dataset, chooser, by_index=by_index))
    provenance = session.vector_provenance(started)
    source = session.inputs.in_words()
    return CopiesReport(dataset, copies, provenance, spool, is_guarded, source)
