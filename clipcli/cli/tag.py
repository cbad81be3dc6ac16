"""``clipcli tag``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import typer

from clipcli.cli import options
from clipcli.cli.groups import LabelOptions, ModelOptions, NoteOptions, PathOptions
from clipcli.cli.known import KnownOptions
from clipcli.cli.prompt import ask, check_askable
from clipcli.errors import ExitCode, UsageError, several

if TYPE_CHECKING:
    from clipcli.pipeline.known_answers import KnownAnswers
    from clipcli.pipeline.session import Session
    from clipcli.workflows.tagging.plan import TagPlan, TagPlanner


@dataclass
class TagDecisions:
    """Which labels become keywords."""

    HEADING: ClassVar = "Decision"
    min_prob: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="PROBABILITY",
            help="A label that is less probable than this is not written; a label's own threshold "
            "comes first.",
            callback=options.checked_number,
        ),
    ] = 0.5
    margin: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="PROBABILITY",
            help="A picture whose first two labels are closer than this gets none.",
        ),
    ] = 0.0
    top_k: Annotated[
        int,
        typer.Option(
            "--top-k", "-k", min=1, metavar="N", help="Write so many labels a picture at most."
        ),
    ] = 1
    independent: options.Independent = False


@dataclass
class TagActions:
    """Where keywords go, and whether they do."""

    HEADING: ClassVar = "Action"
    naming: Annotated[
        Literal["full", "stem"],
        typer.Option(
            help="Name new sidecars IMG_1.JPG.xmp (full: darktable, digiKam) or IMG_1.xmp (stem: "
            "Lightroom). One that is there is used, whatever its name.",
        ),
    ] = "full"
    embed: Annotated[
        bool,
        typer.Option(
            "--embed",
            help="Write into JPEG and PNG files instead; others are refused. Left out: into "
            "sidecars.",
        ),
    ] = False
    remove: Annotated[
        bool,
        typer.Option(
            "--remove",
            help="Take away the keywords that clipcli has written, and no others; needs no labels.",
        ),
    ] = False
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only print what would be done.")
    ] = False
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask. Left out: ask on a terminal.")
    ] = False


def tag(
    paths: PathOptions,
    labels: LabelOptions,
    decisions: TagDecisions,
    reviewed: KnownOptions,
    actions: TagActions,
    model: ModelOptions,
    notes: NoteOptions,
) -> ExitCode:
    """Write labels as keywords, for photo managers.

    clipcli tag photos/ --labels animals
    clipcli tag photos/ --remove

    Keywords go into XMP sidecars that digiKam, darktable and Lightroom read; sidecars that are
    there keep all else. Pictures that no label is sure for get none. `clipcli undo` takes it back.
    """
    from clipcli.cli.conclude import conclude
    from clipcli.workflows.tagging.plan import TagPlanner
    from clipcli.workflows.tagging.sidecars import Sidecars

    if not actions.dry_run:
        check_askable("write keywords?", is_agreed=actions.yes)
    if actions.remove and (labels != LabelOptions() or reviewed != KnownOptions()):
        raise UsageError("--remove takes no labels", hint="drop one of the two")
    begun = None if actions.remove else model.begin(paths.paths)
    session = model.session(paths.inputs(), notes, begun=begun)
    planner = TagPlanner(Sidecars(actions.naming), embed=actions.embed)
    if actions.remove:
        outcome = _look_for_removals(session, planner)
    else:
        _classify(session, labels, decisions, reviewed.known(), planner)
        outcome = conclude(session)
    return _carry_out(session, planner.plan, actions, outcome)


def _classify(
    session: Session,
    labels: LabelOptions,
    decisions: TagDecisions,
    known: KnownAnswers | None,
    planner: TagPlanner,
) -> None:
    """Classify all pictures; nothing is written before all of it is known."""
    from clipcli.cli.conclude import note_labels
    from clipcli.cli.open_classifier import TOP_K, open_classifier
    from clipcli.pipeline.decisions import Decisions
    from clipcli.pipeline.known_answers import tell_left_over
    from clipcli.results import Classified, Skipped
    from clipcli.workflows.tagging.plan import KeywordChoice

    classifier = open_classifier(
        session,
        labels,
        Decisions(decisions.min_prob, independent=decisions.independent),
        top_k=max(TOP_K, decisions.top_k),
    )
    choice = KeywordChoice(
        classifier.label_set, decisions.min_prob, decisions.top_k, decisions.margin
    )
    if known is not None:
        known.check_labels(classifier.label_set.names)
    found, _ = session.find_files()
    with session.notes.progress(session.total()) as advance:
        for entry in session.tally(session.embedded(found)):
            if not isinstance(entry, Skipped):
                result = classifier.score([entry])[0]
                answer = result if known is None else known.answered(result)
                assert isinstance(answer, Classified)
                planner.add(entry.path, choice.keywords(answer))
            advance()
    tell_left_over(known, session.notes.say)
    if session.n_ok:
        note_labels(session, classifier)
    del session.report.left_out["sidecar"]  # they are what this is about


def _look_for_removals(session: Session, planner: TagPlanner) -> ExitCode:
    from clipcli.results import Skipped

    for entry in session.tally(session.find_files()[0]):
        if not isinstance(entry, Skipped):
            planner.add_removal(entry.path)
    return ExitCode.SKIPPED if session.n_skipped else ExitCode.DONE


def _carry_out(session: Session, plan: TagPlan, actions: TagActions, outcome: ExitCode) -> ExitCode:
    """Tell what is planned, and do it."""
    from clipcli.cli.sort_progress import SkipReasons
    from clipcli.workflows.tagging.carry_out import carried_out, looked_at, row
    from clipcli.workflows.tagging.report import TagLines, report_counts

    notes, reasons = session.notes, SkipReasons(session.notes)
    lines, changes, planned = TagLines(), [], []
    for done in looked_at(plan):
        if done.reason:
            reasons.report(done.target.path, done.reason)
        elif done.change != "same":
            changes.append(done.target)
            planned.append(row(done))
    reasons.conclude()
    outcome = ExitCode.SKIPPED if reasons.n else outcome
    report_counts(notes, plan, changes, is_removal=actions.remove)
    if actions.dry_run:
        lines.planned(planned)
    if not changes or actions.dry_run:
        notes.say("nothing was done" if actions.dry_run else "there is nothing to write")
        return outcome
    what = "take keywords out of" if actions.remove else "write keywords into"
    ask(f"{what} {several(len(changes), 'file')}?", is_agreed=actions.yes)
    late, n_written = SkipReasons(notes), 0
    try:
        with notes.progress(lambda: len(changes)) as advance:
            for done in carried_out(plan, changes, notes.say):
                if done.reason:
                    late.report(done.target.path, done.reason)
                else:
                    n_written += 1
                    lines.done(row(done))
                advance()
    except BaseException:
        notes.say(f"stopped: {n_written:,} of {several(len(changes), 'file')} written")
        raise
    late.conclude()
    notes.say(f"{several(n_written, 'file')} written; `clipcli undo` takes it back")
    return ExitCode.SKIPPED if late.n else outcome
