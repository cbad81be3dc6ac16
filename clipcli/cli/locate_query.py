"""What is looked for in pictures: the options that ``locate`` and ``batch locate`` share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import typer

from clipcli.cli import options


@dataclass
class LocateQuery:
    """What is looked for, and which boxes are listed."""

    HEADING: ClassVar = "Query"
    labels: Annotated[
        str | None,
        typer.Option(
            "--labels",
            "-l",
            metavar="SET",
            help="A label file, names with commas between them, or a built-in set. Left out: the "
            "phrases of a text.",
            callback=options.own_label_set,
        ),
    ] = None
    text: Annotated[
        str | None,
        typer.Option(
            "--text",
            metavar="TEXT",
            help="Things in words, between full stops or commas. Left out: the last of PATHS; in "
            "batch, --labels.",
        ),
    ] = None
    min_score: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="SCORE",
            help="List no box with a lower score. Left out: 0.1 with OWL-ViT and OWLv2, 0.3 with "
            "Grounding DINO and its like, 0.25 with the small locator of the bundled model, "
            "else 0.5.",
            show_default=False,
        ),
    ] = None
    top: Annotated[
        int,
        typer.Option(
            "--top-k", "--top", "-k", min=1, metavar="N", help="How many boxes to list a picture."
        ),
    ] = 100
    nms: Annotated[
        float | None,
        typer.Option(
            "--nms",
            min=0.0,
            max=1.0,
            metavar="OVERLAP",
            help="Drop a box that overlaps a better one of its label by more; 1 keeps all. Left "
            "out: 0.6 with GLIP, 1 with Grounding DINO and its like, else 0.5.",
            show_default=False,
        ),
    ] = None
    coarse: Annotated[
        bool,
        typer.Option(
            "--coarse",
            help="Draw coarse boxes, from heat maps. Left out: those of the small locator, where "
            "the model has one, as the bundled one does.",
        ),
    ] = False
