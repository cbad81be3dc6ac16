"""``clipcli sort``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clipcli.cli import options
from clipcli.cli.groups import (
    ActionOptions,
    FileOptions,
    LabelOptions,
    ModelOptions,
    NoteOptions,
)
from clipcli.cli.known import KnownOptions
from clipcli.cli.placing import MIN_PROB, PlacingOptions
from clipcli.cli.prompt import ask, check_askable, is_somebody_there
from clipcli.errors import ExitCode, several

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clipcli.images.companions import Companions
    from clipcli.output.request import OutputRequest
    from clipcli.pipeline.classifier import Classifier
    from clipcli.pipeline.known_answers import KnownAnswers
    from clipcli.pipeline.session import Session
    from clipcli.results import Result
    from clipcli.workflows.journal.records import Action
    from clipcli.workflows.sorting.inputs import InputWatch
    from clipcli.workflows.sorting.plan import Plan


@dataclass
class SortActions(ActionOptions):
    """What is done with the pictures, if anything."""

    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            "-n",
            help="Only print the plan. Left out: the same, unless one of the four above is given.",
        ),
    ] = False
    yes: Annotated[
        bool,
        typer.Option(
            "--yes",
            "-y",
            help="Do not ask. Left out: ask on a terminal; elsewhere --move wants this, and the "
            "others do not ask.",
        ),
    ] = False


def sort(
    labels: LabelOptions,
    actions: SortActions,
    placing: PlacingOptions,
    reviewed: KnownOptions,
    model: ModelOptions,
    output: FileOptions,
    notes: NoteOptions,
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="The folder to sort, with all folders in it.")
    ],
    into: Annotated[
        Path,
        typer.Option("--into", metavar="DIR", help="Where the labels' folders are or will be."),
    ],
    min_prob: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="PROBABILITY",
            help="A picture whose label is less probable than this is unsure; a label's own "
            "threshold comes first.",
            callback=options.checked_number,
        ),
    ] = MIN_PROB,
    margin: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="PROBABILITY",
            help="A picture whose first two labels are closer than this is unsure.",
        ),
    ] = 0.0,
    # The default since companions go along; kept for those who still say it.
    sidecars: Annotated[bool, typer.Option("--sidecars", hidden=True)] = False,
) -> ExitCode:
    """Put pictures into folders by their labels.

    clipcli sort photos/ --labels animals --into sorted/
    clipcli sort photos/ --labels animals --into sorted/ --move --by year/label

    Without --move, --copy, --link or --hardlink only the plan is printed. `clipcli undo` puts
    everything back.

    Nothing is ever overwritten. Pictures that no label is sure for stay where they are, and so do
    those that cannot be read (exit code 5).
    """
    from clipcli.cli.open_classifier import open_classifier
    from clipcli.images.find import FindReport
    from clipcli.output.results import FORMATS
    from clipcli.pipeline.decisions import Decisions
    from clipcli.pipeline.inputs import Inputs
    from clipcli.workflows.sorting.inputs import InputWatch, check_hard_links, open_places

    action = actions.chosen()
    if action == "move" and not actions.dry_run:
        check_askable(f"move pictures into {into}?", is_agreed=actions.yes)
    placing.check()
    is_dry = actions.dry_run or action is None
    wishes = _Wishes(action, is_dry, placing, margin, actions.yes, reviewed.known())
    request = output.request(FORMATS)
    places = open_places(source, into)
    watched = InputWatch(_spelt(source), places, wishes.companions(places.source))
    if action == "hardlink":
        check_hard_links(watched.places)
    inputs, begun = Inputs((watched.typed,)), model.begin((watched.typed,))
    session = model.session(inputs, notes, report=FindReport(links=[]), begun=begun)
    classifier = open_classifier(session, labels, Decisions(min_prob))
    plan = _make_plan(session, classifier, watched, wishes, request)
    return _sort(session, plan, watched, into, wishes)


def _spelt(source: Path) -> str:
    """Return SOURCE as inputs take it: a folder, even one that is called as standard input is."""
    return str(source) if str(source) != "-" else "./-"


@dataclass(frozen=True, slots=True)
class _Wishes:
    """What the options say about the sort itself."""

    action: Action | None
    is_dry: bool  # only the plan is wanted
    placing: PlacingOptions
    margin: float
    yes: bool
    known: KnownAnswers | None

    def companions(self, source: str) -> Companions | None:
        from clipcli.images.companions import Companions

        return None if self.placing.no_companions else Companions(source)


def _make_plan(
    session: Session,
    classifier: Classifier,
    watched: InputWatch,
    wishes: _Wishes,
    request: OutputRequest,
) -> Plan:
    """Classify what is in SOURCE; nothing is moved before all of it is known."""
    from clipcli.pipeline.known_answers import tell_left_over
    from clipcli.workflows.sorting.plan import Planner

    rules = wishes.placing.rules(classifier.label_set.names, margin=wishes.margin)
    action, companions = wishes.action or "move", watched.companions
    planner = Planner(watched.places, rules, watched.states, action=action, companions=companions)
    known = wishes.known
    if known is not None:
        known.check_labels(classifier.label_set.names)
    for result in _classified(session, classifier, watched, request, known):
        planner.add(watched.relative(result.path), result)
    tell_left_over(known, session.notes.say)
    return planner.plan


def _classified(
    session: Session,
    classifier: Classifier,
    watched: InputWatch,
    request: OutputRequest,
    known: KnownAnswers | None,
) -> Iterator[Result]:
    """Yield each result, and write it to the ``-o`` files."""
    from clipcli.cli.conclude import note_labels, reason_of
    from clipcli.output.results import Outputs
    from clipcli.pipeline.provenance import now
    from clipcli.results import Skipped

    found, _ = session.find_files()
    outputs = None
    if request.files:
        outputs = Outputs(request, classifier.label_set, top_k=classifier.top_k, ranked=False)
    started, n_counted = now(), 0
    try:
        with session.notes.progress(session.total()) as advance:
            for entry in session.tally(session.embedded(watched.watch(found))):
                result = entry if isinstance(entry, Skipped) else classifier.score([entry])[0]
                result = result if known is None else known.answered(result)
                if outputs:
                    outputs.write(result)
                yield result
                while n_counted < session.n_ok + session.n_skipped + len(watched.followers):
                    n_counted += 1
                    advance()
        if outputs:
            outputs.finish(session.provenance(classifier, started))
    except BaseException as error:
        if outputs:
            outputs.end_early(session.provenance(classifier, started), reason_of(error))
        raise
    if session.n_ok:
        note_labels(session, classifier)


def _sort(
    session: Session, plan: Plan, watched: InputWatch, into: Path, wishes: _Wishes
) -> ExitCode:
    """Tell what was found, then print the plan or carry it out."""
    from clipcli.cli.conclude import conclude
    from clipcli.cli.sort_progress import carry_out, report_found, report_plan
    from clipcli.workflows.sorting.report import ASKED, SortLines, folder_counts

    lines = SortLines(watched.typed, str(into), plan)
    report_found(session.notes, plan, watched, session.report.links or [])
    session.report.left_out -= watched.n_left_out(plan.companions())
    outcome = conclude(session) if session.n_ok or session.n_skipped else ExitCode.DONE
    if report_plan(session.notes, plan, lines):
        outcome = ExitCode.SKIPPED
    counts = plan.counts()
    n_files = sum(counts.values())
    if wishes.is_dry or wishes.action is None:
        lines.planned(plan)
        session.notes.say(
            f"{several(n_files, 'file')} to {several(len(counts), 'folder')} of {into}"
        )
        for line in folder_counts(counts):
            session.notes.say(line)
        hint = "" if wishes.action else ": say --move, --copy, --link or --hardlink"
        session.notes.say(f"nothing was done{hint}")
        return outcome
    if not n_files:
        session.notes.say("there is nothing to sort")
        return outcome
    if not wishes.yes and (wishes.action == "move" or is_somebody_there()):
        for line in folder_counts(counts):
            typer.echo(line, err=True)
        ask(f"{ASKED[wishes.action]} {several(n_files, 'file')} into {into}?", is_agreed=False)
    n_left = carry_out(plan, wishes.action, lines, session.notes)
    return ExitCode.SKIPPED if n_left else outcome
