"""What ``train`` and ``train-text`` share: options, progress, curves."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from clipcli.cli.progress import Notes

Steps = Annotated[
    int | None, typer.Option(metavar="N", help="Length in steps, in the place of --epochs.")
]
Minutes = Annotated[
    float | None, typer.Option(metavar="N", help="Length in time, in the place of --epochs.")
]
Seed = Annotated[
    int | None, typer.Option(metavar="N", help="Changes every draw of chance. Left out: 0.")
]
LogOnly = Annotated[
    bool, typer.Option("--quiet", "-q", help="Say nothing but errors; the log is written.")
]


def draw_curves(out: Path, say: Callable[[str], None]) -> None:
    """Draw what the run's log holds so far as ``curves.html`` beside it."""
    from clipcli.output.html.line_chart import curves_page
    from clipcli.training.log import read_curves

    log, path = out / "log.jsonl", out / "curves.html"
    if not log.is_file():
        return
    charts = [(own.title, own.lines, own.is_share) for own in read_curves(log)]
    try:
        path.write_text(curves_page(out.absolute().name, charts), encoding="utf-8")
    except OSError as error:
        say(f"{path}: {error.strerror or error}")
    else:
        say(f"learning curves: {path}")


Watching: TypeAlias = "tuple[Callable[[str], None], Callable[[float, str], None] | None]"


@contextmanager
def watching(*, quiet: bool) -> Iterator[Watching]:
    """Yield where lines go and, on a terminal, what moves a bar."""
    notes = Notes(quiet=quiet)
    if quiet or not sys.stderr.isatty():
        yield notes.say, None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.text import Text

    columns = (BarColumn(20), TextColumn("{task.fields[figures]}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=1.0, figures="")

        def advance(share: float, figures: str) -> None:
            progress.update(task, completed=share, figures=figures)

        yield (lambda line: progress.console.print(Text(line))), advance
