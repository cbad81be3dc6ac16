"""This file knows about the options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

Paths: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PATHS...",
        help="Pictures, folders (walked), patterns, or - for a list on standard input.",
        show_default=False,
    ),
]
Labels: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--labels",
        "-l",
        metavar="SET",
        help="A label file, labels with commas between them, or a built-in set "
        "(see: clipcli labels list). Required.",
    ),
]
Templates: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--templates",
        "-t",
        metavar="SET",
        help="A template set, a file, or 'a photo of a {}.' Left out: the label set's own, "
        "the model's own, or 'photo'.",
    ),
]
Model: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="MODEL",
        help="A model's name or folder. Left out: $CLIPCLI_MODEL, or the bundled 'mini'.",
    ),
]
Device: TypeAlias = Annotated[
    str,
    typer.Option(
        help="cpu, cuda, cuda:N or mps. Left out: the best that is there.", metavar="DEVICE"
    ),
]
Precision: TypeAlias = Annotated[
    str,
    typer.Option(
        help="fp32, bf16 or fp16. Left out: what the device computes fast.", metavar="PRECISION"
    ),
]
Exact: TypeAlias = Annotated[
    bool,
    typer.Option("--exact", help="Decode large JPEGs in full. Left out: at a reduced scale."),
]
MaxPixels: TypeAlias = Annotated[
    float,
    typer.Option(
        metavar="MEGAPIXELS",
        help="Skip pictures with more megapixels than this.",
        min=0.0,
    ),
]
FromFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(metavar="LIST", help="Read paths from a file, one a line, besides PATHS."),
]
Null: TypeAlias = Annotated[
    bool,
    typer.Option("--null", "-0", help="Lists separate paths by NUL. Left out: by line ends."),
]
Overwrite: TypeAlias = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace outputs that exist. Left out: refuse."),
]
NoCache: TypeAlias = Annotated[
    bool,
    typer.Option("--no-cache", help="Neither read nor write the cache. Left out: use it."),
]
Quiet: TypeAlias = Annotated[
    bool, typer.Option("--quiet", "-q", help="No notes or progress, only results and errors.")
]
Verbose: TypeAlias = Annotated[
    bool, typer.Option("--verbose", "-v", help="Tell more on standard error.")
]
