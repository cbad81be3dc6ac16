"""``clipcli train-locator``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from clipcli.cli.training_run import LogOnly, Minutes, Steps, draw_curves, watching
from clipcli.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from clipcli.training.locating.examples import Example
    from clipcli.training.log import Say


@dataclass
class LocatorLength:
    """How long a run is."""

    HEADING: ClassVar = "Length"
    epochs: Annotated[
        float, typer.Option(min=0.0, metavar="N", help="How often each picture is seen.")
    ] = 10.0
    steps: Steps = None
    minutes: Minutes = None


@dataclass
class LocatorLearning:
    """What a step is."""

    HEADING: ClassVar = "Training"
    batch_size: Annotated[int, typer.Option(min=1, metavar="N", help="Pictures in a step.")] = 4
    lr: Annotated[
        float,
        typer.Option(
            min=0.0, metavar="X", help="Highest learning rate; words learn at a tenth of it."
        ),
    ] = 0.0001
    size: Annotated[
        int,
        typer.Option(min=32, max=2048, metavar="PX", help="The pictures' short side, in pixels."),
    ] = 800
    seed: Annotated[int, typer.Option(metavar="N", help="Changes every draw of chance.")] = 0
    device: Annotated[
        str,
        typer.Option(
            metavar="DEVICE", help="cpu, cuda or mps. Left out: the fastest that is there."
        ),
    ] = "auto"


@dataclass
class TeacherOptions:
    """Boxes that a teacher finds, to learn from."""

    HEADING: ClassVar = "Self-training"
    captions: Annotated[
        Path | None,
        typer.Option(
            metavar="DATA",
            help="Pictures with captions, a .csv, .tsv or .jsonl with image and caption: what the "
            "teacher is sure of in them is learned too. Left out: none.",
        ),
    ] = None
    teacher: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL", help="The model that locates in them. Left out: that of --init."
        ),
    ] = None
    teacher_score: Annotated[
        float, typer.Option(min=0.0, max=1.0, metavar="SCORE", help="From which score it is sure.")
    ] = 0.5


def train_locator(
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Where the run lives: DIR/model, checkpoints, log.jsonl and curves.html. A run "
            "that was stopped there goes on.",
        ),
    ],
    init: Annotated[
        str, typer.Option(metavar="MODEL", help="The GLIP model to start from, by name or path.")
    ],
    length: LocatorLength,
    learning: LocatorLearning,
    teaching: TeacherOptions,
    annotations: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="BOXES",
            help="Files in COCO's form, or with captions and tokens_positive. Left out: --captions "
            "alone.",
            show_default=False,
        ),
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Where the pictures of BOXES lie. Left out: beside each file."
        ),
    ] = None,
    quiet: LogOnly = False,
) -> ExitCode:
    """Train a model that locates, by boxes or by a teacher.

    clipcli train-locator boxes.json --init glip_tiny/ --out runs/mine
    clipcli train-locator --captions more.csv --init glip-t --out runs/more
    """
    if not annotations and teaching.captions is None:
        raise UsageError(
            "there is nothing to learn from", hint="name a file of boxes, or --captions"
        )
    # Below the reading of options: a mistake in them should not wait for torch.
    from clipcli.models.locators.source import open_locator
    from clipcli.models.resolve import resolve_model
    from clipcli.training.locating.examples import read_examples
    from clipcli.training.locating.run import LocatorTraining, check_beginning
    from clipcli.training.locating.run import train_locator as run_training
    from clipcli.training.loop import DivergedError

    source = open_locator(resolve_model(init))
    check_beginning(source, out)  # before a teacher looks at pictures for hours
    settings = LocatorTraining(
        steps=length.steps,
        minutes=length.minutes,
        epochs=length.epochs,
        batch_size=learning.batch_size,
        lr=learning.lr,
        short_px=learning.size,
        seed=learning.seed,
        device=learning.device,
    )
    examples = [one for file in annotations or () for one in read_examples(file, pictures)]
    with watching(quiet=quiet) as (say, advance):
        examples += _taught(teaching, init, learning.device, out, say)
        try:
            run_training(source, examples, out, settings, say=say, advance=advance)
        except (KeyboardInterrupt, DivergedError):
            draw_curves(out, say)
            raise
        draw_curves(out, say)
    return ExitCode.DONE


def _taught(teaching: TeacherOptions, init: str, device: str, out: Path, say: Say) -> list[Example]:
    """Return what a teacher finds in captioned pictures; a run that goes on asks it no more."""
    from clipcli.encoder.load_locator import load_locator
    from clipcli.models.locators.source import open_locator
    from clipcli.models.resolve import resolve_model
    from clipcli.training.data.open import read_pairs
    from clipcli.training.locating.pseudo import kept_examples, pseudo_examples

    if teaching.captions is None:
        return []
    pairs = read_pairs(teaching.captions)
    teacher = open_locator(resolve_model(teaching.teacher or init))
    facts = {"teacher": teacher.fingerprint, "score": teaching.teacher_score}
    facts |= {"captions": [[str(pair.path), pair.captions[0]] for pair in pairs]}
    found = kept_examples(
        out / "pseudo.json",
        facts,
        lambda: pseudo_examples(
            load_locator(teacher, device), pairs, say, sure=teaching.teacher_score
        ),
    )
    say(f"the teacher is sure of something in {len(found):,} of {len(pairs):,} pictures")
    return found
