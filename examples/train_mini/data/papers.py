"""Papers and boards, drawn: receipts, letters, forms, book pages, notes, whiteboards, maps."""

from __future__ import annotations

import itertools
import math
import random

from data.drawing import (
    amount,
    blank,
    colour,
    paper,
    paragraph,
    scribble,
    sentence,
    some_font,
    word,
)
from PIL import Image

INK = (35, 35, 40)


def receipt(chance: random.Random) -> Image.Image:
    """Draw a till receipt: a shop, items with prices, a total."""
    width, height = chance.randint(190, 260), chance.randint(380, 640)
    sheet, draw = blank(width, height, paper(chance))
    face, bold = some_font(chance, 13, "Mono"), some_font(chance, 18, "Bold")
    draw.text((width // 2, 20), word(chance).upper(), fill=INK, font=bold, anchor="mm")
    draw.text((width // 2, 42), sentence(chance, 3), fill=INK, font=face, anchor="mm")
    y = 66
    while y < height - 90:
        draw.text((10, y), sentence(chance, 2)[:16], fill=INK, font=face)
        draw.text((width - 10, y), amount(chance), fill=INK, font=face, anchor="ra")
        y += 18
    draw.line((10, y, width - 10, y), fill=INK)
    draw.text((10, y + 8), "TOTAL", fill=INK, font=bold)
    draw.text((width - 10, y + 8), amount(chance), fill=INK, font=bold, anchor="ra")
    draw.text((width // 2, y + 50), "Thank you", fill=INK, font=face, anchor="mm")
    return sheet


def letter(chance: random.Random) -> Image.Image:
    """Draw a typed page: an address, a heading, paragraphs."""
    sheet, draw = blank(420, 594, paper(chance))
    size = chance.randint(9, 13)
    paragraph(draw, chance, (40, 40, 180, 90), size)
    if chance.random() < 0.7:
        draw.text(
            (40, 120), sentence(chance, 4), fill=INK, font=some_font(chance, size + 6, "Bold")
        )
    y = 150
    while y < 480:
        deep = chance.randint(50, 120)
        paragraph(draw, chance, (40, y, 380, min(y + deep, 540)), size)
        y += deep + 14
    if chance.random() < 0.5:
        scribble(draw, chance, (60, 560), 90, 16, (30, 40, 120), 2)
    return sheet


def invoice(chance: random.Random) -> Image.Image:
    """Draw a bill: a table of amounts."""
    sheet, draw = blank(420, 594, paper(chance))
    head, face = some_font(chance, 26, "Bold"), some_font(chance, 11)
    draw.text(
        (40, 36),
        chance.choice(("INVOICE", "Invoice", "BILL", word(chance).title())),
        fill=INK,
        font=head,
    )
    paragraph(draw, chance, (250, 40, 390, 100), 10)
    top, step = 150, chance.randint(20, 30)
    n_rows = chance.randint(5, 12)
    draw.rectangle((40, top, 380, top + step), fill=colour(chance, 150, 230))
    for row in range(n_rows):
        y = top + row * step
        draw.line((40, y, 380, y), fill=(150, 150, 150))
        draw.text((46, y + 4), sentence(chance, 3)[:24], fill=INK, font=face)
        draw.text((374, y + 4), amount(chance), fill=INK, font=face, anchor="ra")
    draw.text(
        (374, top + n_rows * step + 12), "Total " + amount(chance), fill=INK, font=head, anchor="ra"
    )
    return sheet


def form(chance: random.Random) -> Image.Image:
    """Draw a form: fields, boxes to tick, some filled in by hand."""
    sheet, draw = blank(420, 594, paper(chance))
    face = some_font(chance, 11)
    draw.text((30, 24), sentence(chance, 3), fill=INK, font=some_font(chance, 20, "Bold"))
    for row in range(chance.randint(10, 16)):
        y = 70 + row * 34
        draw.text((30, y), word(chance).title(), fill=INK, font=face)
        if chance.random() < 0.25:
            for i in range(3):
                draw.rectangle((150 + i * 70, y, 162 + i * 70, y + 12), outline=INK)
                draw.text((168 + i * 70, y), word(chance)[:6], fill=INK, font=face)
        else:
            draw.rectangle((150, y - 4, 390, y + 18), outline=INK)
            if chance.random() < 0.5:
                scribble(draw, chance, (158, y + 12), 140, 12, (20, 30, 110), 1)
    return sheet


def book_page(chance: random.Random) -> Image.Image:
    """Draw a page of a book, or two beside each other."""
    n_pages = chance.choice((1, 1, 2))
    sheet, draw = blank(340 * n_pages, 500, paper(chance))
    size = chance.randint(10, 13)
    for page in range(n_pages):
        left = 340 * page
        paragraph(draw, chance, (left + 36, 44, left + 306, 460), size, kind="Serif")
        draw.text(
            (left + 170, 480), str(chance.randint(2, 400)), fill=INK, font=some_font(chance, 10)
        )
    return sheet


def newspaper(chance: random.Random) -> Image.Image:
    """Draw a newspaper: a big heading, columns, grey pictures."""
    sheet, draw = blank(480, 640, (232, 230, 222))
    draw.text(
        (240, 34), sentence(chance, 2), fill=INK, font=some_font(chance, 38, "Serif"), anchor="mm"
    )
    draw.line((20, 62, 460, 62), fill=INK, width=2)
    draw.text((24, 74), sentence(chance, 5)[:34], fill=INK, font=some_font(chance, 22, "Bold"))
    for column in range(4):
        left = 20 + column * 112
        paragraph(draw, chance, (left, 110, left + 102, 630), 8)
        if chance.random() < 0.5:
            y = chance.randint(120, 480)
            grey = chance.randint(60, 180)
            draw.rectangle((left, y, left + 102, y + 90), fill=(grey, grey, grey))
    return sheet


def note(chance: random.Random) -> Image.Image:
    """Draw a page written by hand."""
    sheet, draw = blank(420, 540, paper(chance))
    is_lined = chance.random() < 0.6
    ink, size = chance.choice(((25, 35, 120), (30, 30, 30), (110, 20, 30))), chance.randint(12, 22)
    for y in range(50, 530, int(size * 1.8)):
        if is_lined:
            draw.line((0, y + 4, 420, y + 4), fill=(170, 190, 220))
        if chance.random() < 0.85:
            scribble(
                draw, chance, (30, y), chance.randint(120, 360), size, ink, chance.randint(1, 3)
            )
    return sheet


def whiteboard(chance: random.Random) -> Image.Image:
    """Draw a board with writing, boxes and arrows in a few colours."""
    is_black = chance.random() < 0.15
    ground = (35, 60, 50) if is_black else (236, 240, 242)
    sheet, draw = blank(640, 420, ground)
    inks = (
        ((240, 240, 235),)
        if is_black
        else ((30, 60, 170), (190, 30, 40), (20, 120, 60), (30, 30, 30))
    )
    for _ in range(chance.randint(6, 14)):
        x, y = chance.randint(20, 440), chance.randint(40, 380)
        ink = chance.choice(inks)
        scribble(draw, chance, (x, y), chance.randint(60, 240), chance.randint(12, 26), ink, 3)
        if chance.random() < 0.4:
            draw.rectangle(
                (x - 12, y - 26, x + chance.randint(60, 160), y + 20), outline=ink, width=3
            )
        if chance.random() < 0.4:
            draw.line(
                (x, y, x + chance.randint(-120, 160), y + chance.randint(-90, 90)),
                fill=ink,
                width=3,
            )
    draw.rectangle((0, 0, 639, 419), outline=colour(chance, 120, 190), width=chance.randint(4, 14))
    return sheet


def street_map(chance: random.Random) -> Image.Image:
    """Draw a map of streets, with water and parks."""
    sheet, draw = blank(520, 520, (240, 236, 226))
    for _ in range(chance.randint(1, 4)):
        x, y, r = chance.randint(0, 520), chance.randint(0, 520), chance.randint(40, 140)
        draw.ellipse(
            (x - r, y - r // 2, x + r, y + r),
            fill=chance.choice(((170, 205, 235), (200, 226, 180))),
        )
    tilt = chance.uniform(0, math.pi)
    for _ in range(chance.randint(14, 34)):
        angle = tilt + chance.choice((0, math.pi / 2)) + chance.gauss(0, 0.12)
        x, y = chance.randint(0, 520), chance.randint(0, 520)
        dx, dy = 600 * math.cos(angle), 600 * math.sin(angle)
        wide = chance.choice((2, 3, 3, 5, 9))
        fill = (250, 214, 120) if wide == 9 else (255, 255, 255)
        draw.line((x - dx, y - dy, x + dx, y + dy), fill=(190, 186, 178), width=wide + 2)
        draw.line((x - dx, y - dy, x + dx, y + dy), fill=fill, width=wide)
    for _ in range(chance.randint(5, 14)):
        place = chance.randint(0, 480), chance.randint(0, 500)
        draw.text(place, word(chance).title(), fill=(90, 90, 90), font=some_font(chance, 12))
    return sheet


def floor_plan(chance: random.Random) -> Image.Image:
    """Draw the plan of a flat: walls, doors, names of rooms."""
    sheet, draw = blank(480, 400, (252, 252, 250))
    wall = chance.randint(3, 8)
    xs = [40, *sorted(chance.sample(range(120, 380, 20), 2)), 440]
    ys = [40, chance.randint(150, 250), 360]
    for left, right in itertools.pairwise(xs):
        for top, bottom in itertools.pairwise(ys):
            draw.rectangle((left, top, right, bottom), outline=INK, width=wall)
            draw.arc((left - 26, top + 20, left + 26, top + 72), 270, 360, fill=INK)
            middle = ((left + right) // 2, (top + bottom) // 2)
            draw.text(
                middle, word(chance).title(), fill=INK, font=some_font(chance, 12), anchor="mm"
            )
    return sheet


def sheet_music(chance: random.Random) -> Image.Image:
    """Draw staves with notes."""
    sheet, draw = blank(420, 560, paper(chance))
    draw.text(
        (210, 30), sentence(chance, 3), fill=INK, font=some_font(chance, 20, "Serif"), anchor="mm"
    )
    for top in range(70, 520, chance.randint(54, 74)):
        for line in range(5):
            draw.line((30, top + 7 * line, 390, top + 7 * line), fill=INK)
        for x in range(56, 386, chance.randint(14, 26)):
            y = top + chance.randint(-2, 9) * 3.5
            draw.ellipse((x, y, x + 9, y + 7), fill=INK)
            draw.line((x + 8, y + 3, x + 8, y - 22), fill=INK, width=1)
    return sheet


def code_square(chance: random.Random) -> Image.Image:
    """Draw a QR code (of nothing) or a bar code."""
    if chance.random() < 0.35:
        sheet, draw = blank(360, 220, (255, 255, 255))
        x = 30
        while x < 330:
            wide = chance.choice((2, 2, 4, 6))
            draw.rectangle((x, 30, x + wide, 170), fill=(10, 10, 10))
            x += wide + chance.choice((2, 4, 6))
        digits = "".join(chance.choice("0123456789") for _ in range(13))
        draw.text((180, 190), digits, fill=INK, font=some_font(chance, 18, "Mono"), anchor="mm")
        return sheet
    n = chance.choice((21, 25, 29, 33))
    small = Image.new("L", (n, n), 255)
    small.putdata([chance.choice((0, 255)) for _ in range(n * n)])
    for left, top in ((0, 0), (n - 7, 0), (0, n - 7)):
        small.paste(255, (max(left - 1, 0), max(top - 1, 0), left + 8, top + 8))
        small.paste(0, (left, top, left + 7, top + 7))
        small.paste(255, (left + 1, top + 1, left + 6, top + 6))
        small.paste(0, (left + 2, top + 2, left + 5, top + 5))
    sheet = Image.new("RGB", (n * 10 + 60, n * 10 + 60), "white")
    sheet.paste(small.resize((n * 10, n * 10), Image.Resampling.NEAREST).convert("RGB"), (30, 30))
    return sheet
