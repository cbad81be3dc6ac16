"""A picture beside the heat of each label, and the words of both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipcli.output.drawing.heat import overlaid, row_of
from clipcli.output.text import visible
from clipcli.pipeline.heat import stretch
from clipcli.workflows.explain.run import Explained, Heat, picture_of

if TYPE_CHECKING:
    from PIL.Image import Image


def drawn(entry: Explained, height: int) -> Image:
    """Return a picture and its heats side by side, with captions."""
    picture = picture_of(entry, 2 * height)
    width = round(picture.width * height / picture.height)
    # As the maps themselves, no more than four times as long as wide.
    picture = picture.resize((min(max(width, height // 4), 4 * height), height))
    panels, captions = [picture], [visible(entry.path)]
    for heat in entry.heats:
        panels.append(overlaid(picture, stretch(heat.grid, picture.width, picture.height)))
        captions.append(caption(heat))
    return row_of(panels, captions)


def caption(heat: Heat) -> str:
    """Name a label and its probability."""
    return f"{visible(heat.label)}  {100 * heat.probability:.0f} %"


def word_list(heat: Heat) -> list[tuple[str, str]]:
    """Return a prompt's words and what each adds to the cosine, signed."""
    return [(visible(word), f"{change:+.3f}") for word, change in heat.reason.words]


def adds(change: str) -> bool:
    """Tell whether a word's change, as it is shown, makes its prompt fit better."""
    return float(change) > 0
