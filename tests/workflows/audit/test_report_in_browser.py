"""The audit report of 5,000 pictures, in a browser: filters, sorting, keys, and no network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from clipcli.images.class_tree import Place
from clipcli.output.files import NewFile
from clipcli.output.html.thumbnails import ThumbnailSpool, encode
from clipcli.results import Skipped
from clipcli.workflows.audit.audit import audit
from clipcli.workflows.audit.dataset import Dataset
from clipcli.workflows.audit.report import AuditReport
from tests.browser import CHROMIUM, Browser, chromium
from tests.workflows.audit.conftest import clusters, measures, scene

N = 5000
CLASSES = ("ant", "bee", "cow", "dog", "<img src=x onerror=alert(1)>")
WRONG = 40
SHOWN = "document.querySelector('#shown').textContent"
FIRST = "document.querySelector('.card[aria-posinset=\"1\"] .name').textContent"

pytestmark = pytest.mark.skipif(
    CHROMIUM is None or os.name == "nt", reason="needs Chromium on this machine"
)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the report of a data set with 40 shuffled labels, 60 dark and 3 broken pictures."""
    vectors, truth = clusters((N // len(CLASSES),) * len(CLASSES), spread=0.05)
    draw = np.random.default_rng(4)
    labels = truth.copy()
    wrong = draw.choice(N, WRONG, replace=False)
    labels[wrong] = (truth[wrong] + 1) % len(CLASSES)
    paths = [f"{CLASSES[label]}/{i} 'quoted' \"{i}\".jpg" for i, label in enumerate(labels)]
    places = [Place(CLASSES[label], "train" if i % 5 else "test") for i, label in enumerate(labels)]
    told = [
        measures(
            brightest=20.0 if i < 60 else 220.0,
            width=640 + i,
            miniature=draw.integers(0, 255, (48, 48)).astype(np.uint8),
        )
        for i in range(N)
    ]
    broken = [(Skipped(f"ant/broken-{i}.jpg", "truncated JPEG"), Place("ant")) for i in range(3)]
    dataset = Dataset(CLASSES, paths, places, vectors, told, broken)
    spool = ThumbnailSpool()
    drawn = [encode(scene(seed)) for seed in range(20)]
    for i, path in enumerate(paths):
        spool.add(path, drawn[i % len(drawn)])
    zero_shot = np.full((N, len(CLASSES)), 1 / len(CLASSES))
    page = tmp_path_factory.mktemp("report") / "report.html"
    file = NewFile(page, overwrite=False)
    told_report = AuditReport("a <b>set</b>", audit(dataset, zero_shot), {"model": "none"}, spool)
    told_report.write("html", file, for_terminal=False, folder=page.parent)
    file.commit()
    return page


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("chromium")) as started:
        yield started


@pytest.fixture(scope="module")
def loaded(browser: Browser, report: Path) -> Browser:
    browser.open(report)
    return browser


@pytest.fixture
def opened(loaded: Browser) -> Browser:
    """Return the browser with the report as it is at first."""
    loaded.run("document.querySelector('#clear').click()")
    loaded.choose("#order", "0")
    loaded.run("document.activeElement.blur(), scrollTo(0, 0)")
    loaded.events.clear()
    return loaded


def test_only_what_can_be_seen_is_in_the_document(opened: Browser) -> None:
    n_cards = opened.run("document.querySelectorAll('.card').length")

    assert opened.run(SHOWN) == f"{N + 3:,} pictures"
    assert 10 < n_cards < 200


def test_filters_search_and_sorting_work_together_without_a_complaint(opened: Browser) -> None:
    opened.choose("#filter-finding", "wrong-label")
    after_finding = opened.run(SHOWN)
    opened.choose("#filter-split", "train")
    after_split = opened.run(SHOWN)
    opened.click("#clear")
    opened.choose("#filter-finding", "dark")
    opened.choose("#order", "3")  # smallest first
    smallest = opened.run(FIRST)
    opened.choose("#order", "6")  # by name
    opened.run("document.querySelector('#search').focus()")
    opened.type("59 'quoted'")
    found = opened.run(SHOWN)

    assert after_finding == f"{WRONG} of {N + 3:,} pictures"
    assert int(after_split.split()[0]) < WRONG
    assert smallest.partition("/")[2].startswith("0 'quoted'")
    assert found == f"1 of {N + 3:,} pictures"
    assert opened.complaints() == []


def test_a_tile_leads_to_its_pictures(opened: Browser) -> None:
    opened.click("[data-value='broken']")

    assert opened.run(SHOWN) == f"3 of {N + 3:,} pictures"
    assert opened.run("document.querySelector('.card .none').textContent") == "no preview"
    assert opened.run("location.hash") == "#finding=broken"


def test_the_whole_of_it_works_from_the_keyboard(opened: Browser) -> None:
    opened.press("/", "/")
    has_search = opened.run("document.activeElement.id")
    opened.type("bee")
    opened.press("Enter", "\r")
    has_gallery = opened.run("document.activeElement.id")
    opened.press("ArrowRight")
    opened.press("Enter", "\r")
    is_open = opened.run("document.querySelector('#detail').open")
    place = opened.run("document.querySelector('#place').textContent")
    opened.press("ArrowRight")
    next_place = opened.run("document.querySelector('#place').textContent")
    opened.press("Escape")

    assert (has_search, has_gallery, is_open) == ("search", "gallery", True)
    assert (place.split()[0], next_place.split()[0]) == ("2", "3")
    assert opened.run("document.querySelector('#detail').open") is False
    assert opened.complaints() == []


def test_what_was_chosen_is_in_the_address(browser: Browser, report: Path) -> None:
    browser.open(report, "#finding=wrong-label&class=bee&sort=0")

    n_shown = int(browser.run(SHOWN).split()[0])

    assert 0 < n_shown < WRONG
    assert browser.run("document.querySelector('#filter-class').value") == "bee"


def test_nothing_is_asked_of_the_network_and_no_name_is_markup(
    browser: Browser, report: Path
) -> None:
    browser.open(report)
    browser.run("scrollTo(0, document.body.scrollHeight)")
    browser.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    last = browser.run(f"document.querySelector('.card[aria-posinset=\"{N + 3}\"]') !== null")

    assert last is True
    assert browser.requests() == [report.as_uri()]
    assert browser.run("document.querySelectorAll('h1 b, img[src=x]').length") == 0
    assert browser.complaints() == []


def test_the_policy_stops_what_is_not_ours(opened: Browser) -> None:
    opened.run(
        """(() => { const script = document.createElement('script');
        script.textContent = 'window.stranger = true'; document.body.append(script);
        const image = new Image(); image.src = 'https://example.org/x.png';
        document.body.append(image); })()"""
    )

    assert opened.run("window.stranger === undefined") is True
    assert len(opened.complaints()) == 2


def test_scrolling_through_all_of_it_stays_quick(opened: Browser) -> None:
    slowest_ms = opened.run(
        """(async () => {
        const frame = () => new Promise((done) => requestAnimationFrame(done));
        const { height } = document.body.getBoundingClientRect();
        let slowest = 0;
        for (let at = 0; at <= 20; at++) {
            const start = performance.now();
            scrollTo(0, (height * at) / 20);
            await frame(); await frame();
            slowest = Math.max(slowest, performance.now() - start);
        }
        return slowest; })()"""
    )

    assert slowest_ms < 2000  # a few ten on a free machine; all cards at once would take longer
