"""``classify --explain``: heat maps in the contact sheet."""

from __future__ import annotations

import base64
import io
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from PIL import Image

from clipcli.cli.app import run
from clipcli.cli.classify import _heats
from clipcli.errors import UsageError
from clipcli.output.html.heat_views import HeatViews
from clipcli.pipeline.heat import HeatMaker
from clipcli.results import Classified, LabelScore
from tests.browser import CHROMIUM, Browser, chromium

if TYPE_CHECKING:
    from numpy.typing import NDArray

PHOTOS = Path(__file__).parents[3] / "examples" / "photos"


class TwoHalves:
    """Sees the first label on the left, the second on the right."""

    def grids(self, picture: Image.Image) -> NDArray[np.float32]:
        left = np.array([[0.2, 0.2, 0, 0]], np.float32)
        return np.stack([left, left[:, ::-1]])  # (2, 1, 4)


def cards(page: Path) -> list[dict[str, Any]]:
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r'class="cards">(.*?)</script>', text, re.DOTALL)
    return [card for block in blocks for card in json.loads(block)]


def opened(url: str) -> NDArray[np.float32]:
    data = base64.b64decode(url.partition("base64,")[2])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.float32)


def test_each_view_glows_where_its_label_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "black.png"
    Image.new("RGB", (80, 40)).save(path)
    top = (LabelScore("right", 0.9, 0.3), LabelScore("left", 0.1, 0.2))
    result = Classified(str(path), top)
    views = HeatViews(cast("HeatMaker", TwoHalves()), ("left", "right"))

    (first, bright), (second, faint) = views.of(result)

    bright_pixels, faint_pixels = opened(bright), opened(faint)
    assert (first, second) == ("right 90.0 %", "left 10.0 %")
    assert bright_pixels.shape == (40, 80, 3)
    assert bright_pixels[:, 60:].mean() > 2 * bright_pixels[:, :20].mean()
    assert faint_pixels[:, :20].mean() > faint_pixels[:, 60:].mean()
    # The best place of a label of 10 % glows less than that of one of 90 %.
    assert faint_pixels.max() < 0.5 * bright_pixels.max()


def test_a_picture_that_is_gone_has_no_views(tmp_path: Path) -> None:
    top = (LabelScore("left", 0.9, 0.3),)
    views = HeatViews(cast("HeatMaker", TwoHalves()), ("left", "right"))

    assert views.of(Classified(str(tmp_path / "gone.png"), top)) == ()


def test_the_sheet_has_a_view_for_each_of_the_three_best_labels(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    Image.open(PHOTOS / "coffee.jpg").save(tmp_path / "coffee.jpg")
    page = tmp_path / "sheet.html"
    labels = ("--labels", "coffee, panda, rocket, castle")

    code = run(["classify", str(tmp_path), *labels, "--explain", "-o", str(page)])

    broken, coffee = cards(page)
    assert code == 5, capfd.readouterr().err
    assert "heats" not in broken
    assert len(coffee["heats"]) == 3
    assert coffee["heats"][0][0].startswith("coffee ")
    assert opened(coffee["heats"][0][1]).shape == opened(coffee["thumbnail"]).shape


def test_heat_maps_need_a_sheet(capfd: pytest.CaptureFixture[str]) -> None:
    code = run(["classify", str(PHOTOS / "coffee.jpg"), "--labels", "a, b", "--explain"])

    assert code == 2
    assert "-o FILE.html" in capfd.readouterr().err


def test_a_probe_has_no_heat_maps() -> None:
    with pytest.raises(UsageError, match="a probe's answers have no heat maps"):
        _heats(cast("Any", None), cast("Any", SimpleNamespace(probe=object())))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("chromium")) as started:
        yield started


@pytest.mark.skipif(CHROMIUM is None or os.name == "nt", reason="needs Chromium on this machine")
def test_one_button_switches_the_heat_of_all_cards(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "sheet.html"
    labels = ("--labels", "coffee, panda, rocket")
    run(["classify", str(PHOTOS / "coffee.jpg"), *labels, "--explain", "-o", str(page), "-q"])
    (card,) = cards(page)
    source = "document.querySelector('.card img').src"

    browser.open(page)
    heated = browser.run(source)
    browser.click("#heat")
    alone = browser.run(source)
    browser.click(".card")
    browser.click("#detail-heats button:nth-child(3)")
    second = browser.run("document.querySelector('#detail-image').src")

    assert (heated, alone) == (card["heats"][0][1], card["thumbnail"])
    assert second == card["heats"][1][1]
    assert browser.complaints() == []
