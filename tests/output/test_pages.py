"""Pages for a browser: what stands in them, and what cannot get in."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import sys
import tracemalloc
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from jinja2 import UndefinedError
from PIL import Image

from clipcli.output.html.gallery import Card, Gallery, GallerySettings
from clipcli.output.html.page import link, page
from clipcli.output.html.thumbnails import SIDE_PX, thumbnail
from clipcli.output.text import visible
from clipcli.results import Provenance, Result, Skipped
from tests.output.conftest import AWKWARD, classified, write_all

HOSTILE = (
    "</script><script>alert(1)</script>.jpg",
    "<img src=x onerror=alert(1)>.jpg",
    "<!-- pictures -->.jpg",
    "\"'><svg onload=alert(1)>.jpg",
    "{{ 7*7 }}.jpg",
    "javascript:alert(1)",
)


class Parsed(HTMLParser):
    """What a browser would make of a page: tags with attributes, scripts with their text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag in ("script", "style"):
            self.scripts.append((dict(attributes), ""))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem in ("script", "style"):
            attributes, text = self.scripts.pop()
            self.scripts.append((attributes, text + data))

    @property
    def cards(self) -> list[dict[str, Any]]:
        blocks = [text for attributes, text in self.scripts if attributes.get("class") == "cards"]
        return [card for block in blocks for card in json.loads(block)]


def read(path: Path) -> Parsed:
    return Parsed(path.read_text(encoding="utf-8"))


def test_a_contact_sheet_says_which_rule_gave_a_label(
    provenance: Provenance, tmp_path: Path
) -> None:
    by_rule = replace(classified("a.png"), rule="screenshot")

    path = write_all(tmp_path / "sheet.html", [by_rule, classified("b.png")], provenance)

    cards = read(path).cards
    assert [card.get("note", "") for card in cards] == ["rule: screenshot", ""]


def test_a_contact_sheet_has_a_card_for_every_result_in_order(
    results: list[Result], provenance: Provenance, tmp_path: Path
) -> None:
    path = write_all(tmp_path / "sheet.html", results, provenance)

    cards = read(path).cards

    assert [(card["name"], card["title"]) for card in cards] == [
        ("a.jpg", "cat"),
        ("b.jpg", "skipped"),
        ("c.jpg", "unsure"),
        ("d.jpg", "none of these"),
    ]
    assert cards[0]["bars"] == [["cat", 0.7], ["dog", 0.2], ["teapot", 0.1]]
    assert cards[1]["note"] == "truncated JPEG"
    draws = [card["numbers"]["draw"] for card in (cards[0], *cards[2:])]
    assert draws == [zlib.crc32(name) for name in (b"a.jpg", b"c.jpg", b"d.jpg")]


def test_a_page_tells_of_its_making_and_of_an_early_end(
    results: list[Result], provenance: Provenance, tmp_path: Path
) -> None:
    path = write_all(tmp_path / "sheet.htm", results, provenance, error="interrupted")

    text = path.read_text(encoding="utf-8")

    assert "not complete: interrupted" in text
    assert provenance.fingerprint in text


def test_no_name_gets_out_of_its_place(provenance: Provenance, tmp_path: Path) -> None:
    plain = write_all(tmp_path / "plain.html", [classified("a.jpg")] * 2, provenance)
    names = (*HOSTILE, *AWKWARD)
    results: list[Result] = [classified(name, (name, 0.5)) for name in names]
    results += [Skipped(name, name) for name in names]

    path = write_all(tmp_path / "sheet.html", results, provenance)

    assert read(path).tags == read(plain).tags
    assert [card["name"] for card in read(path).cards] == [visible(name) for name in names * 2]


def test_the_policy_allows_nothing_but_what_is_in_the_page() -> None:
    parsed = Parsed(page("base.html", title="<b>", provenance=(), lead=""))
    policy = next(
        attributes["content"] for tag, attributes in parsed.tags if attributes.get("http-equiv")
    )
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))

    digests = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for _, text in parsed.scripts
    ]

    style, script = digests
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data: file: 'self'"
    assert rules["style-src"] == f"'sha256-{style}'"
    assert rules["script-src"] == f"'sha256-{script}'"


