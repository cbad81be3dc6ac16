"""Pages of sixteen kinds, and slides and posters, that ``screenshots.py`` takes pictures of."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path

WORDS = """
    meeting tomorrow invoice garden photo train window table coffee answer monday project
    delivery weather ticket paper bridge number family summer kitchen letter market doctor
    machine review update morning budget hotel station quick sorry great thanks maybe later
""".split()  # noqa: SIM905 - one a line would be forty lines


@dataclass(frozen=True)
class Screen:
    """A screen: how many CSS pixels it has, and how many real ones to each."""

    name: str
    width: int
    height: int
    scale: float
    is_phone: bool


class Page:
    """What a page is written with: chance, photographs, and colours of a theme."""

    def __init__(self, screen: Screen, photographs: list[Path], chance: random.Random) -> None:
        self.screen, self.photographs, self.chance = screen, photographs, chance
        self.is_dark = chance.random() < 0.35
        self.hue = chance.randrange(360)

    def words(self, least: int, most: int) -> str:
        """Return some words."""
        return " ".join(self.chance.choices(WORDS, k=self.chance.randint(least, most)))

    def photograph(self, style: str) -> str:
        """Return a photograph as an element."""
        file = self.chance.choice(self.photographs)
        kind = file.suffix[1:].lower().replace("jpg", "jpeg")
        data = base64.b64encode(file.read_bytes()).decode("ascii")
        return f'<img src="data:image/{kind};base64,{data}" style="object-fit:cover;{style}">'


def _chat(page: Page) -> str:
    bubbles = []
    for _ in range(14):
        side = page.chance.choice(("left", "right"))
        look = "main" if side == "right" else "soft"
        bubbles.append(
            f'<div style="text-align:{side}"><span class={look} style="display:inline-block;'
            f'border-radius:16px;padding:8px 12px;margin:4px 12px;max-width:70%">'
            f"{page.words(2, 16)}</span></div>"
        )
    return "".join(bubbles)


def _settings(page: Page) -> str:
    rows = (
        f'<div style="padding:13px 18px;border-bottom:1px solid #8885;display:flex;'
        f'justify-content:space-between"><span>{page.words(1, 3).title()}</span><span class=main '
        f'style="border-radius:12px;width:44px;height:24px"></span></div>'
        for _ in range(18)
    )
    return f'<h2 style="padding:0 18px">{page.words(1, 2).title()}</h2>{"".join(rows)}'


def _article(page: Page) -> str:
    text = "".join(f"<p>{page.words(30, 60)}.</p>" for _ in range(8))
    picture = page.photograph("width:100%;height:26vh")
    return f'<div style="padding:0 20px"><h1>{page.words(4, 8).title()}</h1>{picture}{text}</div>'


def _feed(page: Page) -> str:
    return "".join(
        f'<div style="padding:10px 14px"><b>{page.words(1, 2)}</b></div>'
        f"{page.photograph('width:100%;height:38vh')}"
        f'<div style="padding:8px 14px">♥ {page.chance.randrange(900)} {page.words(4, 14)}</div>'
        for _ in range(3)
    )


def _code(page: Page) -> str:
    lines = (
        f'<div><span style="opacity:.5">{i:3d}</span>  {" " * 4 * page.chance.randrange(4)}'
        f'<span style="color:hsl({page.chance.randrange(360)} 60% 55%)">{page.words(1, 1)}</span>'
        f"({escape(page.words(1, 4)).replace(' ', ', ')})</div>"
        for i in range(60)
    )
    return f'<pre style="font:13px/1.4 monospace;padding:0 12px">{"".join(lines)}</pre>'


def _table(page: Page) -> str:
    cell = '<td style="border:1px solid #8886;padding:3px 8px">'
    rows = "".join(
        f"<tr>{cell}{page.words(1, 2)}"
        + "".join(f"{cell}{page.chance.randrange(10**5) / 100}" for _ in range(9))
        for _ in range(40)
    )
    return f'<table style="border-collapse:collapse;font-size:13px">{rows}</table>'


def _charts(page: Page) -> str:
    tiles = []
    for _ in range(6):
        bars = "".join(
            f'<span class=main style="flex:1;height:{page.chance.randrange(10, 100)}%"></span>'
            for _ in range(9)
        )
        tiles.append(
            f'<div class=soft style="padding:12px;border-radius:8px"><b>{page.words(1, 2)}</b>'
            f'<div style="display:flex;gap:6px;align-items:end;height:130px">{bars}</div></div>'
        )
    return (
        '<div style="display:grid;gap:14px;padding:14px;'
        f'grid-template-columns:repeat(auto-fill,minmax(260px,1fr))">{"".join(tiles)}</div>'
    )


def _form(page: Page) -> str:
    fields = "".join(
        f'<p>{page.words(1, 2).title()}<br><input value="{page.words(1, 3)}" '
        'style="width:100%;padding:10px;font-size:15px">'
        for _ in range(6)
    )
    return (
        f'<div style="max-width:420px;margin:auto;padding:20px"><h2>{page.words(2, 3)}</h2>'
        f'{fields}<p class=main style="padding:12px;text-align:center">{page.words(1, 2)}</div>'
    )


def _terminal(page: Page) -> str:
    lines = "".join(f"$ {page.words(1, 4)}\n{page.words(3, 14)}\n" for _ in range(40))
    return (
        '<pre style="background:#101010;color:#9f9;margin:0;padding:10px;height:100%">'
        f"{lines}</pre>"
    )


def _icons(page: Page) -> str:
    icons = "".join(
        f'<div style="text-align:center;font-size:11px;color:#fff"><div style="width:56px;'
        f"height:56px;border-radius:14px;margin:auto;background:hsl({page.chance.randrange(360)} "
        f'70% 50%)"></div>{page.words(1, 1)}</div>'
        for _ in range(24)
    )
    return (
        f'<div style="position:fixed;inset:0;z-index:-1;background:linear-gradient('
        f'hsl({page.hue} 50% 40%),hsl({page.hue + 60} 50% 20%))"></div>'
        '<div style="display:grid;gap:24px;padding:24px;'
        f'grid-template-columns:repeat(auto-fill,minmax(72px,1fr))">{icons}</div>'
    )


def _wallpaper(page: Page) -> str:
    behind = page.photograph("position:fixed;inset:0;width:100%;height:100%;z-index:-1")
    return f'{behind}<h1 style="color:#fff;text-align:center;font-size:60px">09:41</h1>'


def _shop(page: Page) -> str:
    tiles = "".join(
        f"<div>{page.photograph('width:100%;height:150px')}<b>{page.words(2, 4)}</b><br>"
        f"{page.chance.randrange(200)}.99</div>"
        for _ in range(12)
    )
    return (
        '<div style="display:grid;gap:16px;padding:16px;'
        f'grid-template-columns:repeat(auto-fill,minmax(160px,1fr))">{tiles}</div>'
    )


def _mail(page: Page) -> str:
    return "".join(
        f'<div style="padding:10px 16px;border-bottom:1px solid #8884"><b>{page.words(1, 2)}</b>'
        f'<div style="opacity:.7;font-size:13px">{page.words(8, 18)}</div></div>'
        for _ in range(16)
    )


def _dialog(page: Page) -> str:
    return (
        f'{_mail(page)}<div style="position:fixed;inset:0;background:#0008"></div>'
        '<div class=soft style="position:fixed;top:35%;left:20%;right:20%;padding:20px;'
        f'box-shadow:0 4px 24px #0008"><b>{page.words(2, 4)}</b><p>{page.words(8, 20)}'
        f'<p style="text-align:right"><span class=main style="padding:8px 16px">OK</span></div>'
    )


def _calendar(page: Page) -> str:
    days = "".join(
        f'<div style="border:1px solid #8884;min-height:90px;padding:4px;font-size:12px">{i + 1}'
        + (f'<div class=main style="padding:2px 4px">{page.words(1, 2)}</div>' if i % 3 else "")
        + "</div>"
        for i in range(35)
    )
    return f'<div style="display:grid;grid-template-columns:repeat(7,1fr)">{days}</div>'


def _map(page: Page) -> str:
    roads = "".join(
        f'<line x1="{page.chance.randrange(100)}%" y1="{page.chance.randrange(100)}%" '
        f'x2="{page.chance.randrange(100)}%" y2="{page.chance.randrange(100)}%" '
        f'stroke="#fff" stroke-width="{page.chance.randrange(3, 14)}"/>'
        for _ in range(40)
    )
    return (
        f'<svg width="100%" height="80%" style="background:#dfe5d8">{roads}</svg>'
        f'<div style="padding:16px"><b>{page.words(2, 3)}</b><br>{page.words(6, 12)}</div>'
    )


PAGES: tuple[tuple[str, Callable[[Page], str]], ...] = (
    ("chat", _chat),
    ("settings", _settings),
    ("article", _article),
    ("feed", _feed),
    ("code", _code),
    ("table", _table),
    ("charts", _charts),
    ("form", _form),
    ("terminal", _terminal),
    ("icons", _icons),
    ("wallpaper", _wallpaper),
    ("shop", _shop),
    ("mail", _mail),
    ("dialog", _dialog),
    ("calendar", _calendar),
    ("map", _map),
)


def _slide(page: Page) -> str:
    points = "".join(f"<li>{page.words(3, 9)}" for _ in range(page.chance.randint(3, 6)))
    return (
        f'<div style="padding:6vh 6vw"><h1 style="font-size:8vh;margin:0 0 4vh">'
        f'{page.words(2, 5).title()}</h1><ul style="font-size:4.6vh">{points}</ul></div>'
    )


def _chart_slide(page: Page) -> str:
    bars = "".join(
        f'<span class=main style="flex:1;height:{page.chance.randrange(10, 100)}%"></span>'
        for _ in range(page.chance.randint(4, 9))
    )
    return (
        f'<h1 style="font-size:7vh;padding:4vh 6vw 0">{page.words(2, 4).title()}</h1>'
        f'<div style="display:flex;gap:2vw;align-items:end;height:60vh;padding:0 6vw">{bars}</div>'
    )


def _poster(page: Page) -> str:
    return (
        '<div class=main style="height:100vh;text-align:center;padding-top:18vh">'
        f'<div style="font-size:12vh;font-weight:800">{page.words(1, 2).upper()}</div>'
        f'<div style="font-size:5vh">{page.words(3, 6)}</div></div>'
    )


def _picture_slide(page: Page) -> str:
    return (
        f'<div style="display:flex;gap:4vw;padding:8vh 6vw">'
        f"{page.photograph('width:44vw;height:70vh')}"
        f'<div style="font-size:5vh">{page.words(10, 20)}</div></div>'
    )


GRAPHICS: tuple[tuple[str, Callable[[Page], str]], ...] = (
    ("slide", _slide),
    ("chart", _chart_slide),
    ("poster", _poster),
    ("pictured", _picture_slide),
)
