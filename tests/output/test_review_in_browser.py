"""Review on a page: keys, ranges, all like this, undo, progress, saving; pictures in full."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from clipcli.cli.app import run
from clipcli.pipeline.reviewed import PictureDecision, read_decisions
from tests.browser import CHROMIUM, Browser, chromium
from tests.fakes import FakeEncoder

LABELS = ("--labels", "red,green,blue", "--templates", "plain")
COLOURS = {"red": (230, 20, 30), "green": (20, 200, 40), "blue": (30, 20, 240)}
N_EACH = 6
SAID = "document.querySelector('#review-said').textContent"
COUNT = "document.querySelector('#review-count').textContent"
SHOWN = "[...document.querySelectorAll('.card .name')].map((one) => one.textContent)"
AXE = os.environ.get("AXE_CORE", "")

pytestmark = pytest.mark.skipif(
    CHROMIUM is None or os.name == "nt", reason="needs Chromium on this machine"
)
Page = Callable[..., Path]
Saved = Callable[[], tuple[PictureDecision, ...]]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("chromium")) as started:
        yield started


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return folders of red, green and blue pictures, six each, all different."""
    folder = tmp_path / "tree"
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for i in range(N_EACH):
            shade = tuple(max(0, part - 5 * i) for part in colour)
            Image.new("RGB", (400, 300), shade).save(folder / name / f"{i}.png")
    return folder


@pytest.fixture
def page(fake_model: FakeEncoder, tree: Path, tmp_path: Path) -> Page:
    def write(command: str, *arguments: str) -> Path:
        path = tmp_path / f"{command}.html"
        assert run([command, str(tree), *arguments, "-o", str(path), "--quiet"]) == 0
        return path

    return write


@pytest.fixture
def saved(browser: Browser, tmp_path: Path) -> Saved:
    """Return a function that saves the decisions and reads the file."""

    def save() -> tuple[PictureDecision, ...]:
        folder = tmp_path / "downloads"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        path = browser.download("#save", folder)
        assert path.name == "decisions.jsonl"
        return read_decisions(path)

    return save


def begin(browser: Browser, path: Path) -> None:
    browser.open(path)
    browser.press("r", "r")
    browser.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def keys(browser: Browser, *several: str) -> None:
    for key in several:
        browser.press(key, key if len(key) == 1 else "")


def shift(browser: Browser, key: str) -> None:
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, modifiers=8)


def by_name(
    decisions: tuple[PictureDecision, ...],
) -> dict[str, tuple[str | None, str | None, str]]:
    return {
        "/".join(Path(one.path).parts[-2:]): (one.old, one.new, one.verdict) for one in decisions
    }


def test_keys_decide_and_the_file_says_what(
    browser: Browser, page: Page, saved: Saved, tree: Path
) -> None:
    begin(browser, page("classify", *LABELS))

    keys(browser, "y", "1", "n", "0", "ArrowRight", "3")
    counted, told = browser.run(COUNT), browser.run(SAID)
    found = saved()

    assert by_name(found) == {
        "blue/0.png": ("blue", "blue", "accept"),
        "blue/1.png": ("blue", "red", "relabel"),
        "blue/2.png": ("blue", None, "reject"),
        "blue/4.png": ("blue", "blue", "accept"),
    }
    assert counted == "4 of 18 decided"
    assert told == "4.png: is blue"
    assert {one.bytes for one in found} <= {p.stat().st_size for p in tree.rglob("*.png")}
    assert browser.complaints() == []


def test_ranges_by_keys_and_by_mouse(browser: Browser, page: Page, saved: Saved) -> None:
    begin(browser, page("classify", *LABELS))

    shift(browser, "ArrowRight")
    shift(browser, "ArrowRight")
    keys(browser, "2")
    x, y = browser.run(
        "(() => { const box = document.querySelector('#card-5').getBoundingClientRect();"
        " return [box.x + 20, box.y + 20]; })()"
    )
    for kind in ("mousePressed", "mouseReleased"):
        mouse = {"x": x, "y": y, "button": "left", "clickCount": 1, "modifiers": 8}
        browser.call("Input.dispatchMouseEvent", type=kind, **mouse)
    keys(browser, "n")

    assert [one.new for one in saved()] == ["green", "green", "green", None, None, None]


def test_undo_and_redo(browser: Browser, page: Page) -> None:
    begin(browser, page("classify", *LABELS))

    keys(browser, "y", "n")
    shift(browser, "ArrowRight")
    keys(browser, "1")
    counts = [browser.run(COUNT)]
    for _ in range(2):
        keys(browser, "u")
        counts.append(browser.run(COUNT))
    browser.click("#redo")
    counts.append(browser.run(COUNT))

    assert [count.split()[0] for count in counts] == ["4", "2", "1", "2"]


def test_all_like_this_are_chosen_and_labelled(browser: Browser, page: Page, saved: Saved) -> None:
    begin(browser, page("classify", *LABELS))

    keys(browser, "m")
    alike = browser.run(SHOWN)[:N_EACH]
    keys(browser, "2", "Escape")

    assert sorted(alike) == [f"blue/{i}.png" for i in range(N_EACH)]
    assert by_name(saved()) == {
        f"blue/{i}.png": ("blue", "green", "relabel") for i in range(N_EACH)
    }


def test_a_label_is_searched_for(browser: Browser, page: Page, saved: Saved) -> None:
    begin(browser, page("classify", *LABELS))

    keys(browser, "l")
    browser.type("gre")
    browser.press("Enter", "\r")

    assert [one.new for one in saved()] == ["green"]


