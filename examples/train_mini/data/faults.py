"""Photographs made worse as phones and people do: blurred, dark, grey, captioned; and lights."""

from __future__ import annotations

import math
import random

from data.drawing import blank, sentence, some_font
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageOps

SIDE = 320


def square(photo: Image.Image) -> Image.Image:
    """Return the middle of a photograph, 320 px."""
    return ImageOps.fit(photo, (SIDE, SIDE))


def blurry(photo: Image.Image, chance: random.Random) -> Image.Image:
    """Put it out of focus, or shake it."""
    picture = square(photo)
    if chance.random() < 0.6:
        return picture.filter(ImageFilter.GaussianBlur(chance.uniform(6, 22)))
    total, (dx, dy) = picture, (chance.uniform(-5, 5), chance.uniform(-3, 3))
    for i in range(1, 16):
        moved = ImageChops.offset(picture, int(dx * i), int(dy * i))
        total = Image.blend(total, moved, 1 / (i + 1))
    return total


def dark(photo: Image.Image, chance: random.Random) -> Image.Image:
    """Leave almost no light."""
    return ImageEnhance.Brightness(square(photo)).enhance(chance.uniform(0.02, 0.14))


def bright(photo: Image.Image, chance: random.Random) -> Image.Image:
    """Leave far too much light."""
    return ImageEnhance.Brightness(square(photo)).enhance(chance.uniform(2.5, 6))


def grey(photo: Image.Image, chance: random.Random) -> Image.Image:
    """Take the colours away."""
    picture = ImageOps.grayscale(square(photo)).convert("RGB")
    return ImageEnhance.Contrast(picture).enhance(chance.uniform(0.8, 1.4))


def sepia(photo: Image.Image, chance: random.Random) -> Image.Image:
    """Turn it brown and pale."""
    light = chance.randint(190, 255)
    picture = ImageOps.colorize(
        ImageOps.grayscale(square(photo)), (60, 40, 20), (light, int(light * 0.9), int(light * 0.7))
    )
    return ImageEnhance.Contrast(picture).enhance(chance.uniform(0.6, 1.0))


def meme(photo: Image.Image, chance: random.Random) -> Image.Image:
    """Write large white letters with a black edge over it."""
    picture = square(photo)
    draw = ImageDraw.Draw(picture)
    face = some_font(chance, chance.randint(26, 44), "Bold")
    for y in chance.choice(((28,), (292,), (28, 292), (28, 292))):
        text = sentence(chance, 3).upper()[:16]
        draw.text(
            (160, y),
            text,
            fill="white",
            stroke_fill="black",
            stroke_width=3,
            font=face,
            anchor="mm",
        )
    return picture


