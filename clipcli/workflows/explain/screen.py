"""An explanation on a terminal: the picture, its heat beside it, and the words that count."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from clipcli.errors import ImageError
from clipcli.output.drawing.heat import overlaid, row_of
from clipcli.output.drawing.terminal import blocks, escape, protocol
from clipcli.output.table import terminal
from clipcli.output.text import visible
from clipcli.pipeline.heat import stretch
from clipcli.workflows.explain.panels import adds, caption, drawn, word_list
from clipcli.workflows.explain.run import Explained, Heat, picture_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

SHOWN_PX = 240
COLUMNS = 36  # of one panel
LEAST_COLUMNS = 8


def show(entry: Explained, stream: TextIO) -> None:
    """Print one picture's explanation."""
    console = terminal(stream)
    console.print(_heading(entry))
    kind = protocol()
    try:
        if kind == "blocks":
            _show_blocks(entry, console)
        else:
            stream.write(escape(drawn(entry, SHOWN_PX), kind))
    except ImageError:
        pass  # it was there a moment ago; the words are still worth reading
    for heat in entry.heats:
        console.print(_line(heat), soft_wrap=False)  # a number is not torn apart


def _show_blocks(entry: Explained, console: Console) -> None:
    """Put the picture and the heat of its first label side by side."""
    picture = picture_of(entry, SHOWN_PX)
    heat = overlaid(picture, stretch(entry.heats[0].grid, picture.width, picture.height))
    pair = row_of([picture, heat], ["", ""]).crop(
        (0, 20, 2 * picture.width + 6, 20 + picture.height)
    )
    columns = max(LEAST_COLUMNS, min(2 * COLUMNS, console.width - 1))
    console.print(blocks(pair, columns), end="")


def _heading(entry: Explained) -> Text:
    from rich.text import Text

    return Text(visible(entry.path), style="bold").append(
        f"  {visible(entry.label or 'none of these')}", style="green"
    )


def _line(heat: Heat) -> Text:
    from rich.text import Text

    text = Text(f"  {caption(heat)}", style="default")
    text.append(f"  at {heat.peak[0]}, {heat.peak[1]}  ", style="dim")
    for word, change in word_list(heat):
        text.append(word).append(f" {change}  ", style="green" if adds(change) else "dim")
    return text
