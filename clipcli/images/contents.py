"""Names for files that are no pictures, from their first bytes."""

from __future__ import annotations

_PREFIXES: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "a Git LFS pointer, the file itself was not fetched"),
    (b"%PDF", "a PDF document"),
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript"),
    (b"8BPS", "a Photoshop document"),
    (b"\x00\x00\x01\x00", "a Windows icon"),
    (b"icns", "a Mac icon"),
    (b"\x00\x05\x16\x07", "a Mac resource file"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\xff\xd8\xff\xf7", "JPEG-LS"),
    (b"II\xbc\x01", "JPEG XR"),
    (b"qoif", "a QOI picture"),
    (b"P7\n", "a PAM picture"),
    (b"PF\n", "a PFM picture of colours"),
    (b"gimp xcf", "a GIMP document"),
    (b"AT&TFORM", "DjVu"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"DDS ", "a DDS texture"),
    (b"SIMPLE  =", "FITS"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "gzip data"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x1aE\xdf\xa3", "a Matroska video"),
    (b"OggS", "Ogg audio or video"),
    (b"ID3", "MP3 audio"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3", "an SQLite database"),
)
_VIDEO_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"})
_TEXT_CONTROLS = frozenset(b"\t\n\v\f\r\x1b")


def describe(head: bytes) -> str:
    """Say in a few words what a file is that starts with ``head`` and is not a picture."""
    for prefix, words in _PREFIXES:
        if head.startswith(prefix):
            return f"looks like {words}"
    if head[4:8] in _VIDEO_BOXES:
        return "looks like a video"
    if head[:4] == b"RIFF" and head[8:12] in {b"AVI ", b"WAVE"}:
        return "looks like a video" if head[8:12] == b"AVI " else "looks like audio"
    if not head.strip(b"\0"):
        return "only zero bytes"
    return f"looks like {_text_words(head)}" if is_text(head) else "unknown content"


def is_text(head: bytes) -> bool:
    """Say whether the bytes read like text in UTF-8, UTF-16 or an ASCII-like encoding."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    return all(byte >= 0x20 or byte in _TEXT_CONTROLS for byte in head) and 0x7F not in head


def _text_words(head: bytes) -> str:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if b"<svg" in start:
        return "an SVG drawing"
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "HTML text"
    if start.startswith(b"<?xml"):
        return "XML text"
    if start.startswith((b"{", b"[")):
        return "JSON text"
    return "text"