def test_progress_is_there_after_a_visit(browser: Browser, page: Page) -> None:
    path = page("classify", *LABELS)
    begin(browser, path)
    browser.run("localStorage.clear()")
    keys(browser, "y", "n")
    wait_for(browser, "Object.values(localStorage).some((one) => one.includes('reject'))")

    begin(browser, path)

    assert browser.run(COUNT) == "2 of 18 decided"
    assert browser.run(SAID) == "2 decisions of an earlier visit are here"
    assert browser.run("document.querySelector('#card-1').dataset.verdict") == "reject"


def test_what_is_not_decided_can_be_shown_alone(browser: Browser, page: Page) -> None:
    begin(browser, page("classify", *LABELS))
    keys(browser, "y", "n")

    browser.choose("#review-shown", "open")

    assert browser.run("document.querySelector('#shown').textContent") == "16 of 18 pictures"


def test_an_audits_suggestion_is_taken_by_a_key(
    browser: Browser, page: Page, saved: Saved, tree: Path
) -> None:
    Image.new("RGB", (400, 300), (225, 25, 35)).save(tree / "green" / "wrong.png")

    begin(browser, page("audit"))
    keys(browser, "s", "y")

    assert by_name(saved())["green/wrong.png"] == ("green", "red", "relabel")


def test_pages_without_labels_accept_and_reject(browser: Browser, page: Page, saved: Saved) -> None:
    begin(browser, page("search", "--query", "red"))

    keys(browser, "y", "n", "1")

    assert [(one.old, one.new, one.verdict) for one in saved()] == [
        (None, None, "accept"),
        (None, None, "reject"),
    ]


def test_a_picture_opens_in_full_with_its_facts(browser: Browser, page: Page) -> None:
    browser.open(page("classify", *LABELS))
    browser.run("document.querySelector('#gallery').focus()")
    keys(browser, "ArrowRight", "z")
    whole = "document.querySelector('#full-image').dataset.whole === 'yes'"
    wait_for(browser, whole)

    facts = browser.run("document.querySelector('#full-facts').textContent")
    size = browser.run("document.querySelector('#full-image').naturalWidth")
    keys(browser, "+")
    zoom = browser.run("document.querySelector('#zoom').textContent")
    keys(browser, "ArrowRight")
    place = browser.run("document.querySelector('#full-place').textContent")
    keys(browser, "Escape")

    assert facts.startswith("1.png 400 × 300 pixels · 1 kB")
    assert (size, zoom, place) == (400, "1.5 ×", "3 of 18")
    assert browser.run("document.querySelector('#full').open") is False
    assert browser.complaints() == []


def wait_for(browser: Browser, condition: str) -> None:
    deadline = time.monotonic() + 20
    while not browser.run(condition):
        assert time.monotonic() < deadline, condition
        time.sleep(0.02)


def test_copies_stand_side_by_side_and_flicker(browser: Browser, page: Page, tree: Path) -> None:
    shutil.copy(tree / "red" / "0.png", tree / "red" / "copy.png")
    browser.open(page("dedup"))
    browser.run("document.querySelector('#gallery').focus()")

    keys(browser, "z")
    wait_for(browser, "document.querySelector('#full-other').dataset.whole === 'yes'")
    beside = browser.run("document.querySelector('#stages').dataset.mode")
    seen = []
    for _ in range(3):
        keys(browser, "f")
        seen.append(browser.run("document.querySelector('#stage-other').hidden"))

    assert beside == "beside"
    assert seen == [False, True, False]


def test_a_page_that_was_moved_says_so(browser: Browser, page: Page, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    path = page("classify", *LABELS).rename(tmp_path / "elsewhere" / "page.html")

    begin(browser, path)
    wait_for(browser, "!document.querySelector('#moved').hidden")
    keys(browser, "y", "z")
    wait_for(browser, "!document.querySelector('#full-missing').hidden")

    assert "or they were moved" in browser.run("document.querySelector('#moved').textContent")
    assert browser.run("document.querySelector('#full-image').src").startswith("data:image/webp")
    assert browser.run(COUNT) == "1 of 18 decided"


@pytest.mark.parametrize("command", ["classify", "dedup"])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.skipif(not Path(AXE).is_file(), reason="AXE_CORE names no axe.min.js")
def test_axe_finds_no_serious_fault(
    theme: str, command: str, browser: Browser, page: Page, tree: Path
) -> None:
    shutil.copy(tree / "red" / "0.png", tree / "red" / "copy.png")
    scheme = {"name": "prefers-color-scheme", "value": theme}
    browser.call("Emulation.setEmulatedMedia", features=[scheme])
    browser.call("Page.setBypassCSP", enabled=True)

    begin(browser, page(command, *(LABELS if command == "classify" else ())))
    keys(browser, "y", "n", "y")
    browser.run(Path(AXE).read_text(encoding="utf-8") + ";0")
    told = []
    for key in ("", "z"):
        keys(browser, *key)
        told.append(browser.run("axe.run(document).then((r) => JSON.stringify(r.violations))"))

    browser.call("Page.setBypassCSP", enabled=False)
    faults = [
        (one["id"], one["impact"], one["nodes"][0]["html"])
        for found in told
        for one in json.loads(found)
    ]
    assert [one for one in faults if one[1] in ("serious", "critical")] == []
