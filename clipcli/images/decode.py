"""Decoding: from a file of any content to RGB pixels, or to a reason.

Pillow's readers are called one by one, by content, from the allow-list in ``kinds``. That is
``PIL.Image.open(formats=…)`` without its side effects: Pillow's process-wide pixel limit stays as
it is for everybody else, nothing is warned about, and a failure can name the format.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TypeAlias

from clipcli.errors import ImageError
from clipcli.images import tiff
from clipcli.images.colour import to_rgb
from clipcli.images.contents import describe
from clipcli.images.failures import HEIC_NEEDS, explain
from clipcli.images.files import failure_reason, open_regular
from clipcli.images.kinds import (
    BMP,
    HEAD_BYTES,
    HEIF,
    JPEG,
    PNG,
    PPM,
    RAW,
    TIFF,
    WEBP,
    Kind,
    sniff,
)
from clipcli.images.limits import check_content, check_tiles, watched
from clipcli.images.mending import is_filled_up, mend
from clipcli.images.notes import RAW_PREVIEW
from clipcli.images.profiles import to_srgb
from clipcli.images.quiet import keep_libtiff_quiet, keep_pillow_quiet

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

MAX_PIXELS = 200_000_000
DECODER_VERSION = 6  # part of every cache key: raise it when decoding gives other pixels

Box: TypeAlias = tuple[float, float, float, float]  # left, top, right, bottom

_LOSSY_TIFFS = frozenset({"jpeg", "tiff_jpeg", "webp"})  # compressions
_ORIENTATION = 0x0112  # the EXIF tag
_BYTES_PER_PIXEL = 8  # 16-bit RGBA, uncompressed: no honest file needs more per pixel
_LACKING = ("not available", "not installed")  # what Pillow says where it was built without
_MIN_BYTES_LIMIT = 256 * 2**20  # but small pictures may carry large metadata


class Decoded(NamedTuple):
    """A picture in mode RGB, upright; ``box`` is the part of ``image`` that is the picture.

    That is all of it, unless a JPEG was reduced by k and its sides are no multiples of k: then the
    last row or column is partly beyond the edge.
    """

    image: Image
    box: Box
    n_pixels: int  # by the header, before any reduction
    note_number: int = 0  # what is to be said of it; see ``notes.NOTES``
    is_raw: bool = False  # a camera's raw photograph
    is_lossless: bool = False  # stored without loss, as far as the format says


def decode_image(
    source: str | PathLike[str] | bytes | BinaryIO,
    *,
    max_pixels: int = MAX_PIXELS,
    at_least_px: int | None = None,
) -> Image:
    """Decode a picture to mode RGB, upright, transparency on white.

    Parameters
    ----------
    source
        A path, the bytes of a file, or a seekable binary file.
    max_pixels
        Larger pictures are refused by their header, before any pixel is decoded.
    at_least_px
        Allow a JPEG to be decoded at 1/2, 1/4 or 1/8 of its size, as long as both sides keep this
        many pixels. ``None`` decodes exactly.

    Returns
    -------
    PIL.Image.Image

    Raises
    ------
    ImageError
        With the reason in a few words.
    """
    return decode(source, max_pixels=max_pixels, at_least_px=at_least_px).image


def decode(
    source: str | PathLike[str] | bytes | BinaryIO,
    *,
    max_pixels: int = MAX_PIXELS,
    at_least_px: int | None = None,
    convert_profiles: bool = False,
) -> Decoded:
    """Decode like :func:`decode_image` and also say which part of the image is the picture.

    With ``convert_profiles``, the colours of a picture with a profile are converted to sRGB.
    """
    how = _How(max_pixels, at_least_px, convert_profiles)
    if isinstance(source, bytes):
        return _decode_stream(io.BytesIO(source), how)
    if isinstance(source, str | PathLike):
        with open_regular(source) as stream:
            return _decode_stream(stream, how)
    return _decode_stream(source, how)


class _How(NamedTuple):
    max_pixels: int
    at_least_px: int | None
    convert_profiles: bool
    orientation: int = 1  # of a picture that does not say it itself


def _decode_stream(stream: BinaryIO, how: _How) -> Decoded:
    keep_pillow_quiet()
    kind = _identify(stream, how.max_pixels)
    with _failures_become_reasons(kind, stream):
        try:
            if kind is JPEG and is_filled_up(stream):
                raise EOFError("zeros in place of the end")
            return _decode_kind(kind, stream, how)
        except (ImageError, MemoryError):
            raise
        except Exception:
            mended = mend(kind, stream, partial(_all_pixels, kind, how))
            if mended is None:
                raise
            with suppress(Exception):  # then it was something else, and the first failure says what
                whole = io.BytesIO(mended.content)
                decoded = _decode_kind(kind, whole, how)
                return decoded._replace(note_number=mended.note_number)
            raise


def _decode_kind(kind: Kind, stream: BinaryIO, how: _How) -> Decoded:
    max_pixels, at_least_px = how.max_pixels, how.at_least_px
    if kind is RAW:
        return _decode_raw(stream, how)
    stream, watch = watched(stream, kind)
    page = tiff.first_full_page(stream) if kind is TIFF else 0
    n_bytes = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    image = reader_of(kind)(stream)
    if page:
        image.seek(page)
    _check_size(image.size, max_pixels)
    check_tiles(image)
    check_content(image, n_bytes)
    watch.allow_for(image.size)
    n_pixels = image.size[0] * image.size[1]
    reduced = None
    if kind is JPEG and at_least_px is not None:
        reduced = _reduce_jpeg(image, at_least_px)
    image.load()
    _check_size(image.size, max_pixels)  # a damaged HEIC's header may have said otherwise
    box = reduced or (0.0, 0.0, *image.size)
    orientation = _orientation(image, how.orientation)
    loaded = _with_all_bits(kind, image, stream, page)
    if how.convert_profiles:
        loaded = to_srgb(loaded)
    upright = _turn(to_rgb(loaded), orientation)
    turned = _turn_box(box, image.size, orientation)
    return Decoded(upright, turned, n_pixels, is_lossless=_is_lossless(kind, image, stream))


def _decode_raw(stream: BinaryIO, how: _How) -> Decoded:
    """Develop a raw photograph, or read its preview; never its thumbnail."""
    from clipcli.images.raw import UndevelopedError, develop
    from clipcli.images.raw_preview import find_preview

    try:
        image, n_pixels = develop(stream, max_pixels=how.max_pixels, at_least_px=how.at_least_px)
    except UndevelopedError:
        preview = find_preview(stream)
        if preview is None:
            raise
        how = how._replace(orientation=preview.orientation)
        decoded = _decode_kind(JPEG, io.BytesIO(preview.content), how)
        return decoded._replace(note_number=RAW_PREVIEW, is_raw=True, is_lossless=True)
    box = (0.0, 0.0, float(image.width), float(image.height))
    return Decoded(image, box, n_pixels, is_raw=True, is_lossless=True)


def _with_all_bits(kind: Kind, image: ImageFile, stream: BinaryIO, page: int) -> Image:
    if kind is TIFF:
        from clipcli.images import tiff_reader

        return tiff_reader.with_all_bits(image, stream, page)
    if kind is PNG:
        from clipcli.images import png_reader

        return png_reader.with_all_bits(image, stream)
    return image


def _is_lossless(kind: Kind, image: Image, stream: BinaryIO) -> bool:
    if kind is TIFF:
        return image.info.get("compression") not in _LOSSY_TIFFS
    if kind is WEBP:
        stream.seek(0)
        return b"VP8L" in stream.read(HEAD_BYTES)
    return kind in (PNG, BMP, PPM)


def _all_pixels(kind: Kind, how: _How, content: bytes) -> bytes:
    in_full = how._replace(at_least_px=None)
    return _decode_kind(kind, io.BytesIO(content), in_full).image.tobytes()


def _identify(stream: BinaryIO, max_pixels: int) -> Kind:
    """Return the format of an open file, or raise for what is no picture."""
    try:
        n_bytes = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        head = stream.read(HEAD_BYTES)
        stream.seek(0)
    except OSError as error:
        raise ImageError(failure_reason(error, "")) from error
    if not head:
        raise ImageError("empty file", is_lasting=True)
    kind = sniff(head)
    if kind is None:
        raise ImageError(f"not a picture: {describe(head)}", is_lasting=True)
    # Some readers take the whole file into memory first; a sparse file of terabytes is cheap.
    if n_bytes > most_bytes(max_pixels):
        raise ImageError(f"{kind.name} of {n_bytes / 1e9:.1f} GB is too large to be a picture")
    return RAW if kind is TIFF and tiff.is_raw(stream) else kind


def most_bytes(max_pixels: int) -> int:
    """Return how long a file may be whose picture has at most so many pixels."""
    return max(_MIN_BYTES_LIMIT, _BYTES_PER_PIXEL * max_pixels)


def reader_of(kind: Kind) -> type[ImageFile]:
    """Return the class that opens a format, and no other; raise :class:`ImageError` without it."""
    try:
        module = importlib.import_module(kind.module)
    except ImportError as error:
        if kind is HEIF:
            raise ImageError(HEIC_NEEDS) from error
        raise
    if kind is TIFF:
        keep_libtiff_quiet()
    reader: type[ImageFile] = getattr(module, kind.reader)
    return reader


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise ImageError(f"empty picture, {width} x {height} pixels", is_lasting=True)
    if width * height > max_pixels:
        raise ImageError(
            f"{width} x {height} pixels is over the limit of {max_pixels / 1e6:g} megapixels",
            is_lasting=True,
        )


def _reduce_jpeg(image: ImageFile, at_least_px: int) -> Box | None:
    """Have libjpeg decode at 1/k, k in 1, 2, 4, 8, so that both sides keep ``at_least_px``.

    Subtle: the reduced picture has ceil(side / k) pixels, but the whole picture is side / k wide.
    Resizing from the rounded size would shift everything by up to a source pixel.
    """
    drafted = image.draft(None, (at_least_px, at_least_px))
    return drafted[1] if drafted else None


def _orientation(image: Image, otherwise: int) -> int:
    """Return EXIF's orientation, 1..8; broken or missing metadata means upright."""
    try:
        value = image.getexif().get(_ORIENTATION, otherwise)
    except Exception:  # metadata of any brokenness must not cost the picture
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _turn(image: Image, orientation: int) -> Image:
    from PIL.Image import Transpose

    if orientation == 1:
        return image
    return image.transpose(
        {
            2: Transpose.FLIP_LEFT_RIGHT,
            3: Transpose.ROTATE_180,
            4: Transpose.FLIP_TOP_BOTTOM,
            5: Transpose.TRANSPOSE,
            6: Transpose.ROTATE_270,
            7: Transpose.TRANSVERSE,
            8: Transpose.ROTATE_90,
        }[orientation]
    )


