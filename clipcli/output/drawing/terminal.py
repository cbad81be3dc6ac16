"""Pictures on a terminal: in its own protocol where it has one, else in block characters."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image
    from rich.text import Text

Protocol: TypeAlias = Literal["kitty", "iterm", "sixel", "blocks"]
CHUNK = 4096  # base64 characters in one of kitty's escapes
SIXEL_COLOURS = 64
SIXEL_ROWS = 6
SIXEL_TERMINALS = ("foot", "mlterm", "yaft")
MULTIPLEXERS = ("tmux", "screen")  # they pass no pictures on
UPPER_HALF = "▀"


def protocol(environment: Mapping[str, str] = os.environ) -> Protocol:
    """Return how a terminal shows pictures, as far as its environment says."""
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    if term.startswith(MULTIPLEXERS) or "TMUX" in environment:
        return "blocks"
    if "KITTY_WINDOW_ID" in environment or "kitty" in term or program == "ghostty":
        return "kitty"
    if program in ("iTerm.app", "WezTerm"):
        return "iterm"
    return "sixel" if "sixel" in term or term.startswith(SIXEL_TERMINALS) else "blocks"


def escape(picture: Image, kind: Protocol) -> str:
    """Return what makes a terminal show a picture by its own protocol."""
    if kind == "sixel":
        return sixel(picture)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    if kind == "iterm":
        return f"\x1b]1337;File=inline=1;size={len(buffer.getvalue())}:{data}\x07\n"
    chunks = [data[i : i + CHUNK] for i in range(0, len(data), CHUNK)]
    heads = ["a=T,f=100,"] + [""] * (len(chunks) - 1)
    ends = [1] * (len(chunks) - 1) + [0]
    parts = (
        f"\x1b_G{head}m={more};{chunk}\x1b\\"
        for head, more, chunk in zip(heads, ends, chunks, strict=True)
    )
    return "".join(parts) + "\n"


def sixel(picture: Image) -> str:
    """Return a picture in DEC's sixel graphics: six rows at a time, a colour at a time."""
    import numpy as np

    reduced = picture.quantize(SIXEL_COLOURS)
    palette = np.array(reduced.getpalette() or [], int).reshape(-1, 3)
    indices = np.asarray(reduced)  # (h, w)
    used = np.unique(indices).tolist()
    colours = (
        f"#{i};2;" + ";".join(str(round(100 * v / 255)) for v in palette[i].tolist()) for i in used
    )
    bands = "-".join(
        "$".join(_sixel_lines(indices[top : top + SIXEL_ROWS]))
        for top in range(0, len(indices), SIXEL_ROWS)
    )
    return f"\x1bPq{''.join(colours)}{bands}\x1b\\\n"


def _sixel_lines(band: NDArray[np.uint8]) -> Iterator[str]:
    import numpy as np

    weights = 1 << np.arange(len(band))[:, None]
    for colour in np.unique(band).tolist():
        columns = ((band == colour) * weights).sum(axis=0)  # (w,)
        yield f"#{colour}" + "".join(chr(63 + int(bits)) for bits in columns)


def blocks(picture: Image, columns: int) -> Text:
    """Return a picture as lines of block characters, two pixels in each."""
    from PIL import Image as Images
    from rich.color import Color
    from rich.style import Style
    from rich.text import Text

    rows = max(1, round(columns * picture.height / picture.width / 2))
    small = picture.convert("RGB").resize((columns, 2 * rows), Images.Resampling.BILINEAR)
    pixels = small.load()
    text = Text(no_wrap=True)
    for y in range(0, 2 * rows, 2):
        for x in range(columns):
            upper, lower = pixels[x, y], pixels[x, y + 1]  # type: ignore[index]
            style = Style(
                color=Color.from_rgb(*upper),  # type: ignore[misc]
                bgcolor=Color.from_rgb(*lower),  # type: ignore[misc]
            )
            text.append(UPPER_HALF, style)
        text.append("\n")
    return text
