"""``clipcli train``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from clipcli.cli.training_run import LogOnly, Minutes, Seed, Steps, draw_curves, watching
from clipcli.errors import ExitCode

if TYPE_CHECKING:
    from clipcli.training.config import TrainingConfig


@dataclass
class LengthOptions:
    """How long a run is."""

    HEADING: ClassVar = "Length"
    epochs: Annotated[
        float | None,
        typer.Option(
            metavar="N", help="How often each picture is seen. Left out: 10 times, or 100 steps."
        ),
    ] = None
    steps: Steps = None
    minutes: Minutes = None


@dataclass
class LearningOptions:
    """What a step is, and what learns."""

    HEADING: ClassVar = "Training"
    batch_size: Annotated[
        int | None, typer.Option(metavar="N", help="Pairs in a step. Left out: 128, or all.")
    ] = None
    lr: Annotated[
        float | None, typer.Option(metavar="X", help="Highest learning rate. Left out: 0.0001.")
    ] = None
    chunk_size: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Pairs in memory at a time, for large batches. Left out: the whole batch.",
        ),
    ] = None
    loss: Annotated[
        str | None,
        typer.Option(
            metavar="LOSS",
            help="softmax, as CLIP's, sigmoid, as SigLIP's, or tokens, FILIP's: places and words "
            "as well. Left out: the model's.",
        ),
    ] = None
    freeze: Annotated[
        str | None,
        typer.Option(
            metavar="TOWER", help="image or text: it stays as it is. Left out: both learn."
        ),
    ] = None
    weight: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=X",
            help="How often pairs of a source are drawn, which is called as its file or folder. "
            "Left out: all alike.",
        ),
    ] = None
    blend: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="How far the model goes from its start to what was trained, 0 to 1; less forgets "
            "less. Left out: 0.5, from random weights 1.",
        ),
    ] = None
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="PRECISION",
            help="fp32, bf16 or fp16. Left out: what the device computes fast.",
        ),
    ] = None
    device: Annotated[
        str | None,
        typer.Option(
            metavar="DEVICE", help="cpu, cuda or mps. Left out: the fastest that is there."
        ),
    ] = None
    seed: Seed = None


def train(
    length: LengthOptions,
    learning: LearningOptions,
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Where the run lives: DIR/model, checkpoints, log.jsonl and curves.html. A "
            "run that was stopped there goes on.",
        ),
    ],
    data: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="DATA",
            help="A folder whose folders are named for what is in them; a .csv, .tsv or .jsonl "
            "with image and caption; .tar files as webdataset's; a packed folder. Several are "
            "trained on together. Left out: what --config names.",
            show_default=False,
        ),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="The model to start from, by name or folder; or the file of an EfficientNet-Lite, "
            "which gets a new head and the default model's text tower. Left out: $CLIPCLI_MODEL, "
            "or the bundled 'mini'.",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="YAML with all settings; options win over it. Left out: settings for fine-tuning.",
        ),
    ] = None,
    quiet: LogOnly = False,
) -> ExitCode:
    """Train a model on pictures with captions or class names.

    clipcli train photos/ --out runs/mine
    clipcli train captions.csv --init ViT-B/32 --minutes 30 --out runs/mine
    """
    from clipcli.training.config_file import read_config, with_options

    settings = with_options(read_config(config), **asdict(length), **asdict(learning))
    return _train(settings, data or [], out, init, quiet=quiet)


def _train(
    settings: TrainingConfig, data: Sequence[Path], out: Path, init: str | None, *, quiet: bool
) -> ExitCode:
    # Here, below the reading of options: a mistake in them should not wait for torch.
    from clipcli.training.distributed.group import PeerError
    from clipcli.training.distributed.launch import joined
    from clipcli.training.loop import DivergedError
    from clipcli.training.train import train as run_training

    with joined() as group, watching(quiet=quiet or not group.is_first) as (say, advance):
        try:
            run_training(data, out, settings, init=init, say=say, advance=advance, group=group)
        except PeerError as error:
            return error.exit_code
        except (KeyboardInterrupt, DivergedError):
            draw_curves(out, say)
            raise
        if group.is_first:
            draw_curves(out, say)
    return ExitCode.DONE
