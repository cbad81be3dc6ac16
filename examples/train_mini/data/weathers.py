"""Skies and weather: drawn skies over the land of a photograph; photographs in fog, rain, snow."""

from __future__ import annotations

import math
import random

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageOps

SIDE = 320
Light = tuple[int, int, int]
NOON = ((40, 100, 190), (70, 130, 215), (30, 80, 170))  # above
NOON_BELOW = ((150, 195, 240), (185, 215, 245), (130, 180, 230))
DAWN = ((60, 60, 110), (90, 70, 120), (30, 30, 70), (120, 110, 150), (170, 110, 100))
DAWN_BELOW = ((255, 150, 60), (250, 110, 50), (255, 190, 90), (240, 90, 70), (255, 170, 120))


def gradient(above: Light, below: Light, bend: float = 1.0) -> Image.Image:
    """Return a sky whose colour changes from above to below."""
    share = np.linspace(0, 1, SIDE)[:, None, None] ** bend  # (s, 1, 1)
    rows = np.array(above) * (1 - share) + np.array(below) * share
    return Image.fromarray(np.broadcast_to(rows, (SIDE, SIDE, 3)).astype(np.uint8))


def noise(chance: random.Random, wide: int, high: int) -> np.ndarray:
    """Return smooth noise (s, s), 0 to 1: several grids, each finer and fainter."""
    draw = np.random.default_rng(chance.getrandbits(32))
    total = np.zeros((SIDE, SIDE), np.float32)
    for octave in range(5):
        shape = (min(SIDE, high << octave), min(SIDE, wide << octave))
        grid = Image.fromarray(draw.random(shape, dtype=np.float32))
        total += np.asarray(grid.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) / 2**octave
    total -= total.min()
    return total / total.max()


def clouds(sky: Image.Image, chance: random.Random, cover: float) -> Image.Image:
    """Lay clouds over a sky; ``cover`` says how much of it, 0 to 1."""
    heaps = noise(chance, chance.randint(2, 4), chance.randint(3, 7))
    thick = np.clip((heaps - (1 - cover)) * chance.uniform(2.5, 6), 0, 1)[..., None]
    light = chance.uniform(150, 255) - 90 * thick * noise(chance, 3, 4)[..., None]
    white = light * np.array([1.0, 1.0, chance.uniform(1.0, 1.04)])
    mixed = np.asarray(sky) * (1 - thick) + white * thick
    return Image.fromarray(mixed.clip(0, 255).astype(np.uint8))


