"""``clipcli locate``."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clipcli.cli.groups import ModelOptions, NoteOptions, OutputOptions, PathOptions
from clipcli.cli.locate_query import LocateQuery
from clipcli.errors import ExitCode, ImageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from clipcli.encoder.locator import Question
    from clipcli.output.request import OutputRequest
    from clipcli.pipeline.inputs import Input
    from clipcli.pipeline.locating.opened import Opened
    from clipcli.pipeline.session import Session
    from clipcli.workflows.locate.unfinished import Unfinished
    from clipcli.workflows.locate.writers import Entry


@dataclass
class LocatePaths(PathOptions):
    """Where to look, and perhaps for what."""

    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATHS [TEXT]",
            help="Pictures, folders, patterns, or - for a list on standard input; and last, in "
            "quotes, a text that names things, unless --labels or --text does.",
            show_default=False,
        ),
    ] = None


@dataclass
class LocateOutput(OutputOptions):
    """Where the boxes go."""

    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            help="table, tsv, json, jsonl, png or html on standard output. Left out: a table on a "
            "terminal, tsv in a pipe, nothing beside -o.",
        ),
    ] = None
    coco: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write COCO's results, JSON. Left out: none."),
    ] = None
    yolo: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Write a text file a picture, and classes.txt. Left out: none."
        ),
    ] = None
    voc: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write Pascal VOC's XML files. Left out: none."),
    ] = None
    crops: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Write what lies in each box as a JPEG. Left out: none."
        ),
    ] = None

    def check(self) -> None:
        """Refuse what cannot be written, before any picture is looked at."""
        from clipcli.output.files import check_apart, check_target
        from clipcli.workflows.locate.datasets import check_folder

        if self.coco is not None:
            check_target(self.coco, overwrite=self.overwrite)
            check_apart([self.coco, *(self.output or ())])
        for folder in (self.yolo, self.voc):
            if folder is not None:
                check_folder(folder, overwrite=self.overwrite)
        if self.crops is not None:
            check_folder(self.crops, overwrite=None)


def locate(
    paths: LocatePaths,
    query: LocateQuery,
    model: ModelOptions,
    output: LocateOutput,
    notes: NoteOptions,
) -> ExitCode:
    """Draw boxes around what labels or a sentence name.

    clipcli locate photo.jpg "a dog. a red ball" -o boxes.png
    clipcli locate photos/ --labels 'cat, dog' --model owlvit/ --yolo boxes/
    """
    from clipcli.pipeline.inputs import Inputs
    from clipcli.pipeline.locating.opened import open_for
    from clipcli.workflows.locate.question import asked
    from clipcli.workflows.locate.writers import FORMATS

    places, question = asked(
        paths.paths or (), query.labels, query.text, has_list=paths.from_file is not None
    )
    request = _request(output, FORMATS)
    output.check()
    session = model.session(Inputs(places, paths.from_file, paths.null), notes)
    opened = open_for(session, question, query.min_score, query.top, query.nms, coarse=query.coarse)
    return _locate(session, opened, question, request, output)


def _request(output: LocateOutput, formats: tuple[str, ...]) -> OutputRequest:
    """Return the request; folders and COCO's file alone leave standard output silent."""
    request = output.request(formats)
    others = (output.coco, output.yolo, output.voc, output.crops)
    if output.format is None and not output.as_json and any(others):
        request = replace(request, format=None)
    coco = () if output.coco is None else ((output.coco, "coco"),)
    return replace(request, files=(*request.files, *coco))


def _locate(
    session: Session,
    opened: Opened,
    question: Question,
    request: OutputRequest,
    output: LocateOutput,
) -> ExitCode:
    from clipcli.cli.conclude import (
        conclude_inputs,
        note_cache,
        note_files,
        note_labels,
        reason_of,
    )
    from clipcli.cli.headings import heading
    from clipcli.cli.sending import send_all
    from clipcli.output.streams import Streams
    from clipcli.pipeline.provenance import now
    from clipcli.process import held
    from clipcli.workflows.locate.kinds import NOTES
    from clipcli.workflows.locate.unfinished import Unfinished
    from clipcli.workflows.locate.writers import open_writer

    started, labels = now(), list(question.labels)
    found = _found(session, request, output, labels)
    if opened.method in NOTES:
        session.notes.say(NOTES[opened.method])
    page = heading(session, question.in_words(), opened.model)
    has_folders = any((output.yolo, output.voc, output.crops))
    opener = partial(open_writer, labels=labels, heading=page)
    outputs = Streams(request, opener, dict, needs_all=has_folders)
    unfinished = Unfinished()
    try:
        send_all(
            session,
            outputs,
            _into_folders(session, opened.locate(found), output, labels, unfinished),
            lambda: opened.provenance(started, session.counts()),
        )
    except BaseException as error:
        with held():
            unfinished.end(reason_of(error))
        raise
    unfinished.end(None)
    note_files(session, request)
    has_looked = session.n_ok and opened.place()[0] != "cache"
    if opened.classifier is not None and has_looked:
        note_labels(session, opened.classifier)
    note_cache(session, session.image_cache.problem)
    return conclude_inputs(session)


def _found(
    session: Session, request: OutputRequest, output: LocateOutput, labels: list[str]
) -> Iterable[Input]:
    """Return the inputs; those that cannot be written as is wanted are refused.

    Raises
    ------
    UsageError, InputError
    """
    from clipcli.output.drawing.limits import MOST_DRAWN, check_drawable
    from clipcli.workflows.locate.datasets import check_earlier, check_names

    found: Iterable[Input]
    # Pictures that are opened a second time, to be drawn on, or named as files, have to be files.
    if any(map(request.wants, ("png", "html"))) or any((output.yolo, output.voc, output.crops)):
        found, is_handful = session.find_files(MOST_DRAWN)
        is_counted = session.inputs.can_be_walked_twice
        check_drawable(request, is_handful=is_handful, is_counted=is_counted)
    else:
        found, _ = session.find()
    if output.yolo is not None or output.voc is not None:
        found = list(found)
        check_names(found, are_yolo=output.yolo is not None)
    if output.yolo is not None:
        check_earlier(output.yolo, labels, found)
    return found


def _into_folders(
    session: Session,
    entries: Iterable[Entry],
    output: LocateOutput,
    labels: list[str],
    unfinished: Unfinished,
) -> Iterator[Entry]:
    """Pass entries on, and write of each picture what goes into folders."""
    from clipcli.pipeline.locating.run import Located
    from clipcli.process import held
    from clipcli.workflows.locate.datasets import VocFolder, YoloFolder, write_crops

    folders: list[YoloFolder | VocFolder] = []
    if output.yolo is not None:
        folders.append(YoloFolder(output.yolo, labels, overwrite=output.overwrite))
    if output.voc is not None:
        folders.append(VocFolder(output.voc, overwrite=output.overwrite))
    taken: Counter[str] = Counter()  # names of pictures that have crops
    for entry in entries:
        if isinstance(entry, Located):
            with held():
                for folder in folders:
                    unfinished.mark(folder.path)
                    folder.write(entry)
            if output.crops is not None and entry.boxes:
                unfinished.mark(output.crops)
                try:
                    write_crops(output.crops, entry, taken)
                except ImageError as error:  # it was there a moment ago
                    session.notes.say(f"{entry.path}: no crops of it: {error.message}")
        yield entry
