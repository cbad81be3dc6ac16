"""``clipcli batch``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from clipcli.cli.groups import DecisionOptions, LabelOptions, NoteOptions, UncachedModelOptions
from clipcli.cli.locate_query import LocateQuery
from clipcli.cli.option_groups import Command, grouped
from clipcli.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from clipcli.pipeline.archives import TableColumns
    from clipcli.workflows.fleet.crew import Crew
    from clipcli.workflows.fleet.progress import FleetBudget
    from clipcli.workflows.fleet.survey import Sources

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Classify, embed or locate in millions of pictures.",
)
KINDS = ("auto", "folder", "tar", "parquet", "list")


@dataclass
class SourceOptions:
    """Which pictures there are, and how they are divided."""

    HEADING: ClassVar = "Inputs"
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCES",
            help="Tars, Parquet files, folders, or URLs of them; {0000..0099} stands for many.",
        ),
    ]
    source: Annotated[
        str,
        typer.Option(
            metavar="KIND",
            help="folder, tar, parquet or list (of paths and URLs, a line each). Left out: by the "
            "endings.",
        ),
    ] = "auto"
    image_column: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Parquet: pictures. Left out: the one with bytes."),
    ] = None
    key_column: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Parquet: names. Left out: key, path, name, id or url."),
    ] = None
    url_column: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Parquet: URLs of pictures, which are fetched."),
    ] = None
    shard_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Pictures of a part, where that can be chosen. Left out: 100 to 10,000, so that "
            "there are 64 parts or more.",
        ),
    ] = None

    def named(self) -> Sources:
        """Return them as a plan takes them.

        Raises
        ------
        UsageError
        """
        from clipcli.workflows.fleet.survey import Sources

        if self.source not in KINDS:
            raise UsageError(
                f"--source {self.source}: unknown kind", hint=f"one of {', '.join(KINDS)}"
            )
        return Sources(tuple(self.sources), self.source, self.shard_size)  # type: ignore[arg-type]

    def columns(self) -> TableColumns:
        """Return the columns of Parquet files."""
        from clipcli.pipeline.archives import TableColumns

        return TableColumns(self.image_column, self.key_column, self.url_column)


@dataclass
class BudgetOptions:
    """What may go wrong."""

    HEADING: ClassVar = "Budget"
    retries: Annotated[
        int, typer.Option(min=0, metavar="N", help="How often a shard is tried again.")
    ] = 3
    max_failed_shards: Annotated[
        int, typer.Option(min=0, metavar="N", help="With more than these there is no _SUCCESS.")
    ] = 0
    max_skipped: Annotated[
        str,
        typer.Option(metavar="SHARE", help="Nor with more skipped pictures: 1% or 0.01."),
    ] = "1%"

    def budget(self) -> FleetBudget:
        """Return them as a run takes them.

        Raises
        ------
        UsageError
        """
        from clipcli.workflows.fleet.progress import FleetBudget

        return FleetBudget(self.max_failed_shards, parse_share(self.max_skipped), self.retries)


@dataclass
class WorkerOptions:
    """Who does it."""

    HEADING: ClassVar = "Workers"
    ray: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="none (this process), local (a Ray of its own), HOST:PORT, ray://HOST:PORT, or "
            "auto: a Ray that runs, else whatever the workers need.",
        ),
    ] = "auto"
    workers: Annotated[
        str,
        typer.Option(metavar="MIN:MAX", help="How many: 4, 2:8, or 1: for as many as fit."),
    ] = "1:"
    cpus_per_worker: Annotated[
        float | None,
        typer.Option(min=0.1, metavar="N", help="Left out: a machine's, shared, 8 at most."),
    ] = None
    gpus_per_worker: Annotated[
        float | None,
        typer.Option(min=0.0, metavar="N", help="Left out: 1 where there are GPUs."),
    ] = None

    def crew(self, device: str) -> Crew:
        """Return them as a run takes them.

        Raises
        ------
        UsageError
        """
        from clipcli.workflows.fleet.cluster import WorkerWishes
        from clipcli.workflows.fleet.crew import Crew
        from clipcli.workflows.fleet.on_ray import parse_workers

        least, most = parse_workers(self.workers)
        wishes = WorkerWishes(least, most, self.cpus_per_worker, self.gpus_per_worker, device)
        return Crew(self.ray, wishes)


@dataclass
class IntoOptions:
    """Where parts go."""

    HEADING: ClassVar = "Output"
    into: Annotated[
        str,
        typer.Option(
            metavar="URL", help="A new folder, or s3://bucket/run; or one that was begun."
        ),
    ]
    plan: Annotated[
        bool,
        typer.Option(
            "--plan", help="Say what would be done, and how long it takes, and write nothing."
        ),
    ] = False


def parse_share(text: str) -> float:
    """Return a share of one, written as 1% or 0.01.

    Raises
    ------
    UsageError
    """
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise UsageError(f"--max-skipped {text}: is no share", hint="as 1%, or 0.01")
    return value


def classify(
    inputs: SourceOptions,
    labels: LabelOptions,
    decision: DecisionOptions,
    model: UncachedModelOptions,
    workers: WorkerOptions,
    budget: BudgetOptions,
    into: IntoOptions,
    notes: NoteOptions,
) -> ExitCode:
    """Say which label fits each picture; go on where it was stopped.

    clipcli batch classify 'shard-{0000..0099}.tar' --labels animals --into out
    clipcli batch classify s3://b/data.parquet -l animals --into s3://b/out
    """
    from clipcli.cli.batch_run import BatchRequest, run_batch
    from clipcli.cli.open_classifier import TOP_K, open_classifier
    from clipcli.pipeline.inputs import Inputs
    from clipcli.workflows.fleet.recipe import LabelQuestion

    session = model.session(Inputs(()), notes)
    top_k = decision.top_k or TOP_K
    classifier = open_classifier(session, labels, decision.decisions(), top_k=top_k)
    asked = BatchRequest(
        "classify",
        into.into,
        inputs.named(),
        inputs.columns(),
        budget.budget(),
        workers.crew(model.device),
    )
    question, fingerprint = LabelQuestion.of(classifier), session.encoder.config.fingerprint
    return run_batch(session, asked, question, fingerprint, is_dry=into.plan)


def embed(
    inputs: SourceOptions,
    model: UncachedModelOptions,
    workers: WorkerOptions,
    budget: BudgetOptions,
    into: IntoOptions,
    notes: NoteOptions,
) -> ExitCode:
    """Write each picture's embedding; go on where it was stopped.

    clipcli batch embed 'shard-{0000..0099}.tar' --into vectors
    clipcli batch embed s3://b/photos/ -m ViT-B/32 --into s3://b/vectors
    """
    from clipcli.cli.batch_run import BatchRequest, run_batch
    from clipcli.pipeline.inputs import Inputs

    session = model.session(Inputs(()), notes)
    asked = BatchRequest(
        "embed",
        into.into,
        inputs.named(),
        inputs.columns(),
        budget.budget(),
        workers.crew(model.device),
    )
    fingerprint = session.encoder.config.fingerprint
    return run_batch(session, asked, None, fingerprint, is_dry=into.plan)


def locate(
    inputs: SourceOptions,
    query: LocateQuery,
    model: UncachedModelOptions,
    workers: WorkerOptions,
    budget: BudgetOptions,
    into: IntoOptions,
    notes: NoteOptions,
) -> ExitCode:
    """Find things in each picture; go on where it was stopped.

    clipcli batch locate 'shard-{0000..0099}.tar' -l 'cat, dog' --into boxes
    clipcli batch locate s3://b/photos/ --text 'a red car' -m owlv2 --into out
    """
    from clipcli.cli.batch_run import BatchRequest, run_batch
    from clipcli.errors import LabelSetError
    from clipcli.pipeline.inputs import Inputs
    from clipcli.pipeline.locating.opened import open_for
    from clipcli.workflows.fleet.recipe import BoxQuestion
    from clipcli.workflows.locate.question import asked as asked_for

    if query.labels is None and query.text is None:
        raise LabelSetError(
            "nothing was named to be located",
            hint="--labels 'cat, dog', or --text 'a dog. a red ball'",
        )
    session = model.session(Inputs(()), notes)
    _, question = asked_for((), query.labels, query.text, has_list=False)
    opened = open_for(session, question, query.min_score, query.top, query.nms, coarse=query.coarse)
    asked = BatchRequest(
        "locate",
        into.into,
        inputs.named(),
        inputs.columns(),
        budget.budget(),
        workers.crew(model.device),
    )
    boxes = BoxQuestion.of(opened)
    return run_batch(session, asked, boxes, opened.fingerprint, is_dry=into.plan)


app.command(cls=Command)(grouped(classify))
app.command(cls=Command)(grouped(embed))
app.command(cls=Command)(grouped(locate))


@app.command(cls=Command)
def status(
    into: Annotated[str, typer.Argument(metavar="URL", help="Where parts go: what --into said.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON. Left out: text.")] = False,
) -> ExitCode:
    """Say how far a run is, from what it has written.

    clipcli batch status out
    clipcli batch status s3://bucket/out --json
    """
    import json

    from clipcli.workflows.fleet.begin import open_output
    from clipcli.workflows.fleet.status import status_of

    found = status_of(open_output(into))
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=2))
    else:
        typer.echo("\n".join(found.lines()))
    return ExitCode.DONE
