"""Pictures that are broken, each in another way, and what their skipped records should say.

The expected words follow from how each file was made, not from what the decoder answered.
"""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def write_broken_pictures(folder: Path) -> dict[Path, str]:
    """Write one file for each kind of brokenness; return a fragment of the reason for each."""
    folder.mkdir(parents=True, exist_ok=True)
    expected = {}
    for name, content, fragment in _broken():
        path = folder / name
        path.write_bytes(content)
        expected[path] = fragment
    return expected


def photo(width: int = 96, height: int = 64) -> Image.Image:
    """Return a smooth picture with some noise: compresses like a photograph, more or less."""
    gradient = Image.linear_gradient("L").resize((width, height))
    noise = Image.frombytes("L", (width, height), random.Random(5).randbytes(width * height))
    return Image.merge("RGB", (gradient, gradient.transpose(Image.Transpose.ROTATE_180), noise))


def encoded(picture: Image.Image, form: str, **options: object) -> bytes:
    """Return the bytes that Pillow writes for a picture."""
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_header(width: int, height: int, bits: int = 8, colour: int = 2) -> bytes:
    fields = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return PNG_SIGNATURE + png_chunk(b"IHDR", fields)


def png(
    width: int,
    rows: Sequence[bytes],
    *,
    bits: int = 8,
    colour: int = 2,
    chunks: Sequence[tuple[bytes, bytes]] = (),
) -> bytes:
    """Return a PNG from its unfiltered rows, written by the specification, not by Pillow."""
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    before = b"".join(png_chunk(*chunk) for chunk in chunks)
    header = png_header(width, len(rows), bits, colour)
    return header + before + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")


def tiff(width: int, height: int, tags: dict[int, int], data: bytes) -> bytes:
    """Return an uncompressed little-endian TIFF of one strip, written by the specification."""
    directory_at = 8 + len(data)
    fields = {256: width, 257: height, 259: 1, 273: 8, 277: 1, 278: height, 279: len(data)} | tags
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, fields[tag]) for tag in sorted(fields))
    header = b"II\x2a\x00" + struct.pack("<I", directory_at)
    return header + data + struct.pack("<H", len(fields)) + entries + b"\0\0\0\0"


def jpeg_header(width: int, height: int) -> bytes:
    """Return a baseline JPEG of one component up to where its data would begin."""
    table = b"\xff\xdb\x00\x43\x00" + bytes(range(1, 65))
    frame = b"\xff\xc0\x00\x0b\x08" + struct.pack(">HH", height, width) + b"\x01\x01\x11\x00"
    return b"\xff\xd8" + table + frame + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"


def _broken() -> Iterator[tuple[str, bytes, str]]:
    yield from _cut()
    yield from _damaged()
    yield from _too_large()
    yield from _strangers()


