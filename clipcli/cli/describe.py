"""``clipcli describe``."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from clipcli.cli.groups import ModelOptions, NoteOptions, OutputOptions, PathOptions
from clipcli.errors import ExitCode, ImageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from clipcli.output.request import OutputRequest
    from clipcli.pipeline.inputs import Input
    from clipcli.pipeline.session import Session
    from clipcli.results import Skipped
    from clipcli.workflows.asking.describing import Finder


@dataclass
class DescribeOutput(OutputOptions):
    """Where the sentences go."""

    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            help="table (with the parts), tsv, json or jsonl on standard output. Left out: a table "
            "on a terminal, tsv in a pipe, nothing beside -o.",
        ),
    ] = None


@dataclass
class ThingOptions:
    """What is located too."""

    HEADING: ClassVar = "Query"
    locator: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="A model that locates (OWL-ViT, OWLv2, GLIP, Grounding DINO), or mini with its "
            "small locator: everyday things that it finds are said and counted too, with their "
            "boxes. Left out: none are.",
        ),
    ] = None
    min_score: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="SCORE",
            help="Say nothing that was located with a lower score. Left out: 0.5 with GLIP and the "
            "small locator, 0.4 with Grounding DINO and its like, else 0.3.",
            show_default=False,
        ),
    ] = None


def describe(
    paths: PathOptions,
    things: ThingOptions,
    model: ModelOptions,
    output: DescribeOutput,
    notes: NoteOptions,
) -> ExitCode:
    """Say in a sentence what was recognised with confidence.

    clipcli describe photo.jpg
    clipcli describe photos/ -o sentences.jsonl
    clipcli describe photos/ --locator owlvit-base-patch32
    """
    from clipcli.workflows.asking.writers import FORMATS

    if things.locator is None and things.min_score is not None:
        raise UsageError("--min-score: nothing is located", hint="--locator MODEL names what does")
    request = output.request(FORMATS)
    session = model.session(paths.inputs(), notes)
    with _finder(session, things) as find:
        return _describe(session, request, find)


@contextmanager
def _finder(session: Session, things: ThingOptions) -> Iterator[Finder | None]:
    """Give what finds everyday things in a picture with a locating model, if one is named.

    Raises
    ------
    ModelError, UsageError
    """
    from clipcli.images.find import ImageFile
    from clipcli.labels.label_set import load_label_set
    from clipcli.models.locators.small import find_small
    from clipcli.models.locators.source import find_locator
    from clipcli.models.resolve import open_named
    from clipcli.pipeline.locating.opened import open_for
    from clipcli.pipeline.locating.run import Located
    from clipcli.pipeline.locating.wording import question_of
    from clipcli.pipeline.session import Session
    from clipcli.workflows.asking.describing import ASPECTS, MOST_THINGS, SURE_BOX, Thing

    if things.locator is None:
        yield None
        return
    source = find_locator(things.locator)
    if source is None and find_small(open_named(things.locator)) is None:
        raise UsageError(
            f"--locator {things.locator}: finds no boxes",
            hint="such as owlvit-base-patch32 or mini; see `clipcli models list`",
        )
    kind = source.kind if source else "small"
    least = SURE_BOX.get(kind, 0.5) if things.min_score is None else things.min_score
    question = question_of(load_label_set(ASPECTS[0].label_set))
    other = Session(session.inputs, replace(session.model, model=things.locator), session.notes)
    opened = open_for(other, question, least, MOST_THINGS, None)
    with opened.looking() as look_at:

        def find(path: str) -> list[Thing]:
            located = look_at(ImageFile(path))
            if not isinstance(located, Located):
                raise ImageError(located.reason)
            return [Thing(box.label, box.score, box.corners) for box in located.boxes]

        yield find


def _describe(session: Session, request: OutputRequest, find: Finder | None) -> ExitCode:
    from clipcli.cli.conclude import conclude, note_files
    from clipcli.cli.sending import send_all
    from clipcli.labels.label_set import load_label_set
    from clipcli.output.streams import Streams
    from clipcli.pipeline.provenance import now
    from clipcli.workflows.asking.describing import ASPECTS, MOST_NEUTRAL, SURE, Described
    from clipcli.workflows.asking.describing import describe as describe_all
    from clipcli.workflows.asking.writers import open_writer

    started = now()
    classifiers = []
    for aspect in ASPECTS:
        labels = load_label_set(aspect.label_set)
        limit = MOST_NEUTRAL if aspect.has_neutral else None
        classifiers.append((aspect, session.classifier(labels, reject_threshold=limit)))
    found: Iterable[Input] = session.find()[0] if find is None else session.find_files()[0]
    n_unlocated = 0

    def described() -> Iterator[Described | Skipped]:
        nonlocal n_unlocated
        for entry in describe_all(session.embedded(found), classifiers, find):
            n_unlocated += isinstance(entry, Described) and bool(entry.problem)
            yield entry

    facts = {"label_sets": [aspect.label_set for aspect in ASPECTS], "sure": SURE}
    outputs = Streams(request, open_writer, dict)
    send_all(session, outputs, described(), lambda: session.vector_provenance(started) | facts)
    note_files(session, request)
    code = conclude(session)
    return ExitCode.SKIPPED if n_unlocated else code
