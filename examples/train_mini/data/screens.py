"""Screens and graphics, drawn: chats, web pages, code, tables, phones, charts, slides."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

from data.drawing import amount, blank, colour, paragraph, sentence, some_font, word

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

PHONE = (300, 600)
INK = (30, 32, 36)


def _status_bar(
    draw: ImageDraw.ImageDraw, chance: random.Random, ink: tuple[int, int, int]
) -> None:
    clock = f"{chance.randint(0, 23):02d}:{chance.randint(0, 59):02d}"
    draw.text((14, 8), clock, fill=ink, font=some_font(chance, 12, "Bold"))
    draw.rectangle((258, 9, 282, 19), outline=ink)
    draw.rectangle((260, 11, 260 + chance.randint(4, 20), 17), fill=ink)


def chat(chance: random.Random) -> Image.Image:
    """Draw a chat on a phone: bubbles left and right."""
    is_dark = chance.random() < 0.3
    sheet, draw = blank(*PHONE, (22, 26, 30) if is_dark else colour(chance, 225, 250))
    mine = colour(chance, 90, 220)
    draw.rectangle((0, 0, 300, 64), fill=(40, 44, 50) if is_dark else colour(chance, 180, 245))
    _status_bar(draw, chance, (240, 240, 240) if is_dark else INK)
    draw.ellipse((14, 28, 46, 60), fill=colour(chance, 80, 220))
    draw.text(
        (56, 36),
        word(chance).title(),
        fill=(240, 240, 240) if is_dark else INK,
        font=some_font(chance, 15, "Bold"),
    )
    y = 78
    while y < 530:
        deep, wide = chance.randint(28, 74), chance.randint(90, 210)
        left = 290 - wide if chance.random() < 0.5 else 10
        fill = mine if left > 10 else ((60, 64, 70) if is_dark else (255, 255, 255))
        draw.rounded_rectangle((left, y, left + wide, y + deep), 12, fill=fill)
        ink = (245, 245, 245) if sum(fill) < 360 else INK
        paragraph(draw, chance, (left + 10, y + 7, left + wide - 8, y + deep), 12, ink, "Sans")
        y += deep + chance.randint(6, 16)
    draw.rounded_rectangle((10, 556, 250, 590), 16, outline=(150, 150, 150))
    return sheet


def web_page(chance: random.Random) -> Image.Image:
    """Draw a page in a browser: tabs, an address, a menu, text and pictures."""
    sheet, draw = blank(720, 460, (255, 255, 255))
    draw.rectangle((0, 0, 720, 30), fill=colour(chance, 190, 230))
    draw.rounded_rectangle((8, 6, 150, 34), 6, fill=(250, 250, 250))
    draw.text((20, 12), sentence(chance, 2)[:16], fill=INK, font=some_font(chance, 10))
    draw.rectangle((0, 30, 720, 60), fill=(248, 248, 248))
    draw.rounded_rectangle((70, 36, 640, 54), 8, fill=(232, 234, 238))
    address = f"https://www.{word(chance)}.com/{word(chance)}"
    draw.text((84, 39), address, fill=(90, 90, 90), font=some_font(chance, 10))
    theme = colour(chance, 20, 200)
    draw.rectangle((0, 60, 720, 100), fill=theme)
    for i in range(5):
        draw.text(
            (300 + 80 * i, 74), word(chance).title(), fill="white", font=some_font(chance, 12)
        )
    draw.text((24, 116), sentence(chance, 4)[:36], fill=INK, font=some_font(chance, 24, "Bold"))
    n_columns = chance.choice((1, 2, 3))
    wide = 680 // n_columns
    for column in range(n_columns):
        left = 24 + column * wide
        if chance.random() < 0.6:
            draw.rectangle((left, 160, left + wide - 20, 270), fill=colour(chance, 60, 230))
        paragraph(draw, chance, (left, 284, left + wide - 20, 450), 12, INK, "Sans")
    return sheet


def code(chance: random.Random) -> Image.Image:
    """Draw a window with program text, coloured, or a terminal."""
    is_dark = chance.random() < 0.75
    sheet, draw = blank(640, 440, (30, 31, 38) if is_dark else (253, 253, 253))
    inks = [colour(chance, 140, 250) if is_dark else colour(chance, 0, 150) for _ in range(5)]
    face, indent = some_font(chance, 13, "Mono"), 0
    draw.rectangle((0, 0, 640, 22), fill=(60, 62, 70) if is_dark else (225, 225, 228))
    for number, y in enumerate(range(30, 430, 18), start=1):
        draw.text((8, y), str(number), fill=(120, 120, 120), font=face)
        indent = max(0, min(5, indent + chance.choice((-1, 0, 0, 1))))
        x = 46 + indent * 24
        for _ in range(chance.randint(0, 6)):
            piece = word(chance) + chance.choice((" ", "(", ") ", " = ", ": ", ".", "[0] "))
            draw.text((x, y), piece, fill=chance.choice(inks), font=face)
            x += int(draw.textlength(piece, face))
    return sheet


def spreadsheet(chance: random.Random) -> Image.Image:
    """Draw a table of numbers with lettered columns."""
    sheet, draw = blank(640, 420, (255, 255, 255))
    face, wide = some_font(chance, 11, "Sans"), chance.randint(56, 90)
    draw.rectangle((0, 0, 640, 44), fill=colour(chance, 60, 235))
    for i, x in enumerate(range(36, 640, wide)):
        draw.rectangle((x, 44, x + wide, 62), fill=(232, 232, 232), outline=(200, 200, 200))
        draw.text((x + wide // 2, 53), chr(65 + i), fill=INK, font=face, anchor="mm")
    for row, y in enumerate(range(62, 420, 18)):
        draw.rectangle((0, y, 36, y + 18), fill=(232, 232, 232), outline=(200, 200, 200))
        for i, x in enumerate(range(36, 640, wide)):
            fill = colour(chance, 200, 250) if chance.random() < 0.04 else None
            draw.rectangle((x, y, x + wide, y + 18), outline=(215, 215, 215), fill=fill)
            if chance.random() < 0.75:
                text = word(chance)[:9] if i == 0 or row == 0 else amount(chance)
                draw.text((x + 4, y + 3), text, fill=INK, font=face)
    return sheet


def home_screen(chance: random.Random) -> Image.Image:
    """Draw a phone's home screen, or an app's list of settings."""
    sheet, draw = blank(*PHONE, colour(chance, 20, 240))
    if chance.random() < 0.5:
        for row in range(6):
            for column in range(4):
                x, y = 22 + column * 70, 50 + row * 84
                draw.rounded_rectangle((x, y, x + 48, y + 48), 11, fill=colour(chance))
                draw.ellipse((x + 14, y + 14, x + 34, y + 34), fill=colour(chance))
                draw.text(
                    (x + 24, y + 58),
                    word(chance)[:7],
                    fill="white",
                    font=some_font(chance, 9),
                    anchor="mm",
                )
        _status_bar(draw, chance, (255, 255, 255))
        return sheet
    draw.rectangle((0, 0, 300, 600), fill=(246, 246, 248))
    _status_bar(draw, chance, INK)
    draw.text((18, 40), word(chance).title(), fill=INK, font=some_font(chance, 24, "Bold"))
    for y in range(90, 580, chance.randint(44, 60)):
        draw.ellipse((18, y, 42, y + 24), fill=colour(chance, 60, 230))
        draw.text(
            (56, y + 4), sentence(chance, 2)[:18], fill=INK, font=some_font(chance, 14, "Sans")
        )
        if chance.random() < 0.5:
            draw.rounded_rectangle((250, y + 2, 284, y + 20), 9, fill=colour(chance, 100, 220))
        draw.line((56, y + 34, 300, y + 34), fill=(220, 220, 220))
    return sheet


def dialog(chance: random.Random) -> Image.Image:
    """Draw an error in a window with buttons."""
    sheet, draw = blank(520, 340, colour(chance, 40, 200))
    draw.rectangle((60, 80, 460, 260), fill=(244, 244, 246), outline=(90, 90, 90))
    draw.rectangle((60, 80, 460, 106), fill=colour(chance, 60, 220))
    draw.text(
        (70, 85),
        chance.choice(("Error", "Warning", word(chance).title())),
        fill="white",
        font=some_font(chance, 13, "Bold"),
    )
    draw.ellipse((82, 130, 118, 166), fill=(210, 40, 40))
    draw.text((100, 148), "!", fill="white", font=some_font(chance, 26, "Bold"), anchor="mm")
    paragraph(draw, chance, (134, 130, 446, 200), 13, INK, "Sans")
    for i in range(chance.choice((1, 2))):
        draw.rounded_rectangle(
            (370 - 100 * i, 220, 450 - 100 * i, 246),
            4,
            fill=(220, 220, 226),
            outline=(140, 140, 140),
        )
        draw.text(
            (410 - 100 * i, 233),
            ("OK", "Cancel")[i],
            fill=INK,
            font=some_font(chance, 12),
            anchor="mm",
        )
    return sheet


def _axes(draw: ImageDraw.ImageDraw, chance: random.Random) -> None:
    draw.line((60, 40, 60, 340), fill=INK, width=2)
    draw.line((60, 340, 480, 340), fill=INK, width=2)
    face = some_font(chance, 11)
    for i in range(6):
        y = 340 - i * 56
        if chance.random() < 0.8:
            draw.line((60, y, 480, y), fill=(215, 215, 215))
        draw.text((52, y), str(i * 10), fill=INK, font=face, anchor="rm")
    draw.text(
        (270, 20), sentence(chance, 3), fill=INK, font=some_font(chance, 16, "Bold"), anchor="mm"
    )
    for x in range(90, 480, 70):
        draw.text((x, 354), word(chance)[:6], fill=INK, font=face, anchor="mm")


def bar_chart(chance: random.Random) -> Image.Image:
    """Draw columns over an axis."""
    sheet, draw = blank(520, 380, (255, 255, 255))
    _axes(draw, chance)
    n, fill = chance.randint(4, 14), colour(chance, 20, 220)
    wide = 400 / n
    for i in range(n):
        x = 70 + i * wide
        bar = colour(chance, 20, 230) if chance.random() < 0.3 else fill
        draw.rectangle((x, 340 - chance.randint(10, 280), x + wide * 0.7, 340), fill=bar)
    return sheet


def line_chart(chance: random.Random) -> Image.Image:
    """Draw curves over axes, or a cloud of points."""
    sheet, draw = blank(520, 380, (255, 255, 255))
    _axes(draw, chance)
    is_cloud = chance.random() < 0.25
    for _ in range(chance.randint(1, 4)):
        ink, level = colour(chance, 20, 220), chance.uniform(100, 300)
        points = []
        for x in range(60, 481, chance.randint(8, 40)):
            level = min(max(level + chance.gauss(0, 18), 50), 335)
            points.append((x, level))
        if not is_cloud:
            draw.line(points, fill=ink, width=chance.randint(1, 4))
        if is_cloud or chance.random() < 0.4:
            for x, y in points:
                high = y + (chance.gauss(0, 20) if is_cloud else 0)
                draw.ellipse((x - 4, high - 4, x + 4, high + 4), fill=ink)
    return sheet


def pie_chart(chance: random.Random) -> Image.Image:
    """Draw a circle in slices, with a legend."""
    sheet, draw = blank(520, 380, (255, 255, 255))
    shares = [chance.uniform(0.3, 1) for _ in range(chance.randint(3, 8))]
    start = chance.uniform(0, 360)
    draw.text(
        (260, 20), sentence(chance, 3), fill=INK, font=some_font(chance, 16, "Bold"), anchor="mm"
    )
    for i, share in enumerate(shares):
        end = start + 360 * share / math.fsum(shares)
        fill = colour(chance, 40, 240)
        draw.pieslice((60, 50, 360, 350), start, end, fill=fill, outline="white")
        draw.rectangle((390, 80 + 26 * i, 404, 94 + 26 * i), fill=fill)
        draw.text((412, 80 + 26 * i), word(chance)[:9], fill=INK, font=some_font(chance, 12))
        start = end
    if chance.random() < 0.3:
        draw.ellipse((150, 140, 270, 260), fill="white")
    return sheet


def slide(chance: random.Random) -> Image.Image:
    """Draw a slide: a heading and points."""
    ground = colour(chance, 230, 255) if chance.random() < 0.7 else colour(chance, 10, 80)
    ink = INK if sum(ground) > 380 else (245, 245, 245)
    sheet, draw = blank(640, 400, ground)
    if chance.random() < 0.6:
        draw.rectangle((0, 0, 640, 76), fill=colour(chance, 20, 220))
    draw.text((36, 24), sentence(chance, 4)[:30], fill=ink, font=some_font(chance, 28, "Bold"))
    for y in range(110, 370, chance.randint(40, 62)):
        draw.ellipse((42, y + 8, 52, y + 18), fill=ink)
        draw.text((66, y), sentence(chance, 5)[:44], fill=ink, font=some_font(chance, 20, "Sans"))
    return sheet


def logo(chance: random.Random) -> Image.Image:
    """Draw a sign of a few shapes and a name on a plain ground."""
    sheet, draw = blank(400, 400, (255, 255, 255) if chance.random() < 0.7 else colour(chance))
    for _ in range(chance.randint(1, 4)):
        x, y, r = chance.randint(120, 280), chance.randint(90, 220), chance.randint(30, 90)
        shape = chance.choice((draw.ellipse, draw.rectangle))
        shape((x - r, y - r, x + r, y + r), fill=colour(chance))
    if chance.random() < 0.8:
        draw.text(
            (200, 330),
            word(chance).upper(),
            fill=colour(chance, 0, 160),
            font=some_font(chance, 44, "Bold"),
            anchor="mm",
        )
    return sheet
