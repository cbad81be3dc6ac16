"""``clipcli ask``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from clipcli.cli import options
from clipcli.cli.groups import ModelOptions, NoteOptions, PathOptions, ResultOutput
from clipcli.errors import ExitCode, LabelSetError, UsageError

if TYPE_CHECKING:
    from clipcli.workflows.asking.questions import Asked


@dataclass
class AskPaths(PathOptions):
    """Which pictures, and the question."""

    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATHS QUESTION",
            help="Pictures, folders, patterns, or - for a list on standard input; and last, in "
            "quotes, the question.",
            show_default=False,
        ),
    ] = None


@dataclass
class AnswerOptions:
    """What may be answered."""

    HEADING: ClassVar = "Query"
    answers: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="What may be answered: words with commas between them, a label file or a built-in "
            "set. Left out: the usual answers to such a question.",
        ),
    ] = None
    statement: Annotated[
        str | None,
        typer.Option(
            metavar="SENTENCE",
            help="The sentence that an answer completes, with {} in it. Left out: made from the "
            "question by a rule.",
        ),
    ] = None
    top_k: options.TopK = None
    reject_threshold: options.RejectThreshold = None


def ask(
    paths: AskPaths,
    answers: AnswerOptions,
    model: ModelOptions,
    output: ResultOutput,
    notes: NoteOptions,
) -> ExitCode:
    """Answer a question about pictures with what fits best.

    clipcli ask car.jpg "what colour is the car?"
    clipcli ask photos/ "is it indoors or outdoors?" -o answers.csv
    """
    from clipcli.cli.classified import classified
    from clipcli.output.results import FORMATS
    from clipcli.pipeline.decisions import Decisions, decide
    from clipcli.pipeline.inputs import Inputs
    from clipcli.workflows.asking.answers import answered

    places = tuple(paths.paths or ())
    if not places or (len(places) == 1 and paths.from_file is None):
        raise UsageError("a picture and a question are needed", hint=_example(answers))
    if os.path.lexists(places[-1]):
        raise UsageError(
            f"{places[-1]}: is there, so it is no question; that comes last",
            hint=_example(answers),
        )
    asked = _asked(places[-1], answers)
    request = output.guarded_request(FORMATS)
    session = model.session(Inputs(places[:-1], paths.from_file, paths.null), notes)
    for answer, statement in asked.statements:
        session.notes.detail(f"{answer}: {statement}")
    decisions = Decisions(
        reject_threshold=answers.reject_threshold, independent=asked.is_yes_no, no_calibration=True
    )
    top_k = answers.top_k or len(asked.answers)
    classifier = session.classifier(asked.label_set(), top_k=top_k, independent=asked.is_yes_no)
    return classified(
        session,
        decide(classifier, decisions, session.notes),
        request,
        n_shown=answers.top_k or 1,
        change=lambda result: answered(result, asked),
    )


def _example(given: AnswerOptions) -> str:
    if given.statement is None:
        return 'clipcli ask car.jpg "what colour is the car?"'
    return "clipcli ask car.jpg \"which car?\" --statement 'a {} car' --answers 'red, blue'"


def _asked(question: str, given: AnswerOptions) -> Asked:
    from clipcli.labels.label_set import load_label_set
    from clipcli.workflows.asking.questions import understand

    words: tuple[str, ...] = ()
    if given.answers is not None:
        try:
            words = load_label_set(given.answers).names
        except LabelSetError as error:  # it knows its labels as those of another option
            message = error.message.replace("--labels:", "--answers:")
            raise LabelSetError(message, hint=error.hint) from error
    return understand(question, words, given.statement)
