"""Words, marks and backgrounds that rendered papers and screens are made of."""

from __future__ import annotations

import functools
import random
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]

FONT_FOLDERS = (
    Path("/usr/share/fonts/truetype/dejavu"),
    Path("/usr/share/fonts/truetype/liberation"),
)
SYLLABLES = (
    *(
        "an",
        "ber",
        "con",
        "del",
        "en",
        "fer",
        "gra",
        "hol",
        "in",
        "jor",
        "kel",
        "lan",
        "mor",
        "nes",
    ),
    *("or", "pel", "ren", "sta", "tion", "un", "ver", "wes", "ing", "er", "a", "the", "of", "to"),
)


@functools.cache
def font_files() -> tuple[str, ...]:
    """Return the fonts that are there: DejaVu and Liberation, as Debian has them."""
    found = [str(p) for folder in FONT_FOLDERS for p in sorted(folder.glob("*.ttf"))]
    if not found:
        raise SystemExit("no fonts: apt install fonts-dejavu fonts-liberation")
    return tuple(found)


@functools.cache
def font(path: str, size: int) -> ImageFont.FreeTypeFont:
    """Return a font at a size in pixels."""
    return ImageFont.truetype(path, size)


def some_font(chance: random.Random, size: int, kind: str = "") -> ImageFont.FreeTypeFont:
    """Draw a font by lot; ``kind`` stands in its file's name."""
    return font(chance.choice([f for f in font_files() if kind in f]), max(size, 6))


def word(chance: random.Random) -> str:
    """Make up a word."""
    return "".join(chance.choice(SYLLABLES) for _ in range(chance.randint(1, 3)))


def sentence(chance: random.Random, n_words: int) -> str:
    """Make up a line of words that begins with a capital."""
    return " ".join(word(chance) for _ in range(n_words)).capitalize()


def amount(chance: random.Random) -> str:
    """Make up a price."""
    return f"{chance.randint(0, 99)}.{chance.randint(0, 99):02d}"


def colour(chance: random.Random, low: int = 0, high: int = 255) -> Colour:
    """Draw a colour by lot."""
    return chance.randint(low, high), chance.randint(low, high), chance.randint(low, high)


def paragraph(
    draw: ImageDraw.ImageDraw,
    chance: random.Random,
    box: tuple[int, int, int, int],
    size: int,
    ink: Colour = (30, 30, 30),
    kind: str = "",
) -> None:
    """Fill a box with lines of made-up text."""
    left, top, right, bottom = box
    face = some_font(chance, size, kind)
    y = top
    while y + size < bottom:
        line = sentence(chance, 16)
        width = right - left if chance.random() < 0.85 else (right - left) * chance.random()
        while line and draw.textlength(line, face) > width:
            line = line[:-3]
        draw.text((left, y), line, fill=ink, font=face)
        y += int(size * 1.4)


def scribble(
    draw: ImageDraw.ImageDraw,
    chance: random.Random,
    start: tuple[float, float],
    width: float,
    size: float,
    ink: Colour,
    pen: int,
) -> None:
    """Write a line by hand: loops that wander to the right, with gaps for words."""
    x, y = start
    points = [(x, y)]
    while x < start[0] + width:
        x += size * chance.uniform(-0.15, 0.5)
        points.append((x, y + size * chance.uniform(-0.6, 0.4)))
        if chance.random() < 0.12:
            if len(points) > 1:
                draw.line(points, fill=ink, width=pen, joint="curve")
            x += size * 0.8
            points = [(x, y)]
    if len(points) > 1:
        draw.line(points, fill=ink, width=pen, joint="curve")


def blank(width: int, height: int, fill: Colour) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Return an empty sheet and what draws on it."""
    sheet = Image.new("RGB", (width, height), fill)
    return sheet, ImageDraw.Draw(sheet)


def paper(chance: random.Random) -> Colour:
    """Return a colour that paper has."""
    level = chance.randint(225, 255)
    return level, level, max(level - chance.randint(0, 18), 0)
