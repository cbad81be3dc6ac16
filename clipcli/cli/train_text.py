"""``clipcli train-text``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from clipcli.cli.training_run import LogOnly, Minutes, Seed, Steps, draw_curves, watching
from clipcli.errors import ExitCode


@dataclass
class TextLengthOptions:
    """How long a run is."""

    HEADING: ClassVar = "Length"
    epochs: Annotated[
        float | None,
        typer.Option(metavar="N", help="How often each text is seen. Left out: 20 times."),
    ] = None
    steps: Steps = None
    minutes: Minutes = None


@dataclass
class TextLearningOptions:
    """What the tower is, and what a step is."""

    HEADING: ClassVar = "Training"
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="The model whose texts' vectors are learned and whose image tower goes with the "
            "new tower. Left out: the corpus has vectors, and only the tower is trained.",
        ),
    ] = None
    vocabulary: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Merges. Left out: learned from the corpus, and kept."),
    ] = None
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="YAML with all settings; options win over it. Left out: a tower as mini's.",
        ),
    ] = None
    batch_size: Annotated[
        int | None, typer.Option(metavar="N", help="Texts in a step. Left out: 256.")
    ] = None
    lr: Annotated[
        float | None, typer.Option(metavar="X", help="Highest learning rate. Left out: 0.001.")
    ] = None
    seed: Seed = None


def train_text(
    corpus: Annotated[
        Path,
        typer.Argument(
            metavar="CORPUS",
            help="A .txt of one text a line, or a .tsv of texts and what the teacher reads in "
            "their place (both with --model); an .npz with texts and vectors; or a folder with "
            "texts.tsv and vectors.npy.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Where the run lives: checkpoints, log.jsonl, curves.html and, with --model, "
            "DIR/model. A run that was stopped there goes on.",
        ),
    ],
    learning: TextLearningOptions,
    length: TextLengthOptions,
    quiet: LogOnly = False,
) -> ExitCode:
    """Train a small text tower on what a model's own says.

    clipcli train-text german.tsv --model ViT-B/32 --out runs/german
    clipcli train-text vectors.npz --vocabulary merges.txt --out runs/tower
    """
    from clipcli.training.config_file import read_text_config

    chosen = asdict(length) | asdict(learning)
    model, config = chosen.pop("model"), chosen.pop("config")
    settings = read_text_config(config, **chosen)
    # Below the reading of options: a mistake in them should not wait for torch.
    from clipcli.training.loop import DivergedError
    from clipcli.training.text.run import train_text as run_training

    with watching(quiet=quiet) as (say, advance):
        try:
            run_training(corpus, out, settings, model=model, say=say, advance=advance)
        except (KeyboardInterrupt, DivergedError):
            draw_curves(out, say)
            raise
        draw_curves(out, say)
    return ExitCode.DONE
