"""Screenshots of pages that this script writes, taken by Chromium at the sizes of real screens.

Sixteen kinds of page, light and dark, on phones, tablets and desktops; some hold photographs, which
is what makes a screenshot hard to tell. They are what ``bench_origin.py`` measures on.
"""

from __future__ import annotations

import base64
import random
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from pages import GRAPHICS, PAGES, Page, Screen
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.browser import Browser, chromium  # noqa: E402 - found by the line above

SCREENS = (
    Screen("iphone-15", 393, 852, 3, True),
    Screen("iphone-13", 390, 844, 3, True),
    Screen("iphone-se", 375, 667, 2, True),
    Screen("iphone-11", 414, 896, 2, True),
    Screen("pixel-7", 432, 960, 2.5, True),
    Screen("galaxy-s21", 360, 800, 3, True),
    Screen("galaxy-s8", 360, 740, 4, True),
    Screen("phone-720", 360, 800, 2, True),
    Screen("ipad", 820, 1180, 2, True),
    Screen("ipad-pro", 1024, 1366, 2, True),
    Screen("desktop-hd", 1920, 1080, 1, False),
    Screen("laptop-768", 1366, 768, 1, False),
    Screen("macbook-air", 1440, 900, 2, False),
    Screen("macbook-pro", 1512, 982, 2, False),
    Screen("desktop-qhd", 2560, 1440, 1, False),
    Screen("laptop-16-10", 1920, 1200, 1, False),
)
SIZES = (
    Screen("1920x1080", 1920, 1080, 1, False),
    Screen("1280x720", 1280, 720, 1, False),
    Screen("2560x1440", 2560, 1440, 1, False),
    Screen("1024x768", 1024, 768, 1, False),
    Screen("1080x1920", 1080, 1920, 1, False),
    Screen("3840x2160", 1920, 1080, 2, False),
)
SHEETS = (
    Screen("a4-150", 620, 877, 2, False),
    Screen("a4-300", 827, 1169, 3, False),
    Screen("letter-150", 850, 1100, 1.5, False),
)
FORMATS: tuple[tuple[str, int], ...] = (
    ("png", 0),
    ("jpeg", 90),
    ("png", 0),
    ("webp", 80),
    ("png", 0),
    ("jpeg", 75),
)


def take(folder: Path, n: int, photographs: list[Path], seed: int) -> list[Path]:
    """Write ``n`` screenshots into a folder; pages, screens and formats take turns."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(seed)
    shots = (
        # Steps without a common divisor: each page meets each kind of screen.
        (i, *PAGES[i % len(PAGES)], SCREENS[(i * 5 + i // len(SCREENS)) % len(SCREENS)])
        for i in range(n)
    )
    return _take_all(folder, shots, photographs, chance)


def draw(folder: Path, n: int, photographs: list[Path], seed: int) -> list[Path]:
    """Write ``n`` slides and posters, which have the sizes of screens too, into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(seed)
    shots = (
        (i, *GRAPHICS[i % len(GRAPHICS)], SIZES[(i + i // len(SIZES)) % len(SIZES)])
        for i in range(n)
    )
    return _take_all(folder, shots, photographs, chance)


def scan(folder: Path, n: int, photographs: list[Path], seed: int) -> list[Path]:
    """Write ``n`` pages of paper into a folder, with the noise of a scanner."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(seed)
    written = [page for page in PAGES if page[0] in ("article", "table", "form", "mail")]
    shots = ((i, *written[i % len(written)], SHEETS[i % len(SHEETS)]) for i in range(n))
    files = _take_all(folder, shots, photographs, chance)
    return [_noisy(file, chance) for file in files]


def _noisy(file: Path, chance: random.Random) -> Path:
    """Make of a page what a scanner does: off-white, uneven, in colour or grey."""
    with Image.open(file) as image:
        pixels = np.asarray(image.convert("RGB")).astype(float)
    file.unlink()
    noise = np.random.default_rng(chance.randrange(2**32)).normal(0, 3, pixels.shape)
    shade = np.array([1.0, 0.99, 0.96]) * chance.uniform(0.9, 1.0)
    scanned = Image.fromarray((pixels * shade + noise).clip(0, 255).astype(np.uint8))
    made = file.with_suffix(".jpg")
    (scanned if chance.random() < 0.5 else scanned.convert("L")).save(made, quality=80)
    return made


def _take_all(
    folder: Path,
    shots: Iterable[tuple[int, str, Callable[[Page], str], Screen]],
    photographs: list[Path],
    chance: random.Random,
) -> list[Path]:
    # Chromium may still write into its folder while it is being removed.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        place = Path(profile)
        with chromium(place) as browser:
            return [_take_one(browser, place, folder, photographs, chance, *one) for one in shots]


def _take_one(
    browser: Browser,
    place: Path,
    folder: Path,
    photographs: list[Path],
    chance: random.Random,
    i: int,
    name: str,
    write: Callable[[Page], str],
    screen: Screen,
) -> Path:
    kind, quality = FORMATS[chance.randrange(len(FORMATS))]
    page = place / "page.html"
    page.write_text(_document(write, screen, photographs, chance), encoding="utf-8")
    browser.call(
        "Emulation.setDeviceMetricsOverride",
        width=screen.width,
        height=screen.height,
        deviceScaleFactor=screen.scale,
        mobile=False,
    )
    browser.open(page)
    options = {"quality": quality} if quality else {}
    shot = browser.call("Page.captureScreenshot", format=kind, **options)["data"]
    file = folder / f"{i:03d}-{name}-{screen.name}.{kind.replace('jpeg', 'jpg')}"
    file.write_bytes(base64.b64decode(shot))
    return file


def _document(
    write: Callable[[Page], str], screen: Screen, photographs: list[Path], chance: random.Random
) -> str:
    page = Page(screen, photographs, chance)
    page.is_dark = page.is_dark and screen not in SHEETS
    ink, ground, soft = ("#eee", "#121416", "#24282c") if page.is_dark else ("#222", "#fff", "#eee")
    clock = f"{chance.randrange(24):02d}:{chance.randrange(60):02d}"
    bar = "" if screen in SIZES + SHEETS else _bar(page, clock)
    return (
        "<!doctype html><meta charset=utf-8><style>*{box-sizing:border-box}"
        f"body{{margin:0;background:{ground};color:{ink};font:15px/1.45 sans-serif;"
        f"height:100vh;overflow:hidden}}.soft{{background:{soft}}}"
        f".main{{background:hsl({page.hue} 65% 45%);color:#fff}}"
        f"</style><body>{bar}{write(page)}"
    )


def _bar(page: Page, clock: str) -> str:
    return (
        f'<div style="display:flex;justify-content:space-between;padding:10px 20px;'
        f'font:600 14px sans-serif"><span>{clock}</span>'
        f"<span>5G ▮▮▯ {page.chance.randrange(99)}%</span>"
        "</div>"
        if page.screen.is_phone
        else '<div style="background:#8884;padding:6px 14px;font:12px sans-serif">● ● ● '
        f"{page.words(1, 3)} | {page.words(1, 2)} | +</div>"
    )
