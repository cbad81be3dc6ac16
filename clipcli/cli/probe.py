"""``clipcli probe``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clipcli.cli import options
from clipcli.cli.groups import ModelOptions, NoteOptions
from clipcli.cli.option_groups import Command, grouped
from clipcli.errors import ExitCode

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Fit a classifier on pictures of your own classes.",
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON. Left out: text.")]


def fit(
    model: ModelOptions,
    notes: NoteOptions,
    source: Annotated[
        str,
        typer.Argument(
            metavar="DIR",
            help="A folder with a folder for each class, or with train, val or test above those, "
            "or a .csv or .tsv with the columns path and label.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where the probe goes: FILE.safetensors."
        ),
    ],
    shots: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Fit on so many pictures of each class, drawn at random. Left out: on all.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="What the draw depends on.")] = 0,
    labels: Annotated[
        str | None,
        typer.Option(
            "--labels",
            "-l",
            metavar="SET",
            help="A label set with words for the classes, to begin from. Left out: the classes' "
            "own names.",
        ),
    ] = None,
    templates: options.Templates = None,
    no_zero_shot: Annotated[
        bool,
        typer.Option(
            "--no-zero-shot",
            help="Fit on pictures alone. Left out: mixed with the classes' words, as far as that "
            "helps.",
        ),
    ] = False,
    as_json: AsJson = False,
    overwrite: options.Overwrite = False,
    splits: options.Splits = None,
) -> ExitCode:
    """Fit a linear classifier on pictures whose classes are known.

    clipcli probe fit photos-by-class/ -o mine.safetensors
    clipcli probe fit photos-by-class/ --shots 16 -o mine.safetensors
    """
    from clipcli.cli.conclude import conclude
    from clipcli.images.class_tree import split_names
    from clipcli.pipeline.inputs import Inputs
    from clipcli.workflows.probe.report import print_fit, save
    from clipcli.workflows.probe.run import Fitting, ProbeRequest, check_target

    request = ProbeRequest(
        source,
        shots,
        seed,
        labels,
        templates,
        is_zero_shot=not no_zero_shot,
        splits=split_names(splits),
    )
    check_target(output, request, overwrite=overwrite)
    session = model.session(Inputs((source,)), notes)
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
