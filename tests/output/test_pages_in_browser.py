"""Pages in a browser: chips, folders, frames, the confusion's cells, and accessibility."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from clipcli.cli.app import run
from tests.browser import CHROMIUM, Browser, chromium
from tests.fakes import FakeEncoder

SHOWN = "document.querySelector('#shown').textContent"
LABELS = ("--labels", "red,green,blue", "--templates", "plain")
COLOURS = {"red": (230, 20, 30), "green": (20, 200, 40), "blue": (30, 20, 240)}
# axe-core's axe.min.js, where somebody has put it: it is not carried here.
AXE = os.environ.get("AXE_CORE", "")

pytestmark = pytest.mark.skipif(
    CHROMIUM is None or os.name == "nt", reason="needs Chromium on this machine"
)
Page = Callable[..., Path]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("chromium")) as started:
        yield started


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return folders of red, green and blue pictures; one red and its copy lie under green."""
    folder = tmp_path / "tree"
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for i in range(3):
            shade = tuple(max(0, part - 9 * i) for part in colour)
            Image.new("RGB", (40 + i, 30), shade).save(folder / name / f"{i}.png")
    for name in ("wrong", "again"):
        Image.new("RGB", (50, 30), COLOURS["red"]).save(folder / "green" / f"{name}.png")
    return folder


@pytest.fixture
def page(fake_model: FakeEncoder, tree: Path, tmp_path: Path) -> Page:
    def write(command: str, *arguments: str) -> Path:
        path = tmp_path / f"{command}.html"
        assert run([command, str(tree), *arguments, "-o", str(path), "--quiet"]) == 0
        return path

    return write


def test_a_sheet_says_what_it_shows_and_its_chips_filter(browser: Browser, page: Page) -> None:
    browser.open(page("classify", *LABELS))

    heading = browser.run("document.querySelector('h1').textContent")
    chips = browser.run("[...document.querySelectorAll('#chips .chip')].map((c) => c.textContent)")
    browser.click(".chip")
    pressed = browser.run(SHOWN)
    browser.click(".chip")

    assert heading.startswith("Contact sheet of ")
    assert heading.endswith("tree")
    assert "fake" in browser.run("document.querySelector('.lead').textContent")
    assert chips == ["5 red", "3 blue", "3 green"]
    assert (pressed, browser.run(SHOWN)) == ("5 of 11 pictures", "11 pictures")
    assert browser.complaints() == []


def test_cards_name_their_folder_where_there_are_several(browser: Browser, page: Page) -> None:
    browser.open(page("classify", *LABELS))

    names = browser.run("[...document.querySelectorAll('.card .name')].map((n) => n.textContent)")

    assert sorted(names)[:2] == ["blue/0.png", "blue/1.png"]


def test_groups_of_copies_are_framed_in_turn(browser: Browser, page: Page, tree: Path) -> None:
    for name in ("x", "y"):
        Image.radial_gradient("L").save(tree / "blue" / f"{name}.png")

    browser.open(page("dedup"))
    frames = browser.run("[...document.querySelectorAll('.card')].map((c) => c.dataset.frame)")

    assert len(frames) >= 4
    assert frames[:4] == ["even", "even", "odd", "odd"]


def test_a_cell_of_the_confusion_opens_its_pictures(browser: Browser, page: Page) -> None:
    browser.open(page("eval"))

    browser.click("[data-value='green'][data-value2='red']")

    names = browser.run("[...document.querySelectorAll('.card .name')].map((n) => n.textContent)")
    assert browser.run(SHOWN) == "2 of 11 pictures"
    assert sorted(names) == ["green/again.png", "green/wrong.png"]
    assert browser.run("document.querySelectorAll('svg.plot').length") == 2
    assert browser.complaints() == []


@pytest.mark.skipif(not Path(AXE).is_file(), reason="AXE_CORE names no axe.min.js")
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("command", ["classify", "eval", "audit", "dedup", "search"])
def test_axe_finds_no_serious_fault(
    command: str, theme: str, browser: Browser, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = {"classify": LABELS, "search": ("--query", "red")}.get(command, ())
    scheme = {"name": "prefers-color-scheme", "value": theme}
    browser.call("Emulation.setEmulatedMedia", features=[scheme])
    browser.call("Page.setBypassCSP", enabled=True)

    browser.open(page(command, *arguments))
    browser.run(Path(AXE).read_text(encoding="utf-8") + ";0")
    found = browser.run("axe.run(document).then((told) => JSON.stringify(told.violations))")

    browser.call("Page.setBypassCSP", enabled=False)
    faults = [(one["id"], one["impact"]) for one in json.loads(found)]
    assert [one for one in faults if one[1] in ("serious", "critical")] == []
