"""Origin: what a file itself tells of where its picture comes from, without a model.

A camera, a scanner and a program for screenshots write their names into the file. Where nobody
did, a screenshot has the size of a screen, and large areas of exactly one colour with sharp writing
on them; a page has the size of a sheet of paper, and paper between its strokes. What is not certain
is no evidence: a photograph must not be taken for anything else.
"""

from __future__ import annotations

import re
from os import PathLike
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from clipcli.images.colour import to_rgb
from clipcli.images.decode import reader_of
from clipcli.images.files import open_regular
from clipcli.images.kinds import GIF, HEAD_BYTES, RAW, sniff
from clipcli.images.quiet import keep_pillow_quiet
from clipcli.images.screens import is_media, is_screen

if TYPE_CHECKING:
    from PIL.Image import Image

ORIGIN_VERSION = 2  # part of every cache key: raise it when an origin is told in another way

# Flags, since a scanned page is two of them.
SCREENSHOT, SCAN, DOCUMENT, PHOTOGRAPH = 1, 2, 4, 8
ORIGINS = {
    "screenshot": SCREENSHOT,
    "scan": SCAN,
    "document": DOCUMENT,
    "photograph": PHOTOGRAPH,
}

_MAKE, _MODEL, _SOFTWARE, _EXIF = 0x010F, 0x0110, 0x0131, 0x8769
_COMMENT, _SOURCE = 0x9286, 0xA300
# Exposure time, f-number, sensitivity, aperture, focal length, lens: a camera's alone.
_EXPOSURE = (0x829A, 0x829D, 0x8827, 0x9202, 0x920A, 0xA434)
_SCANNERS, _CAMERA = (1, 2), 3  # values of EXIF's file source

# Programs that take screenshots name themselves; a phone or Mac writes the word as a comment.
_SHOOTS = re.compile(
    r"screen[ -]?(shot|shooter|grab|capture)|greenshot|sharex|snagit|lightshot|shutter\b|snipping",
    re.IGNORECASE,
)
_SCANS = re.compile(
    r"\b\w{0,9}scan(ner|snap|jet|maker|mate)?\b|naps2|xsane|office lens|microsoft lens|silverfast",
    re.IGNORECASE,
)
_XMP_COMMENT = re.compile(r"exif:UserComment\W.{0,200}?>\s*Screenshot\s*<", re.DOTALL)

_PAPERS_MM = ((210, 297), (148, 210), (297, 420), (215.9, 279.4), (215.9, 355.6))  # A4 A5 A3, US
_DPI = (72, 96, 100, 120, 150, 200, 240, 300, 400, 600)
_MM_PER_INCH = 25.4
_SLACK = 0.006  # of a sheet's side


class Evidence(NamedTuple):
    """What the file says besides its pixels."""

    certain: int  # flags that need no look at the pixels
    to_see: int  # flags that the pixels decide about


def read_origin(source: str | PathLike[str] | BinaryIO, *, is_raw: bool = False) -> int:
    """Return the flags of a picture that was decoded already, so that its file is known as sound.

    Most files are told by their header; pixels are read again, in full, only where a picture has
    the size of a screen or of a sheet of paper, and nobody signed it.
    """
    if is_raw:
        return PHOTOGRAPH
    try:
        if isinstance(source, str | PathLike):
            with open_regular(source) as stream:
                return _read(stream)
        return _read(source)
    except Exception:  # a picture that was decoded is not lost for what it may be
        return 0


def _read(stream: BinaryIO) -> int:
    keep_pillow_quiet()
    stream.seek(0)
    kind = sniff(stream.read(HEAD_BYTES))
    stream.seek(0)
    if kind is None or kind is RAW:
        return 0
    image = reader_of(kind)(stream)
    found = evidence(image, is_still=kind is not GIF)
    return origin(to_rgb(image), found) if found.to_see else found.certain