def _cut() -> Iterator[tuple[str, bytes, str]]:
    """Downloads that stopped: each format cut in its middle, some in their headers."""
    forms = {
        "JPEG": ("jpg", "JPEG"),
        "PNG": ("png", "PNG"),
        "WEBP": ("webp", "WebP"),
        "AVIF": ("avif", "AVIF"),
        "GIF": ("gif", "GIF"),
        "TIFF": ("tif", "TIFF"),
        "BMP": ("bmp", "BMP"),
        "JPEG2000": ("jp2", "JPEG 2000"),
        "PPM": ("ppm", "PPM"),
    }
    for form, (ending, name) in forms.items():
        whole = encoded(photo(), form)
        yield f"cut.{ending}", whole[: len(whole) // 2], f"truncated {name}"
    progressive = encoded(photo(), "JPEG", progressive=True)
    yield "cut_progressive.jpg", progressive[: len(progressive) // 2], "truncated JPEG"
    yield "cut_in_header.jpg", progressive[:40], "truncated JPEG"
    yield "cut_in_header.png", encoded(photo(), "PNG")[:20], "truncated PNG"
    compressed = encoded(photo(), "TIFF", compression="tiff_lzw")
    yield "cut_before_directory.tif", compressed[: len(compressed) // 2], "truncated TIFF"
    yield "cut.heic", b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic\x00\x00\x20\x00", "HEIC"
    yield "empty.jpg", b"", "empty file"


def _damaged() -> Iterator[tuple[str, bytes, str]]:
    whole = encoded(photo(), "PNG")
    flipped = whole[:16] + b"\x7f" + whole[17:]  # in the width, under the header's checksum
    yield "bad_checksum.png", flipped, "broken PNG"
    yield "no_data.png", png_header(8, 8) + png_chunk(b"IEND", b""), "PNG"
    garbage = png_chunk(b"IDAT", b"not deflated at all") + png_chunk(b"IEND", b"")
    yield "bad_data.png", png_header(8, 8) + garbage, "broken PNG"
    yield "only_markers.jpg", b"\xff\xd8\xff\xd9", "JPEG"
    frame = b"," + struct.pack("<HHHHB", 0, 0, 0, 5, 0) + b"\x02\x02\x4c\x01\x00;"
    yield "no_width.gif", b"GIF89a\x00\x00\x05\x00\x00\x00\x00" + frame, "broken GIF"
    yield "no_width.ppm", b"P6\n0 5\n255\n", "broken PPM"
    yield "bad_depth.bmp", _bmp_header(64, 64, bits=17), "broken BMP"
    yield "no_frame.webp", b"RIFF\x0c\x00\x00\x00WEBPVP8 \x00\x00\x00\x00", "broken WebP"
    yield "bad_samples.tif", tiff(4, 4, {258: 8, 262: 1, 277: 99}, bytes(16)), "not read: 99 bands"


def _too_large() -> Iterator[tuple[str, bytes, str]]:
    """Bombs: small files that would need gigabytes once decoded."""
    side = 50_000
    square = "50000 x 50000 pixels is over the limit of 200 megapixels"
    zeros = png_chunk(b"IDAT", zlib.compress(bytes(10**6)))
    yield "bomb.png", png_header(side, side) + zeros, square
    yield "bomb.bmp", _bmp_header(side, side, bits=24), square
    yield "bomb.ppm", b"P6\n50000 50000\n255\n", square
    yield "bomb.tif", tiff(side, side, {258: 8, 262: 1}, bytes(100)), square
    yield "bomb.jpg", jpeg_header(side, side), square
    frame = struct.pack("<HHHHB", 0, 0, side, side, 0)
    screen = struct.pack("<HHBBB", 1, 1, 0, 0, 0)
    # The screen is one pixel, the frame on it is not.
    yield "bomb.gif", b"GIF89a" + screen + b"," + frame + b"\x02\x00;", "is over the"
    text = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(50 * 2**20)))
    yield "text_bomb.png", png_header(1, 1) + text, "PNG metadata is too large"


def _bmp_header(width: int, height: int, bits: int) -> bytes:
    fields = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + fields


def _strangers() -> Iterator[tuple[str, bytes, str]]:
    """Files with a picture's ending and something else inside."""
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n"
    contents = {
        "text.jpg": (b"I am not a picture.\n", "not a picture: looks like text"),
        "page.jpg": (b"\n<!DOCTYPE html><html><body>404</body></html>", "looks like HTML text"),
        "answer.png": (b'{"error": "not found"}', "looks like JSON text"),
        "drawing.png": (b'<?xml version="1.0"?>\n<svg width="9"/>', "looks like an SVG drawing"),
        "pointer.jpg": (pointer, "looks like a Git LFS pointer"),
        "document.jpg": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "looks like a PDF document"),
        "script.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
        "archive.jpg": (b"PK\x03\x04\x14\x00\x00\x00\x08\x00", "looks like a ZIP archive"),
        "clip.jpg": (b"\x00\x00\x00\x14ftypqt  \x00\x00\x00\x00qt  ", "looks like a video"),
        "icon.png": (b"\x00\x00\x01\x00\x01\x00\x10\x10\x00\x00", "looks like a Windows icon"),
        "newer.jpg": (b"\xff\x0a\xfa\x1f\x01\x91\x08\x06\x01\x00", "looks like JPEG XL"),
        "lossless.jpg": (b"\xff\xd8\xff\xf7\x00\x0b\x08\x00\x40", "looks like JPEG-LS"),
        "range.tif": (b"II\xbc\x01\x08\x00\x00\x00", "looks like JPEG XR"),
        "colours.pfm": (b"PF\n96 64\n-1.0\n", "looks like a PFM picture of colours"),
        "any.pam": (b"P7\nWIDTH 96\nHEIGHT 64\n", "looks like a PAM picture"),
        "zeros.jpg": (bytes(4096), "only zero bytes"),
        "noise.jpg": (b"\x01" + random.Random(1).randbytes(999), "unknown content"),
    }
    for name, (content, fragment) in contents.items():
        yield name, content, fragment
