"""The date of a picture, from where each format keeps it; others have written the files."""

from __future__ import annotations

import io
import struct
from datetime import datetime
from pathlib import Path

import pytest
from PIL import Image

from clipcli.images.taken import taken_on

WHEN = datetime(2023, 7, 14, 18, 5, 59)  # noqa: DTZ001 - EXIF has no zone
LATER = "2025:01:01 00:00:00"
WRITTEN = "2023:07:14 18:05:59"
TAKEN, DIGITIZED, CHANGED = 36867, 36868, 306


def exif(*, inner: dict[int, str] | None = None, outer: dict[int, str] | None = None) -> Image.Exif:
    """Return EXIF with dates in the directory of photographs, or in that of any TIFF."""
    made = Image.Exif()
    for tag, text in {271: "Maker", **(outer or {})}.items():
        made[tag] = text
    made.get_ifd(0x8769).update(inner or {})
    return made


def save(path: Path, dates: Image.Exif, **options: object) -> Path:
    if path.suffix == ".heic":
        pytest.importorskip("pillow_heif").register_heif_opener()
    Image.new("RGB", (64, 48), "teal").save(path, exif=dates, **options)
    return path


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif", "heic", "avif"])
def test_each_format_says_when(ending: str, tmp_path: Path) -> None:
    # Pillow leaves the inner directory out of a TIFF.
    dates = exif(inner={TAKEN: WRITTEN}, outer={CHANGED: WRITTEN if ending == "tif" else LATER})
    path = save(tmp_path / f"a.{ending}", dates)

    assert taken_on(path) == WHEN


def test_a_png_may_say_it_behind_its_pixels(tmp_path: Path) -> None:
    content = save(tmp_path / "a.png", exif(inner={TAKEN: WRITTEN})).read_bytes()
    at = content.index(b"eXIf") - 4
    length = 12 + int.from_bytes(content[at : at + 4], "big")
    chunk, rest = content[at : at + length], content[:at] + content[at + length :]
    end = rest.index(b"IEND") - 4
    (tmp_path / "b.png").write_bytes(rest[:end] + chunk + rest[end:])

    assert taken_on(tmp_path / "b.png") == WHEN


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + name + content


def test_raw_photographs_say_when(tmp_path: Path) -> None:
    dated = exif(inner={TAKEN: WRITTEN}).tobytes().removeprefix(b"Exif\0\0")
    bare = Image.Exif()
    bare[TAKEN] = WRITTEN  # Canon's CMT2 is the directory itself, as a TIFF
    facts = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
    facts += box(b"CMT1", exif(outer={271: "Canon"}).tobytes().removeprefix(b"Exif\0\0"))
    facts += box(b"CMT2", bare.tobytes().removeprefix(b"Exif\0\0"))
    jpeg = io.BytesIO()
    Image.new("RGB", (64, 48)).save(jpeg, "JPEG", exif=exif(inner={TAKEN: WRITTEN}))
    head = b"FUJIFILMCCD-RAW 0201".ljust(84, b"\0") + struct.pack(">II", 148, len(jpeg.getvalue()))
    files = {
        "a.nef": dated,
        "a.cr3": box(b"ftyp", b"crx \0\0\0\1crx isom") + box(b"moov", box(b"uuid", facts)),
        "a.raf": head.ljust(148, b"\0") + jpeg.getvalue(),
        "a.orf": dated[:2].replace(b"MM", b"II") + b"RO" + dated[4:] if dated[:2] == b"II" else b"",
    }

    for name, content in files.items():
        (tmp_path / name).write_bytes(content)

    found = {name: taken_on(tmp_path / name) for name, content in files.items() if content}
    assert found == dict.fromkeys(found, WHEN)


@pytest.mark.parametrize(
    ("inner", "outer", "expected"),
    [
        (
            {TAKEN: WRITTEN, DIGITIZED: "2024:01:01 00:00:00"},
            {CHANGED: "2025:01:01 00:00:00"},
            WHEN,
        ),
        ({DIGITIZED: WRITTEN}, {CHANGED: "2025:01:01 00:00:00"}, WHEN),
        ({}, {CHANGED: WRITTEN}, WHEN),
        ({TAKEN: "0000:00:00 00:00:00"}, {CHANGED: WRITTEN}, WHEN),
        ({TAKEN: "    :  :     :  :  "}, {}, None),
        ({TAKEN: "2023:02:31 10:00:00"}, {}, None),
        ({TAKEN: "yesterday"}, {}, None),
        ({TAKEN: "2023-07-14 18:05:59"}, {}, WHEN),
        ({TAKEN: "2023:07:14"}, {}, datetime(2023, 7, 14)),  # noqa: DTZ001
        ({}, {}, None),
    ],
)
def test_the_first_date_that_is_one_counts(
    inner: dict[int, str], outer: dict[int, str], expected: datetime | None, tmp_path: Path
) -> None:
    path = save(tmp_path / "a.jpg", exif(inner=inner, outer=outer))

    assert taken_on(path) == expected


def test_what_is_broken_or_no_picture_has_no_date(tmp_path: Path) -> None:
    whole = save(tmp_path / "a.jpg", exif(inner={TAKEN: WRITTEN})).read_bytes()
    png = save(tmp_path / "a.png", exif(inner={TAKEN: WRITTEN})).read_bytes()
    for i in range(0, 200, 7):
        (tmp_path / "cut").write_bytes(whole[:i])
        assert taken_on(tmp_path / "cut") in (None, WHEN)
        (tmp_path / "cut").write_bytes(png[:i])
        assert taken_on(tmp_path / "cut") in (None, WHEN)
    (tmp_path / "a.txt").write_text("2023:07:14 18:05:59", "utf-8")
    # A directory that points to itself, and one beyond the end.
    (tmp_path / "a.tif").write_bytes(b"II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0" * 2)
    (tmp_path / "b.tif").write_bytes(b"II*\0\xff\xff\xff\xff")

    for name in ("a.txt", "a.tif", "b.tif", "none.jpg"):
        assert taken_on(tmp_path / name) is None