def test_a_page_names_no_other_place(
    results: list[Result], provenance: Provenance, tmp_path: Path
) -> None:
    path = write_all(tmp_path / "sheet.html", results, provenance)

    text = path.read_text(encoding="utf-8")

    assert re.findall(r"https?:", text) == []
    assert all("src" not in attributes for _, attributes in read(path).tags)


def test_a_template_that_lacks_something_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        page("base.html")


@pytest.mark.parametrize("name", AWKWARD + HOSTILE)
@pytest.mark.skipif(os.name == "nt", reason="these are no names on Windows")
def test_a_relative_link_leads_back_to_the_file(name: str, tmp_path: Path) -> None:
    path = str(tmp_path / "pictures" / name)

    url = link(path, tmp_path / "reports")

    assert url.startswith("../pictures/")
    assert re.fullmatch(r"[A-Za-z0-9_.~/%-]*", url)
    assert os.fsdecode(unquote_to_bytes(url)).endswith(name)


def test_a_link_to_a_name_with_a_colon_is_no_scheme(tmp_path: Path) -> None:
    url = link(str(tmp_path / "javascript:alert(1)"), tmp_path)

    assert ":" not in url


def test_a_page_that_may_lie_anywhere_has_absolute_links(tmp_path: Path) -> None:
    url = link(str(tmp_path / "a b.jpg"), None)

    assert url == tmp_path.as_uri() + "/a%20b.jpg"


def test_a_thumbnail_is_small_and_keeps_its_shape(tmp_path: Path) -> None:
    Image.new("RGB", (800, 400), (200, 30, 30)).save(tmp_path / "wide.png")

    url = thumbnail(str(tmp_path / "wide.png"))

    prefix, _, data = url.partition(",")
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert prefix == "data:image/webp;base64"
    assert image.size == (SIDE_PX, SIDE_PX // 2)
    red, green, blue = image.convert("RGB").getpixel((80, 40))  # type: ignore[misc]
    assert (abs(red - 200) < 8, abs(green - 30) < 8, abs(blue - 30) < 8) == (True, True, True)


def test_a_picture_that_is_gone_has_no_thumbnail(tmp_path: Path) -> None:
    url = thumbnail(str(tmp_path / "gone.png"))

    assert url == ""


class Counting:
    """A sink that only counts."""

    n_bytes = 0

    def write(self, content: bytes) -> None:
        self.n_bytes += len(content)


def test_memory_does_not_grow_with_the_number_of_pictures() -> None:
    peaks = []
    for n in (500, 4000):
        sink = Counting()
        tracemalloc.start()
        gallery = Gallery(sink, GallerySettings(), None, title="Many")
        for i in range(n):
            gallery.add(Card(f"{i}.jpg", "cat", thumbnail="data:image/webp;base64," + "A" * 3000))
        gallery.finish()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert sink.n_bytes > n * 3000

    assert peaks[1] < peaks[0] + 500_000  # a tenth of what 3,500 further cards take


def test_a_sheet_on_standard_output_has_absolute_links(
    pictures: Path, fake_model: object, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    from clipcli.cli.app import run

    code = run(["classify", str(pictures), "--labels", "red, green, blue", "--format", "html"])

    parsed = Parsed(capfdbinary.readouterr().out.decode("utf-8"))
    assert code == 0
    assert [card["title"] for card in parsed.cards] == ["blue", "green", "red"]
    assert [card["href"] for card in parsed.cards] == [
        (pictures / f"{name}.png").as_uri() for name in ("blue", "green", "red")
    ]
    assert all(card["thumbnail"].startswith("data:image/webp") for card in parsed.cards)


def test_html_is_not_for_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    from clipcli.errors import UsageError
    from clipcli.output.request import requested
    from clipcli.output.results import FORMATS

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    with pytest.raises(UsageError, match="not for a terminal"):
        requested("html", None, FORMATS, overwrite=False)