def evidence(image: Image, *, is_still: bool = True) -> Evidence:
    """Read the metadata and the size of a picture, as its reader opened it."""
    tags, exposure = _tags(image)
    names = " ".join(str(tags.get(tag, "")) for tag in (_MAKE, _MODEL, _SOFTWARE))
    is_exposed = any(tag in exposure for tag in _EXPOSURE)
    source = _source(exposure.get(_SOURCE))
    if source in _SCANNERS or (not is_exposed and _SCANS.search(names)):
        return Evidence(SCAN, DOCUMENT if is_page(image) else 0)
    is_named = bool(tags.get(_MAKE) or tags.get(_MODEL))
    if is_exposed or source == _CAMERA:
        return Evidence(PHOTOGRAPH if is_named else 0, 0)
    if _says_screenshot(image, tags, exposure):
        return Evidence(SCREENSHOT, 0)
    if is_named:  # a camera's file that an editor has stripped
        return Evidence(0, 0)
    to_see = DOCUMENT if is_page(image) else 0
    if is_still and image.mode in ("RGB", "RGBA", "P"):
        to_see |= SCREENSHOT if is_screen(image.size) or is_media(image.size) else 0
    return Evidence(0, to_see)


def origin(image: Image, found: Evidence) -> int:
    """Return the flags of a picture whose pixels are ``image``, in mode RGB and in full size."""
    from clipcli.images.flatness import (
        has_letters,
        has_paper,
        has_small_letters,
        is_drawn_by_a_screen,
    )

    flags = found.certain
    if found.to_see & SCREENSHOT and is_drawn_by_a_screen(image):
        # Wallpapers are drawn too, without letters; slides have large ones.
        is_shown = has_small_letters(image) if is_media(image.size) else has_letters(image)
        flags |= SCREENSHOT if is_shown else 0
    if found.to_see & DOCUMENT and not flags & SCREENSHOT and has_paper(image):
        flags |= DOCUMENT
    return flags


def is_page(image: Image) -> bool:
    """Say whether a picture has the size of a sheet of paper at a scanner's resolution."""
    short, long = sorted(image.size)
    given = image.info.get("dpi")
    dpi = _number(given[0]) if isinstance(given, tuple) and given else 0.0
    for paper in _PAPERS_MM:
        for each in {*_DPI, dpi} if 50 <= dpi <= 1300 else _DPI:
            width, height = (side / _MM_PER_INCH * each for side in paper)
            if abs(short - width) <= _SLACK * width and abs(long - height) <= _SLACK * height:
                return True
    return False


def _tags(image: Image) -> tuple[dict[int, Any], dict[int, Any]]:
    """Return EXIF's tags of the picture and of the exposure; broken ones are none."""
    try:
        exif = image.getexif()
        return dict(exif), dict(exif.get_ifd(_EXIF))
    except Exception:  # metadata of any brokenness must not cost the picture
        return {}, {}


def _source(value: Any) -> int | None:
    if isinstance(value, bytes) and value:
        return value[0]
    return value if isinstance(value, int) else None


def _says_screenshot(image: Image, tags: dict[int, Any], exposure: dict[int, Any]) -> bool:
    info = image.info
    comment = exposure.get(_COMMENT, b"")
    if isinstance(comment, bytes):
        comment = comment[8:].decode("ascii", "replace")  # behind the name of its encoding
    if str(comment).strip("\0 ").lower() == "screenshot":
        return True
    software = f"{tags.get(_SOFTWARE, '')} {info.get('Software', '')}"[:1000]
    if _SHOOTS.search(software):
        return True
    xmp = info.get("xmp") or info.get("XML:com.adobe.xmp") or ""
    text = xmp.decode("utf-8", "replace") if isinstance(xmp, bytes) else str(xmp)
    return _XMP_COMMENT.search(text[:65536]) is not None


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, ZeroDivisionError):  # a fraction over zero
        return 0.0
