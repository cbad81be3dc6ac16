"""Pictures on a terminal: the right protocol, and what is sent is the picture."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from clipcli.output.drawing.heat import colours, fitted, layer, overlaid
from clipcli.output.drawing.terminal import blocks, escape, protocol, sixel


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TERM": "xterm-256color"}, "blocks"),
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "iterm"),
        ({"TERM": "foot"}, "sixel"),
        ({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1"}, "blocks"),  # tmux passes nothing on
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux"}, "blocks"),
        ({}, "blocks"),
    ],
)
def test_protocols(environment: dict[str, str], expected: str) -> None:
    assert protocol(environment) == expected


def test_kitty_gets_the_picture_in_pieces() -> None:
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8))

    sent = escape(picture, "kitty")

    pieces = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", sent)
    assert pieces[0][0] == "a=T,f=100,m=1"
    assert [head for head, _ in pieces[1:]] == ["m=1"] * (len(pieces) - 2) + ["m=0"]
    data = base64.b64decode("".join(data for _, data in pieces))
    assert (np.asarray(Image.open(io.BytesIO(data))) == np.asarray(picture)).all()


def test_iterm_gets_the_picture_at_once() -> None:
    picture = Image.new("RGB", (4, 3), "red")

    sent = escape(picture, "iterm")

    data = base64.b64decode(sent.partition(":")[2].rstrip("\x07\n"))
    assert Image.open(io.BytesIO(data)).size == (4, 3)


def test_sixel_says_each_pixel_once() -> None:
    pixels = np.zeros((8, 5, 3), np.uint8)
    pixels[:, 2:] = (255, 0, 0)
    pixels[6:] = (0, 0, 255)

    sent = sixel(Image.fromarray(pixels))

    body = sent.removeprefix("\x1bPq").removesuffix("\x1b\\\n")
    palette = {
        int(i): tuple(map(int, rgb)) for i, *rgb in re.findall(r"#(\d+);2;(\d+);(\d+);(\d+)", body)
    }
    body = re.sub(r"#\d+;2;\d+;\d+;\d+", "", body)
    painted = np.full((12, 5, 3), -1)
    for band, lines in enumerate(body.split("-")):
        for line in lines.split("$"):
            colour, columns = re.fullmatch(r"#(\d+)(.*)", line).groups()  # type: ignore[union-attr]
            for x, character in enumerate(columns):
                for bit in range(6):
                    if (ord(character) - 63) >> bit & 1:
                        assert (painted[6 * band + bit, x] == -1).all()
                        painted[6 * band + bit, x] = palette[int(colour)]
    assert (painted[:8] == np.round(pixels / 2.55)).all()


def test_blocks_hold_two_pixels_each() -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[:2] = 255

    text = blocks(Image.fromarray(pixels), 4)

    assert text.plain == "▀▀▀▀\n▀▀▀▀\n"


def test_brighter_is_more() -> None:
    shares = np.linspace(0, 1, 50, dtype=np.float32)[None]

    brightness = colours(shares).astype(float) @ (0.2126, 0.7152, 0.0722)

    assert (np.diff(brightness[0]) > 0).all()
    assert layer(shares).mode == "RGBA"


def test_a_place_without_a_share_stays_visible() -> None:
    picture = Image.new("RGB", (3, 2), "white")

    dimmed = np.asarray(overlaid(picture, np.zeros((2, 3), np.float32)))

    assert dimmed.min() > 150


def test_a_long_path_keeps_its_name() -> None:
    class Typewriter:
        @staticmethod
        def getlength(text: str) -> int:
            return 10 * len(text)

    assert fitted("/a/long/folder/koala.jpg", 150, Typewriter()) == "/a/…r/koala.jpg"
    assert fitted("koala.jpg", 150, Typewriter()) == "koala.jpg"
    assert fitted("koala.jpg", 5, Typewriter()) == "…"
