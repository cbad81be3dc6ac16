"""What files tell of their pictures without a model; pictures are drawn here, or photographs."""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont, ImageOps, PngImagePlugin

from clipcli.images.load import load
from clipcli.images.notes import NOTES, RAW_PREVIEW, note_of, origin_of, with_origin
from clipcli.images.origin import (
    DOCUMENT,
    ORIGINS,
    PHOTOGRAPH,
    SCAN,
    SCREENSHOT,
    read_origin,
)
from clipcli.images.screens import is_media, is_screen
from clipcli.labels.label import RULES
from clipcli.models.config import Preprocessing

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "photos"
PHONE = (750, 1334)
A4_150_DPI = (1240, 1754)  # 210 mm / 25.4 * 150 = 1240.2, 297 mm / 25.4 * 150 = 1753.9
MAKE, MODEL, SOFTWARE, F_NUMBER, SOURCE, COMMENT = 0x010F, 0x0110, 0x0131, 0x829D, 0xA300, 0x9286
FORMATS = [("PNG", {"compress_level": 1}), ("JPEG", {"quality": 85}), ("WEBP", {"quality": 80})]
WORDS = ("write", "a", "line", "that", "somebody", "might", "read", "on", "a", "screen", "today")


def written(size: tuple[int, int], px: int, ground: tuple[int, int, int]) -> Image.Image:
    """Draw lines of text."""
    image, chance = Image.new("RGB", size, ground), random.Random(3)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(px)
    for y in range(2 * px, size[1] - 2 * px, 2 * px):
        line = " ".join(chance.choices(WORDS, k=30))
        draw.text((px, y), line[: size[0] // px], fill=(20, 20, 30), font=font)
    return image


def screen(size: tuple[int, int] = PHONE, px: int = 26) -> Image.Image:
    """Draw what a phone shows: a bar, and text on white."""
    image = written(size, px, (255, 255, 255))
    ImageDraw.Draw(image).rectangle((0, 0, size[0], 90), fill=(30, 110, 200))
    return image


def photograph(size: tuple[int, int] = PHONE, name: str = "cat") -> Image.Image:
    with Image.open(EXAMPLES / f"{name}.jpg") as image:
        return ImageOps.fit(image.convert("RGB"), size)


def stored(image: Image.Image, form: str = "PNG", **options: object) -> io.BytesIO:
    stream = io.BytesIO()
    image.save(stream, form, **options)  # type: ignore[arg-type]
    return stream


def exif(tags: dict[int, object], exposure: dict[int, object] | None = None) -> Image.Exif:
    made = Image.Exif()
    for tag, value in tags.items():
        made[tag] = value
    made.get_ifd(0x8769).update(exposure or {})
    return made


CAMERA = exif({MAKE: "Camera works", MODEL: "C-1"}, {F_NUMBER: 2.8})


@pytest.mark.parametrize(("form", "options"), FORMATS)
def test_writing_of_a_screens_size_is_a_screenshot(form: str, options: dict[str, int]) -> None:
    assert read_origin(stored(screen(), form, **options)) == SCREENSHOT
    assert read_origin(stored(screen().rotate(90, expand=True), form, **options)) == SCREENSHOT


@pytest.mark.parametrize(("form", "options"), FORMATS)
@pytest.mark.parametrize("name", ["cat", "mountain", "coffee"])
def test_a_photograph_of_a_screens_size_is_none(
    form: str, options: dict[str, int], name: str
) -> None:
    image = photograph(name=name)

    assert read_origin(stored(image, form, **options)) == 0
    assert read_origin(stored(image, form, exif=CAMERA, **options)) == PHOTOGRAPH


def test_a_thing_photographed_on_white_is_no_screenshot() -> None:
    mask = Image.new("L", PHONE, 0)
    ImageDraw.Draw(mask).ellipse((150, 400, 600, 1000), fill=255)
    image = Image.composite(photograph(), Image.new("RGB", PHONE, "white"), mask)

    for form, options in FORMATS:
        assert read_origin(stored(image, form, **options)) == 0


def test_a_drawn_wallpaper_has_no_letters() -> None:
    image = Image.new("RGB", PHONE, (120, 190, 240))
    draw = ImageDraw.Draw(image)
    draw.ellipse((480, 120, 640, 280), fill=(255, 220, 80))
    for i, colour in enumerate([(60, 120, 90), (40, 100, 70), (20, 70, 50)]):
        for x in range(-200, 750, 190):
            top = 600 + 200 * i
            draw.polygon([(x + 60 * i, 1334), (x + 150, top), (x + 400, 1334)], fill=colour)

    for form, options in FORMATS:
        assert read_origin(stored(image, form, **options)) == 0


def test_a_sky_that_was_made_flat_is_no_screenshot() -> None:
    shades = np.linspace(150, 190, PHONE[1])[:, None, None] + np.array([0, 20, 45])  # (h, 1, 3)
    image = Image.fromarray(np.broadcast_to(shades, (PHONE[1], PHONE[0], 3)).astype(np.uint8))

    assert read_origin(stored(image, "JPEG", quality=20)) == 0


def test_another_size_is_not_a_screens() -> None:
    assert read_origin(stored(screen((751, 1334)))) == 0


def test_a_camera_has_the_last_word() -> None:
    assert read_origin(stored(screen(), "JPEG", exif=CAMERA)) == PHOTOGRAPH


def test_a_name_of_a_camera_without_an_exposure_decides_nothing() -> None:
    assert read_origin(stored(screen(), "JPEG", exif=exif({MAKE: "Camera works"}))) == 0


def test_slides_have_the_size_of_a_screen_but_not_its_small_letters() -> None:
    size = (1920, 1080)

    assert is_media(size)
    assert not is_screen(size)
    assert read_origin(stored(screen(size, px=72))) == 0
    assert read_origin(stored(screen(size, px=13))) == SCREENSHOT


@pytest.mark.parametrize("name", ["gnome-screenshot", "Greenshot", "ShareX", "Screenshot"])
def test_a_program_for_screenshots_signs_them(name: str) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Software", name)
    image = photograph((300, 200))

    assert read_origin(stored(image, pnginfo=text)) == SCREENSHOT
    assert read_origin(stored(image, "JPEG", exif=exif({SOFTWARE: name}))) == SCREENSHOT
    assert read_origin(stored(image, "JPEG", exif=exif({SOFTWARE: "GIMP 2.10"}))) == 0


def test_phones_write_the_word_as_a_comment() -> None:
    comment = exif({0x0112: 1}, {COMMENT: b"ASCII\0\0\0Screenshot"})
    xmp = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><exif:UserComment><rdf:Alt>'
        '<rdf:li xml:lang="x-default">Screenshot</rdf:li></rdf:Alt></exif:UserComment></x:xmpmeta>'
    )
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", xmp)

    assert read_origin(stored(photograph((300, 200)), exif=comment)) == SCREENSHOT
    assert read_origin(stored(photograph((300, 200)), pnginfo=text)) == SCREENSHOT


@pytest.mark.parametrize(
    "made",
    [
        exif({MAKE: "EPSON", MODEL: "Perfection V39", SOFTWARE: "EPSON Scan"}),
        exif({SOFTWARE: "VueScan 9 x64"}),
        exif({MODEL: "CanoScan LiDE 400"}),
        exif({MAKE: "Maker"}, {SOURCE: b"\x02"}),
    ],
)
def test_scanners_sign_what_they_scan(made: Image.Exif) -> None:
    assert read_origin(stored(photograph((300, 200)), "JPEG", exif=made)) == SCAN


def test_a_page_is_a_document_by_its_size_and_paper() -> None:
    noise = np.random.default_rng(5).normal(0, 3, (*A4_150_DPI[::-1], 1))
    page = np.asarray(written(A4_150_DPI, 24, (240, 238, 230))) + noise  # as a scanner sees paper
    image = Image.fromarray(page.clip(0, 255).astype(np.uint8))
    black = image.convert("L").point([0] * 128 + [255] * 128, "1")
    scanned = exif({SOFTWARE: "Simple Scan"})

    assert read_origin(stored(image, "JPEG", quality=80)) == DOCUMENT
    assert read_origin(stored(image.convert("L"), "PNG")) == DOCUMENT
    assert read_origin(stored(black, "TIFF", compression="group4")) == DOCUMENT
    assert read_origin(stored(image, "JPEG", exif=scanned)) == SCAN | DOCUMENT
    assert read_origin(stored(photograph(A4_150_DPI), "JPEG")) == 0
    assert read_origin(stored(image.crop((0, 0, 1240, 1300)), "JPEG")) == 0


def test_an_empty_page_is_none() -> None:
    assert read_origin(stored(Image.new("RGB", A4_150_DPI, "white"))) == 0
    assert read_origin(stored(Image.new("RGB", PHONE, "white"))) == 0


def test_broken_metadata_is_none_and_costs_nothing() -> None:
    broken = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 40

    assert read_origin(stored(photograph((300, 200)), "JPEG", exif=broken)) == 0
    assert read_origin(io.BytesIO(b"no picture")) == 0


def test_animations_are_no_screenshots() -> None:
    assert read_origin(stored(screen(), "GIF")) == 0


def test_loading_tells_a_picture_and_its_origin(tmp_path: Path) -> None:
    path = tmp_path / "shot.png"
    screen().save(path)

    loaded = load(path, Preprocessing(size=64))

    assert origin_of(loaded.note_number) == SCREENSHOT
    assert note_of(loaded.note_number) == ""


def test_a_note_and_an_origin_share_a_byte() -> None:
    everything = with_origin(RAW_PREVIEW, SCREENSHOT | SCAN | DOCUMENT | PHOTOGRAPH)

    assert everything < 256
    assert note_of(everything) == NOTES[RAW_PREVIEW]
    assert origin_of(everything) == 15


def test_every_rule_of_a_label_has_something_that_tells_it() -> None:
    assert tuple(ORIGINS) == RULES
