"""The README's pictures: small, whole, and what the program shows today."""

from __future__ import annotations

import html
import os
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from tests.docs.blocks import environment
from tests.docs.comparing import are_alike
from tests.docs.pictures import IMAGES, SHOWN_PX, lay_out, terminal_picture

TERMINAL = IMAGES / "terminal.svg"
MOST_KB = 120


def lines_of(drawn: str) -> list[str]:
    """Return the lines of text in a picture of a terminal, from the top."""
    lines: dict[float, str] = {}
    for y, text in re.findall(r'<text [^>]*y="([\d.]+)"[^>]*>(.*?)</text>', drawn):
        lines[float(y)] = lines.get(float(y), "") + html.unescape(text).replace("\xa0", " ")
    return [lines[y].rstrip() for y in sorted(lines)]


def test_pictures_are_small_and_need_no_network() -> None:
    drawn = TERMINAL.read_text(encoding="utf-8")
    ET.fromstring(drawn)  # well-formed

    assert sum(path.stat().st_size for path in IMAGES.iterdir()) <= MOST_KB * 1000
    assert not re.search(r"url\(\"?http|href=\"http", drawn)
    with Image.open(IMAGES / "contact-sheet.jpg") as sheet:
        assert sheet.size == SHOWN_PX


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_the_picture_of_a_terminal_shows_what_is_printed_there(tmp_path: Path) -> None:
    variables = environment(tmp_path, tmp_path / "cache")

    drawn = terminal_picture(lay_out(tmp_path), variables)

    shown = lines_of(TERMINAL.read_text(encoding="utf-8"))
    assert len(shown) > 10
    assert are_alike(shown, lines_of(drawn)), "renew it: python -m tests.docs.pictures"
