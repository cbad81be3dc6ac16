"""Picture formats: their endings, their first bytes, who decodes them.

It is the allow-list. Nothing here imports Pillow, so a folder walk can ask about content for the
price of reading a few bytes.
"""

from __future__ import annotations

import re
from typing import NamedTuple

HEAD_BYTES = 512  # enough for every signature, and to tell text from binary data


class Kind(NamedTuple):
    """One format; ``reader`` is the class in ``module`` that opens it and nothing else."""

    name: str  # as a reason shows it: "truncated JPEG"
    endings: tuple[str, ...]
    module: str
    reader: str


# A phone's JPEG may call itself MPO: several JPEGs in a row, of which the first is the picture.
JPEG = Kind(
    "JPEG",
    (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PIL.JpegImagePlugin",
    "JpegImageFile",
)
PNG = Kind("PNG", (".png", ".apng"), "PIL.PngImagePlugin", "PngImageFile")
WEBP = Kind("WebP", (".webp",), "PIL.WebPImagePlugin", "WebPImageFile")
AVIF = Kind("AVIF", (".avif", ".avifs"), "PIL.AvifImagePlugin", "AvifImageFile")
GIF = Kind("GIF", (".gif",), "PIL.GifImagePlugin", "GifImageFile")
TIFF = Kind("TIFF", (".tif", ".tiff"), "clipcli.images.tiff_reader", "TiffReader")
BMP = Kind("BMP", (".bmp",), "PIL.BmpImagePlugin", "BmpImageFile")
JPEG_2000 = Kind(
    "JPEG 2000",
    (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
    "PIL.Jpeg2KImagePlugin",
    "Jpeg2KImageFile",
)
PPM = Kind("PPM", (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"), "PIL.PpmImagePlugin", "PpmImageFile")
HEIF = Kind("HEIC", (".heic", ".heif", ".hif"), "pillow_heif", "HeifImageFile")
# What a camera's sensor saw, in the form of each maker; many are TIFFs with a thumbnail in front.
RAW = Kind(
    "raw photograph",
    (
        *(".dng", ".nef", ".nrw", ".cr2", ".cr3", ".arw", ".sr2", ".srf", ".srw", ".orf", ".rw2"),
        *(".rwl", ".raf", ".pef", ".3fr", ".fff", ".iiq", ".erf", ".mrw", ".x3f"),
    ),
    "clipcli.images.raw",
    "",
)
KINDS = (JPEG, PNG, WEBP, AVIF, GIF, TIFF, BMP, JPEG_2000, PPM, HEIF, RAW)

ENDINGS = frozenset(ending for kind in KINDS for ending in kind.endings)

_JPEG_LS = b"\xff\xd8\xff\xf7"  # begins as a JPEG, and is none
_PREFIXES: tuple[tuple[bytes, Kind], ...] = (
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"II\x2a\x00", TIFF),
    (b"MM\x00\x2a", TIFF),
    (b"II\x2b\x00", TIFF),  # BigTIFF
    (b"MM\x00\x2b", TIFF),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", JPEG_2000),
    (b"\xff\x4f\xff\x51", JPEG_2000),  # the bare codestream
    (b"IIRO\x08", RAW),  # Olympus
    (b"IIRS\x08", RAW),
    (b"MMOR\x00", RAW),
    (b"IIU\x00", RAW),  # Panasonic, Leica
    (b"FUJIFILMCCD-RAW", RAW),
    (b"\x00MRM", RAW),  # Minolta
    (b"FOVb", RAW),  # Sigma
)
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
)
# Two letters are too little to go by: plenty of text begins with "BM" or "P5".
_BMP_HEADER_BYTES = frozenset({12, 40, 52, 56, 64, 108, 124})
_PPM_HEADER = re.compile(rb"P(?:[1-6]|f)\s+(?:#|[0-9])")


def has_picture_ending(name: str) -> bool:
    """Say whether the file name ends like a picture's."""
    dot = name.rfind(".")
    return dot >= 0 and name[dot:].lower() in ENDINGS


def sniff(head: bytes) -> Kind | None:
    """Return the format that a file's first ``HEAD_BYTES`` bytes show, if it is one of ours."""
    if head.startswith(_JPEG_LS):
        return None
    for prefix, kind in _PREFIXES:
        if head.startswith(prefix):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    if head[4:8] == b"ftyp":
        return _sniff_brands(head)
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADER_BYTES:
        return BMP
    return PPM if _PPM_HEADER.match(head) else None


def _sniff_brands(head: bytes) -> Kind | None:
    """Tell AVIF from HEIF by the brands in the leading ``ftyp`` box (ISO/IEC 23008-12)."""
    box = head[8 : max(12, int.from_bytes(head[:4], "big"))]
    major = box[:4]
    brands = {major} | {box[at : at + 4] for at in range(8, len(box), 4)}
    if brands & _AVIF_BRANDS and (major in _AVIF_BRANDS or major in {b"mif1", b"msf1"}):
        return AVIF
    if major == b"crx ":
        return RAW  # Canon's CR3
    return HEIF if major in _HEIF_BRANDS else None