def collage(photos: list[Image.Image], chance: random.Random) -> Image.Image:
    """Lay several side by side."""
    n = chance.choice((2, 2, 3))
    side, gap = SIDE // n, chance.choice((0, 4, 8))
    sheet = Image.new("RGB", (SIDE, SIDE), chance.choice(("white", "black")))
    for i in range(n * n):
        tile = ImageOps.fit(photos[i % len(photos)], (side - gap, side - gap))
        sheet.paste(tile, ((i % n) * side + gap // 2, (i // n) * side + gap // 2))
    return sheet


def night_lights(chance: random.Random) -> Image.Image:
    """Draw windows, lamps and their glow in the dark."""
    ground = (chance.randint(0, 14), chance.randint(0, 16), chance.randint(4, 40))
    sheet, draw = blank(SIDE, SIDE, ground)
    horizon = chance.randint(90, 220)
    warm = ((255, 214, 130), (255, 240, 200), (255, 170, 90), (200, 220, 255), (255, 80, 60))
    x = 0
    while x < SIDE:
        wide, top = chance.randint(18, 60), horizon - chance.randint(0, 90)
        shade = chance.randint(5, 26)
        draw.rectangle((x, top, x + wide, horizon + 30), fill=(shade, shade, shade + 6))
        for wx in range(x + 3, x + wide - 3, 7):
            for wy in range(top + 4, horizon + 24, 9):
                if chance.random() < 0.4:
                    draw.rectangle((wx, wy, wx + 3, wy + 4), fill=chance.choice(warm))
        x += wide
    for _ in range(chance.randint(10, 60)):
        x, y, r = chance.randint(0, SIDE), chance.randint(horizon, SIDE), chance.randint(1, 6)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=chance.choice(warm))
    glow = sheet.filter(ImageFilter.GaussianBlur(chance.uniform(4, 14)))
    return ImageChops.screen(sheet, glow)


def fireworks(chance: random.Random) -> Image.Image:
    """Draw bursts of sparks in a black sky."""
    sheet, draw = blank(
        SIDE, SIDE, (chance.randint(0, 12), chance.randint(0, 10), chance.randint(2, 26))
    )
    for _ in range(chance.randint(1, 5)):
        x, y, reach = chance.randint(50, 270), chance.randint(40, 200), chance.randint(30, 110)
        ink = (chance.randint(150, 255), chance.randint(60, 255), chance.randint(40, 255))
        for _ in range(chance.randint(30, 90)):
            angle, near = chance.uniform(0, 2 * math.pi), reach * chance.uniform(0.1, 0.7)
            far = near + reach * chance.uniform(0.1, 0.4)
            draw.line(
                (
                    *(x + near * math.cos(angle), y + near * math.sin(angle)),
                    *(x + far * math.cos(angle), y + far * math.sin(angle) + 0.04 * reach),
                ),
                fill=ink,
                width=chance.choice((1, 2)),
            )
    return ImageChops.screen(sheet, sheet.filter(ImageFilter.GaussianBlur(5)))


def phone_photo(sheet: Image.Image, chance: random.Random) -> Image.Image:
    """Photograph a sheet: askew on a table, unevenly lit, a little soft."""
    side = max(sheet.size)
    shade = chance.randint(30, 180)
    wood = tuple(max(shade + chance.randint(-35, 25), 0) for _ in range(3))
    table = Image.new("RGB", (side, side), wood)
    grain = Image.effect_noise((side // 4, side // 40 + 1), 40).resize((side, side))
    table = ImageChops.overlay(table, Image.merge("RGB", (grain,) * 3))
    scale = chance.uniform(0.7, 1.15)
    small = sheet.resize((int(sheet.width * scale), int(sheet.height * scale)))
    mask = Image.new("L", small.size, 255)
    angle = chance.gauss(0, 7)
    small, mask = (
        p.rotate(angle, expand=True, resample=Image.Resampling.BILINEAR) for p in (small, mask)
    )
    corner = (
        (side - small.width) // 2 + chance.randint(-20, 20),
        (side - small.height) // 2 + chance.randint(-20, 20),
    )
    table.paste(small, corner, mask)
    tilt = [chance.uniform(0, 0.09) * side for _ in range(8)]
    quad = (
        *(tilt[0], tilt[1], tilt[2], side - tilt[3]),
        *(side - tilt[4], side - tilt[5], side - tilt[6], tilt[7]),
    )
    table = table.transform((SIDE, SIDE), Image.Transform.QUAD, quad, Image.Resampling.BILINEAR)
    light = Image.linear_gradient("L").rotate(chance.choice((0, 90, 180, 270))).resize((SIDE, SIDE))
    depth = chance.uniform(0.2, 0.5)
    light = light.point([255 - int((255 - v) * depth) for v in range(256)])
    table = ImageChops.multiply(table, Image.merge("RGB", (light,) * 3))
    table = ImageEnhance.Color(table).enhance(chance.uniform(0.6, 1.2))
    warm = tuple(chance.randint(225, 255) for _ in range(3))
    table = ImageChops.multiply(table, Image.new("RGB", table.size, warm))
    return table.filter(ImageFilter.GaussianBlur(chance.uniform(0, 1.2)))
