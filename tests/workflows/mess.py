"""A folder as people have them: 318 files from cameras, phones, screens and old disks."""

from __future__ import annotations

import io
import json
import os
import random
import unicodedata
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw

from tests.images.test_raw_preview import Page, by_strip, container

N_FILES = 318
# As a disk from France, a phone from Israel and a careless script have named them.
ODD_NAMES = (
    *("été à Nice.jpg", unicodedata.normalize("NFD", "été à Nice.jpeg"), "写真 1.jpg", "😀.png"),
    *("שלום.jpg", "-n.jpg", 'it\'s "quoted".jpg', "two\nlines.jpg"),
)


def make_mess(folder: Path, *, share: int = 1) -> Path:
    """Fill a folder, always with the same; returns it. A ``share`` of 8 makes an eighth of it."""
    chance = random.Random(N_FILES)
    for i in range(96 // share):
        _camera(folder / "DCIM" / f"{100 + i // 48}CANON" / f"IMG_{i:04}.JPG", i, chance)
    for i in range(6):
        _write(folder / "DCIM" / "200D3100" / f"DSC_{i:04}.NEF", _raw(i + 200), chance)
    for i in range(30 // share):
        _phone(folder / "Phone" / f"2023-{i % 4 + 5:02}" / f"IMG_{1000 + i}.HEIC", i, chance)
    for i in range(24 // share):
        _takeout(folder / "Takeout" / "Photos from 2022", i, chance)
    for i in range(34 // share):
        name = f"Screenshot 2024-02-{i % 28 + 1:02} at {i // 28 + 10}.05.06.png"
        _write(folder / "Screenshots" / name, _screenshot(i), chance)
    for i in range(7):
        _write(folder / "Videos" / f"clip {i}.mp4", _film(i + 50), chance)
    for i in range(12 // share):
        original = folder / "DCIM" / "100CANON" / f"IMG_{i * 4:04}.JPG"
        _write(folder / "backup" / "old disk" / f"Copy of {i}.JPG", original.read_bytes(), chance)
    for i in range(6 // share):
        smaller = _photograph(i * 4 + 1).resize((72, 54))
        _write(folder / "backup" / f"mailed {i}.jpg", _jpeg(smaller, quality=60), chance)
    for i, name in enumerate(ODD_NAMES):
        _write(folder / "misc" / name, _jpeg(_photograph(i + 300)), chance)
    _rest(folder, chance)
    for parent in sorted({path for path in folder.rglob("*") if path.is_dir()} | {folder}):
        os.utime(parent, ns=(10**18, chance.randrange(10**18, 17 * 10**17)))
    return folder


def _camera(path: Path, i: int, chance: random.Random) -> None:
    """Write a photograph; some with what the sensor saw, and with what programs made of it."""
    when = f"202{i // 40}:{i % 12 + 1:02}:{i % 28 + 1:02} 10:{i % 60:02}:00"
    _write(path, _jpeg(_photograph(i), exif=_exif(when)), chance)
    if i < 30:
        _write(path.with_suffix(".CR2"), _raw(i), chance)
    if i < 6:
        _write(path.with_suffix(".CR2.xmp"), _xmp(f"raw {i}"), chance)
    if 20 <= i < 35:
        _write(path.with_suffix(".xmp"), _xmp(f"photograph {i}"), chance)
    if 40 <= i < 43:
        _write(path.with_suffix(".JPG.pp3"), b"[Version]\nAppVersion=5.9\n", chance)


def _phone(path: Path, i: int, chance: random.Random) -> None:
    _write(path, _heic(_photograph(i + 100), f"2023:{i % 4 + 5:02}:01 12:00:{i:02}"), chance)
    if i < 14:
        _write(path.with_suffix(".MOV"), _film(i), chance)
    if 10 <= i < 18:
        _write(path.with_suffix(".AAE"), b"<?xml version='1.0'?><plist/>", chance)


def _takeout(folder: Path, i: int, chance: random.Random) -> None:
    name = f"PXL_20220{i % 9 + 1}10_1805{i:02}123.jpg"
    when = f"2022:0{i % 9 + 1}:10 18:05:{i:02}"
    _write(folder / name, _jpeg(_photograph(i + 150), exif=_exif(when)), chance)
    if i < 12:
        note = f"{name}.supplemental-metadata"[:46] + ".json"
        _write(folder / note, json.dumps({"title": name}).encode(), chance)


def _rest(folder: Path, chance: random.Random) -> None:
    whole = _jpeg(_photograph(400))
    broken = {"cut.jpg": whole[:200], "empty.jpg": b"", "half.JPG": whole[: len(whole) // 2]}
    others = {"page.jpg": b"<html>not found</html>", "notes.txt": b"to do\n", "Thumbs.db": b"\xd0"}
    for name, content in (broken | others | {"bill.pdf": b"%PDF-1.4\n"}).items():
        _write(folder / "misc" / name, content, chance)


def _write(path: Path, content: bytes, chance: random.Random) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(chance.choice([0o644, 0o600, 0o664]))
    when = chance.randrange(10**18, 17 * 10**17)
    os.utime(path, ns=(when, when))


def _photograph(i: int) -> Image.Image:
    """Return a picture like no other here, smooth enough to be found again when it is smaller."""
    few = Image.frombytes("RGB", (6, 5), random.Random(i).randbytes(90))
    return few.resize((96, 72), Image.Resampling.BICUBIC)


def _screenshot(i: int) -> bytes:
    picture = Image.new("RGB", (117, 253), "white")
    draw = ImageDraw.Draw(picture)
    chance = random.Random(i)
    for top in range(10, 240, 12):
        draw.rectangle((8, top, chance.randrange(20, 110), top + 5), chance.choice(("navy", "red")))
    return _encoded(picture, "PNG")


def _jpeg(picture: Image.Image, **options: object) -> bytes:
    return _encoded(picture, "JPEG", **{"quality": 90, **options})


def _heic(picture: Image.Image, when: str) -> bytes:
    """Return a HEIC, or an AVIF where the extra is not installed; decoders go by content."""
    try:
        import pillow_heif
    except ImportError:
        return _encoded(picture, "AVIF", exif=_exif(when))
    pillow_heif.register_heif_opener()
    return _encoded(picture, "HEIF", exif=_exif(when))


def _raw(i: int) -> bytes:
    """Return a raw photograph by its container: a preview, and what the sensor saw."""
    preview = _jpeg(_photograph(i).resize((1080, 810)), quality=50)
    seen = {256: 1500, 257: 1000, 258: 16, 259: 7, 262: 32803, 279: 96}
    sensor = Page(seen, {273: random.Random(i).randbytes(96)})
    return container([by_strip(preview, 6), sensor], gap=b"CR\2\0" + bytes(4))


def _film(i: int) -> bytes:
    return b"\0\0\0\x14ftypqt  \0\0\0\0qt  " + random.Random(i).randbytes(3000)


def _xmp(text: str) -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf='
        '"http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        f'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4" xmp:Label="{text}"/>'
        "</rdf:RDF></x:xmpmeta>"
    ).encode()


def _exif(when: str) -> Image.Exif:
    exif = Image.Exif()
    exif[271] = "Maker"
    exif.get_ifd(0x8769)[36867] = when
    return exif


def _encoded(picture: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    save: Callable[..., None] = picture.save
    save(stream, form, **options)
    return stream.getvalue()
