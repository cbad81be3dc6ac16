"""``clipcli probe``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from clipcli.cli import options
from clipcli.cli.groups import ModelOptions, NoteOptions
from clipcli.cli.known import DecidedOptions
from clipcli.cli.option_groups import Command, grouped
from clipcli.errors import ExitCode

if TYPE_CHECKING:
    from clipcli.pipeline.known_answers import KnownAnswers
    from clipcli.workflows.probe.run import ProbeRequest

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Fit a classifier on pictures of your own classes.",
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON. Left out: text.")]


@dataclass
class ProbeLabels:
    """Words for the classes, which a probe begins from."""

    HEADING: ClassVar = "Labels"
    labels: Annotated[
        str | None,
        typer.Option(
            "--labels",
            "-l",
            metavar="SET",
            help="A label set with words for the classes, to begin from. Left out: the classes' "
            "own names.",
        ),
    ] = None
    templates: options.Templates = None
    no_zero_shot: Annotated[
        bool,
        typer.Option(
            "--no-zero-shot",
            help="Fit on pictures alone. Left out: mixed with the classes' words, as far as that "
            "helps.",
        ),
    ] = False


@dataclass
class ProbeData:
    """The pictures that a probe is fitted on."""

    HEADING: ClassVar = "Inputs"
    source: Annotated[
        str,
        typer.Argument(
            metavar="DIR",
            help="A folder with a folder for each class, or with train, val or test above those, "
            "or a .csv or .tsv with the columns path and label.",
        ),
    ]
    splits: options.Splits = None
    shots: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Fit on so many pictures of each class, drawn at random. Left out: on all.",
        ),
    ] = None
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="What the draw depends on.")] = 0

    def request(self, labels: ProbeLabels, known: KnownAnswers | None) -> ProbeRequest:
        """Return what is to be fitted."""
        from clipcli.images.class_tree import split_names
        from clipcli.workflows.probe.run import ProbeRequest

        return ProbeRequest(
            self.source,
            self.shots,
            self.seed,
            labels.labels,
            labels.templates,
            is_zero_shot=not labels.no_zero_shot,
            splits=split_names(self.splits),
            known=known,
        )


def fit(
    data: ProbeData,
    labels: ProbeLabels,
    reviewed: DecidedOptions,
    model: ModelOptions,
    notes: NoteOptions,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where the probe goes: FILE.safetensors."
        ),
    ],
    as_json: AsJson = False,
    overwrite: options.Overwrite = False,
) -> ExitCode:
    """Fit a linear classifier on pictures whose classes are known.

    clipcli probe fit photos-by-class/ -o mine.safetensors
    clipcli probe fit photos-by-class/ --shots 16 -o mine.safetensors
    clipcli probe fit photos/ --decisions decisions.jsonl -o mine.safetensors
    """
    from clipcli.cli.conclude import conclude
    from clipcli.pipeline.inputs import Inputs
    from clipcli.workflows.probe.report import print_fit, save
    from clipcli.workflows.probe.run import Fitting, check_target

    request = data.request(labels, reviewed.decided(data.splits))
    check_target(output, request, overwrite=overwrite)
    session = model.session(Inputs((data.source,)), notes)
    outcome = Fitting(session, request).fit()
    if not outcome.n_held_out:
        session.notes.say(
            "one picture a class leaves none to judge by: the settings are fixed ones"
        )
    save(outcome.probe, output, overwrite=overwrite)
    print_fit(outcome, as_json=as_json)
    return conclude(session)


app.command(cls=Command)(grouped(fit))


@app.command(cls=Command)
def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A probe.")],
    as_json: AsJson = False,
) -> ExitCode:
    """Show what a probe chooses from, and how it was fitted."""
    from clipcli.pipeline.probe import read_probe
    from clipcli.workflows.probe.report import print_probe

    print_probe(read_probe(file), as_json=as_json)
    return ExitCode.DONE