def sun(sky: Image.Image, x: float, y: float, radius: float, colour: Light, glow: float) -> None:
    """Put the sun into a sky, with its glow."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    away = np.hypot(columns - x, rows - y)
    light = np.clip(1 - (away - radius) / 2, 0, 1) + glow * np.exp(-away / (radius * 5))
    share = np.clip(light, 0, 1)[..., None]
    pixels = np.asarray(sky) * (1 - share) + share * np.array(colour)
    sky.paste(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)))


def over_land(
    sky: Image.Image, land: Image.Image, chance: random.Random, dim: float
) -> Image.Image:
    """Put the lower part of a photograph, or hills, under a sky."""
    horizon = int(SIDE * chance.uniform(0.55, 0.95))
    edge = noise(chance, chance.randint(2, 5), 1)[0] * chance.uniform(5, 60)
    mask = np.arange(SIDE)[:, None] > horizon - edge[None]  # (s, s)
    ground = ImageEnhance.Brightness(ImageOps.fit(land, (SIDE, SIDE))).enhance(dim)
    soft = Image.fromarray((mask * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(1))
    return Image.composite(ground, sky, soft)


def sea(sky: Image.Image, chance: random.Random) -> Image.Image:
    """Let a sky be seen again in water below it."""
    horizon = int(SIDE * chance.uniform(0.5, 0.75))
    mirror = ImageOps.flip(sky.crop((0, 0, SIDE, horizon))).resize((SIDE, SIDE - horizon))
    wave = noise(chance, 4, 40)[: SIDE - horizon, :, None]
    water = np.asarray(mirror) * (0.45 + 0.5 * wave)
    result = sky.copy()
    result.paste(Image.fromarray(water.clip(0, 255).astype(np.uint8)), (0, horizon))
    return result


def sunrise(land: Image.Image, chance: random.Random) -> Image.Image:
    """Return a low sun, or its light alone, over dark land or water."""
    sky = gradient(chance.choice(DAWN), chance.choice(DAWN_BELOW), chance.uniform(0.6, 1.6))
    if chance.random() < 0.7:
        sky = clouds(sky, chance, chance.uniform(0.1, 0.45))
        warm = gradient(chance.choice(DAWN), chance.choice(DAWN_BELOW))
        sky = Image.blend(sky, warm, chance.uniform(0.35, 0.75))
    if chance.random() < 0.8:
        height = SIDE * chance.uniform(0.35, 0.7)
        colour = chance.choice(((255, 240, 190), (255, 210, 110), (255, 170, 80)))
        sun(sky, SIDE * chance.uniform(0.1, 0.9), height, chance.uniform(4, 22), colour, 0.6)
    return sea(sky, chance) if chance.random() < 0.4 else over_land(
        sky, land, chance, chance.uniform(0.0, 0.35)
    )  # fmt: skip


def sunshine(land: Image.Image, chance: random.Random) -> Image.Image:
    """Return a high sun in a blue sky, over land or alone."""
    sky = gradient(chance.choice(NOON), chance.choice(NOON_BELOW), chance.uniform(0.6, 1.4))
    if chance.random() < 0.6:
        sky = clouds(sky, chance, chance.uniform(0.05, 0.4))
    x, y = SIDE * chance.uniform(0.1, 0.9), SIDE * chance.uniform(0.08, 0.5)
    sun(sky, x, y, chance.uniform(6, 26), (255, 255, 235), chance.uniform(0.5, 1.2))
    return over_land(sky, land, chance, chance.uniform(0.8, 1.2)) if chance.random() < 0.6 else sky


def blue_sky(land: Image.Image, chance: random.Random) -> Image.Image:
    """Return a sky without a cloud, or with few."""
    sky = gradient(chance.choice(NOON), chance.choice(NOON_BELOW), chance.uniform(0.5, 1.5))
    if chance.random() < 0.3:
        sky = clouds(sky, chance, chance.uniform(0.05, 0.2))
    return over_land(sky, land, chance, chance.uniform(0.8, 1.2)) if chance.random() < 0.6 else sky


def cloudy(land: Image.Image, chance: random.Random) -> Image.Image:
    """Return clouds: heaps on blue, or a grey cover."""
    grey = chance.randint(110, 220)
    above, below = chance.choice(NOON), chance.choice(NOON_BELOW)
    if chance.random() < 0.5:
        above, below = (grey, grey, min(255, grey + 8)), (grey + 20, grey + 22, grey + 25)
    sky = clouds(gradient(above, below), chance, chance.uniform(0.5, 0.9))
    return over_land(sky, land, chance, chance.uniform(0.5, 1.0)) if chance.random() < 0.5 else sky


def fog(land: Image.Image, chance: random.Random) -> Image.Image:
    """Let a photograph vanish in fog, the far parts (above) more than the near ones."""
    picture = ImageEnhance.Color(ImageOps.fit(land, (SIDE, SIDE))).enhance(chance.uniform(0, 0.5))
    picture = picture.filter(ImageFilter.GaussianBlur(chance.uniform(0, 1.5)))
    near, far = chance.uniform(0.15, 0.65), chance.uniform(0.75, 0.97)
    down = np.linspace(far, near, SIDE)[:, None] ** chance.uniform(0.6, 1.5)
    thick = np.clip(down + 0.25 * (noise(chance, 2, 4) - 0.5), 0, 1)[..., None]
    grey = chance.uniform(140, 235)
    mixed = np.asarray(picture) * (1 - thick) + grey * thick
    return Image.fromarray(mixed.clip(0, 255).astype(np.uint8))


def _dull(land: Image.Image, chance: random.Random) -> Image.Image:
    picture = ImageEnhance.Color(ImageOps.fit(land, (SIDE, SIDE))).enhance(chance.uniform(0.3, 0.8))
    return ImageEnhance.Brightness(picture).enhance(chance.uniform(0.45, 0.85))


def rain(land: Image.Image, chance: random.Random) -> Image.Image:
    """Let it rain in a photograph: streaks, or drops on the pane in front of it."""
    picture = _dull(land, chance)
    if chance.random() < 0.45:
        return _drops(picture, chance)
    layer = Image.new("L", (SIDE, SIDE))
    draw, lean = ImageDraw.Draw(layer), chance.uniform(-0.35, 0.35)
    for _ in range(chance.randint(150, 700)):
        x, y, long = chance.uniform(-40, 360), chance.uniform(-40, 320), chance.uniform(8, 40)
        draw.line((x, y, x + lean * long, y + long), fill=chance.randint(60, 190))
    layer = layer.filter(ImageFilter.GaussianBlur(chance.uniform(0.3, 0.9)))
    return ImageChops.screen(picture, Image.merge("RGB", [layer] * 3))


def _drops(picture: Image.Image, chance: random.Random) -> Image.Image:
    """Show a picture out of focus through drops; each shows it upside down, and sharp."""
    upside = ImageOps.flip(picture).resize((SIDE // 8, SIDE // 8))
    result = picture.filter(ImageFilter.GaussianBlur(chance.uniform(4, 10)))
    for _ in range(chance.randint(60, 260)):
        radius = chance.uniform(2, 9) * chance.uniform(0.6, 1.6)
        side = max(3, int(2 * radius))
        drop = ImageEnhance.Brightness(upside.resize((side, side))).enhance(chance.uniform(1, 1.7))
        mask = Image.new("L", (side, side))
        ImageDraw.Draw(mask).ellipse((0, 0, side - 1, side - 1), fill=220)
        place = (int(chance.uniform(0, SIDE - side)), int(chance.uniform(0, SIDE - side)))
        result.paste(drop, place, mask.filter(ImageFilter.GaussianBlur(0.7)))
    return result


def snowfall(land: Image.Image, chance: random.Random) -> Image.Image:
    """Let it snow in a photograph."""
    picture = Image.blend(
        _dull(land, chance), Image.new("RGB", (SIDE, SIDE), (225, 230, 240)), 0.35
    )
    layer = Image.new("L", (SIDE, SIDE))
    draw = ImageDraw.Draw(layer)
    for _ in range(chance.randint(200, 900)):
        x, y, r = chance.uniform(0, SIDE), chance.uniform(0, SIDE), chance.uniform(0.5, 3.5)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=chance.randint(140, 255))
    layer = layer.filter(ImageFilter.GaussianBlur(chance.uniform(0.3, 1.2)))
    return ImageChops.screen(picture, Image.merge("RGB", [layer] * 3))


def storm(land: Image.Image, chance: random.Random) -> Image.Image:
    """Let lightning strike out of dark clouds."""
    sky = clouds(gradient((25, 20, 50), (70, 60, 100)), chance, 0.8)
    sky = ImageEnhance.Brightness(sky).enhance(chance.uniform(0.3, 0.6))
    glow = Image.new("L", (SIDE, SIDE))
    for _ in range(chance.randint(1, 3)):
        x, y = SIDE * chance.uniform(0.1, 0.9), 0.0
        while y < SIDE * 0.8:
            to_x, to_y = x + chance.gauss(0, 12), y + chance.uniform(6, 22)
            ImageDraw.Draw(glow).line((x, y, to_x, to_y), fill=255, width=chance.randint(1, 3))
            x, y = to_x, to_y
    wide = ImageEnhance.Brightness(glow.filter(ImageFilter.GaussianBlur(8))).enhance(2)
    lit = ImageChops.screen(sky, Image.merge("RGB", [ImageChops.lighter(glow, wide)] * 3))
    return over_land(lit, land, chance, chance.uniform(0, 0.25))


def stars(land: Image.Image, chance: random.Random) -> Image.Image:
    """Return a night sky full of stars, perhaps with the Milky Way or the moon."""
    sky = gradient((5, 8, 25), chance.choice(((20, 30, 70), (45, 40, 70), (10, 15, 40))))
    draw = ImageDraw.Draw(sky)
    for _ in range(chance.randint(150, 900)):
        x, y, light = chance.uniform(0, SIDE), chance.uniform(0, SIDE), chance.randint(90, 255)
        r = 0.4 + chance.random() ** 6 * 1.6
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(light, light, min(255, light + 20)))
    if chance.random() < 0.4:
        band = noise(chance, 3, 3) * np.exp(
            -(
                ((np.mgrid[:SIDE, :SIDE][1] - np.mgrid[:SIDE, :SIDE][0] * math.tan(0.5) - 90) / 60)
                ** 2
            )
        )
        sky = ImageChops.add(sky, Image.fromarray((band * 90).astype(np.uint8)).convert("RGB"))
    return over_land(sky, land, chance, chance.uniform(0, 0.15)) if chance.random() < 0.6 else sky


def rainbow(land: Image.Image, chance: random.Random) -> Image.Image:
    """Return a rainbow before grey clouds."""
    grey = chance.randint(90, 170)
    sky = clouds(gradient((grey,) * 3, (grey + 40,) * 3), chance, 0.7)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    x, y, radius = (
        SIDE * chance.uniform(0, 1),
        SIDE * chance.uniform(0.7, 1.3),
        chance.uniform(140, 300),
    )
    width = chance.uniform(14, 34)
    share = (np.hypot(columns - x, rows - y) - radius) / width + 0.5  # 0 within, 1 outside
    hue = (np.clip(1 - share, 0, 1) * 190).astype(np.uint8)
    full = np.full_like(hue, 230)
    bow = Image.merge("HSV", [Image.fromarray(a) for a in (hue, full, full)]).convert("RGB")
    seen = np.clip(1 - np.abs(2 * share - 1) ** 3, 0, 1) * chance.uniform(0.25, 0.6) * 255
    sky = Image.composite(bow, sky, Image.fromarray(seen.astype(np.uint8)))
    return over_land(sky, land, chance, chance.uniform(0.5, 1.0))
