"""Why decoding failed, in words for a record: "truncated JPEG"."""

from __future__ import annotations

import re
import struct
from typing import BinaryIO

from clipcli.images import tiff
from clipcli.images.files import failure_reason
from clipcli.images.kinds import TIFF, Kind
from clipcli.images.lengths import is_cut_short

_MAX_CHARACTERS = 80  # kept of a decoder's own words, which may quote the file
_CUT_SHORT = ("truncated", "unexpected end", "end of file", "chunk b''")
UNREAD_RAW = "a raw photograph of a kind that LibRaw does not read"
UNREAD = "of a kind that is not read"
UNREAD_TIFF = f"a TIFF {UNREAD}"
HEIC_NEEDS = 'HEIC needs an extra: pip install "clipcli[heif]"'
RAW_NEEDS = 'a raw photograph needs an extra: pip install "clipcli[raw]"'
# Pillow's words for sound TIFFs whose numbers of bands, bits or compression it does not know.
_UNKNOWN_TIFF = ("unknown pixel mode", "unknown data organization", "Invalid value for samples")
# And for sound files of other formats.
_UNKNOWN = re.compile(r"(\d+-bit) layers|Unsupported BMP (bitfields layout|compression \(\d+\))")
_BOMB = re.compile(r"\((\d+) pixels\) exceeds limit of (\d+) pixels")
# Words of Pillow that tell a user nothing, or repeat what the reason says already.
_EMPTY_WORDS = re.compile(
    r"(de|en)coder error -?\d+|when reading image file|^broken \w+ file|^cannot load this image",
)


def explain(error: Exception, kind: Kind, stream: BinaryIO) -> str:
    """Return the reason for what a decoder raised on an open file."""
    if isinstance(error, OSError) and error.errno is not None:
        return failure_reason(error, "")
    words = str(error)
    if bomb := _BOMB.search(words):
        return "{:.0f} megapixels is over the decoder's limit of {:.0f}".format(
            *(int(n) / 1e6 for n in bomb.groups())
        )
    if "PngImagePlugin.MAX_TEXT" in words or "MAX_TEXT_MEMORY" in words:
        return f"{kind.name} metadata is too large"
    if what := _unread(error, kind, stream):
        return f"a {kind.name} {UNREAD}: {what}"
    if _says_cut_short(error) or is_cut_short(stream, kind):
        return f"truncated {kind.name}"
    return _broken(error, kind)


def _unread(error: Exception, kind: Kind, stream: BinaryIO) -> str:
    """Say what a sound file holds that Pillow does not know; "" where it is another fault."""
    words = str(error)
    if kind is not TIFF:
        found = _UNKNOWN.search(words)
        return next(filter(None, found.groups())) if found else ""
    if tiff.is_big_motorola(stream):
        return "a BigTIFF with the high byte first"
    is_unknown = any(said in words for said in _UNKNOWN_TIFF)
    # Pillow looks a compression up in a table; libtiff was built without some that are in it.
    is_about_packing = "decoder error" in words or isinstance(_origin(error), KeyError)
    is_packed = is_about_packing and not tiff.compressions(stream) <= tiff.UNPACKED
    return tiff.describe(stream) if is_unknown or is_packed else ""


def _broken(error: Exception, kind: Kind) -> str:
    words = str(error)
    detail = "" if isinstance(_origin(error), KeyError) else _plain(words)  # a key says nothing
    if "not identified by this driver" in words:
        detail = "no usable size in its header"
    return f"broken {kind.name}: {detail}" if detail else f"broken {kind.name}"


def is_sound(reason: str) -> bool:
    """Say whether a file that was skipped for this reason is whole, and only not read here."""
    return UNREAD in reason or reason.startswith((UNREAD_RAW, HEIC_NEEDS, RAW_NEEDS))


def _origin(error: Exception) -> BaseException:
    # Pillow wraps what happens while a header is read into SyntaxError; the cause is underneath.
    return error.__cause__ or error


def _says_cut_short(error: Exception) -> bool:
    if isinstance(_origin(error), EOFError | IndexError | struct.error):
        return True
    said = str(error).lower()
    return any(words in said for words in _CUT_SHORT)


def _plain(words: str) -> str:
    words = " ".join(_EMPTY_WORDS.sub("", words).split())
    if words.startswith("(") and words.endswith(")"):
        words = words[1:-1]
    plain = "".join(letter if letter.isprintable() else "?" for letter in words)
    return plain if len(plain) <= _MAX_CHARACTERS else plain[: _MAX_CHARACTERS - 1] + "…"