def _turn_box(box: Box, size: tuple[int, int], orientation: int) -> Box:
    """Move a box that starts at the top left the way :func:`_turn` moves the pixels."""
    width, height = size
    left, top, right, bottom = box
    if orientation in (2, 3, 7, 8):  # what was right is now left, or at the top
        left, right = width - right, width - left
    if orientation in (3, 4, 6, 7):
        top, bottom = height - bottom, height - top
    if orientation >= 5:  # sides are exchanged
        return top, left, bottom, right
    return left, top, right, bottom


@contextmanager
def _failures_become_reasons(kind: Kind, stream: BinaryIO) -> Iterator[None]:
    """Turn whatever a decoder raises into :class:`ImageError`.

    Pillow raises OSError, SyntaxError, ValueError, struct.error, ZeroDivisionError, KeyError and
    more on hostile files, and promises no list: hence the broad clause, around Pillow alone.
    """
    try:
        yield
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(f"not enough memory to decode this {kind.name}") from error
    except Exception as error:
        reason = explain(error, kind, stream)
        raise ImageError(reason, is_lasting=_is_lasting(error, kind)) from error


def _is_lasting(error: Exception, kind: Kind) -> bool:
    """Say whether the file is to blame: not the disk, nor a codec that this Pillow lacks."""
    is_from_system = isinstance(error, OSError) and error.errno is not None
    lacks_codec = any(words in str(error) for words in _LACKING)
    return not (is_from_system or lacks_codec or kind is HEIF)
