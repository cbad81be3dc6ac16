"""What a TIFF really holds: planes, pages, thumbnails of raw photographs, and odd kinds."""

from __future__ import annotations

import contextlib
import io
import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from clipcli.errors import ImageError
from clipcli.images.decode import decode_image
from clipcli.images.kinds import RAW, has_picture_ending, sniff
from tests.broken_pictures import encoded, photo

RGB = np.asarray(photo())  # (64, 96, 3)


def tiff_of(
    data: bytes, tags: dict[int, tuple[int, ...]], *, order: str = "<", strips: int = 1
) -> bytes:
    """Return a TIFF of one page; ``tags`` holds its numbers, all LONG."""
    at = 8 + len(data)
    fields = {259: (1,), **tags}
    if not {273, 324} & tags.keys():
        fields[273] = tuple(8 + i * len(data) // strips for i in range(strips))
        fields[278], fields[279] = tags[257], (len(data) // strips,) * strips
    entries, extra = b"", b""
    extra_at = at + 2 + 12 * len(fields) + 4
    for tag in sorted(fields):
        values = struct.pack(f"{order}{len(fields[tag])}I", *fields[tag])
        if len(values) > 4:
            extra, values = extra + values, struct.pack(order + "I", extra_at + len(extra))
        entries += struct.pack(order + "HHI", tag, 4, len(fields[tag])) + values
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, at)
    return head + data + struct.pack(order + "H", len(fields)) + entries + bytes(4) + extra


def planes_of(values: np.ndarray, order: str) -> bytes:
    """Return a planar 16-bit RGB TIFF of values (h, w, 3)."""
    height, width, bands = values.shape
    data = b"".join(values[..., band].astype(order + "u2").tobytes() for band in range(bands))
    tags = {256: (width,), 257: (height,), 258: (16,) * bands, 262: (2,), 277: (bands,), 284: (2,)}
    return tiff_of(data, tags, order=order, strips=bands)


@pytest.mark.parametrize("order", ["<", ">"])
def test_planes_of_16_bits_are_colours_and_not_bytes(order: str) -> None:
    values = RGB.astype(np.uint16) * 256 + 17

    decoded = decode_image(planes_of(values, order))

    np.testing.assert_array_equal(np.asarray(decoded), RGB)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("form", ["u2", "f4", "i4"])
def test_a_lone_plane_that_is_called_planar_is_read_by_its_own_form(order: str, form: str) -> None:
    grey = RGB[..., 0].astype(float)
    scale = 257 if form == "u2" else 1
    data = (grey * scale).astype(order + form).tobytes()
    kind = {"u": 1, "i": 2, "f": 3}[form[0]]
    tags = {256: (96,), 257: (64,), 258: (8 * int(form[1]),), 262: (1,), 277: (1,), 339: (kind,)}

    decoded = decode_image(tiff_of(data, tags | {284: (2,)}, order=order))

    np.testing.assert_array_equal(np.asarray(decoded)[..., 0], grey)


@pytest.mark.parametrize("form", ["uint16", "float32", "int32", "int16"])
def test_packed_numbers_with_the_high_byte_first_are_read_in_their_own_order(form: str) -> None:
    # libtiff unpacks into this machine's order; Pillow 13 expects the file's, but for 16 bits.
    grey = RGB[..., 0].astype(float)
    values = (grey * (257 if form == "uint16" else 1)).astype(np.dtype(form).newbyteorder(">"))
    packed = zlib.compress(values.tobytes())
    kind = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    tags = {256: (96,), 257: (64,), 258: (8 * values.itemsize,), 259: (8,), 262: (1,), 277: (1,)}

    decoded = decode_image(tiff_of(packed, tags | {339: (kind,)}, order=">"))

    np.testing.assert_array_equal(np.asarray(decoded)[..., 0], grey)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bands", [3, 4])
@pytest.mark.parametrize("is_packed", [False, True])
def test_colours_of_12_bits_in_16_are_not_dark(order: str, bands: int, is_packed: bool) -> None:
    values = np.full((64, 96, bands), 4095, np.uint16)
    values[..., :3] = RGB.astype(np.uint16) * 16
    values[0, 0, 0] = 65535  # a hot pixel
    data = values.astype(order + "u2").tobytes()
    tags = {256: (96,), 257: (64,), 258: (16,) * bands, 262: (2,), 277: (bands,)}
    tags |= {259: (8,)} if is_packed else {}
    tags |= {338: (2,)} if bands == 4 else {}
    content = tiff_of(zlib.compress(data) if is_packed else data, tags, order=order)

    decoded = np.asarray(decode_image(content)).astype(int)

    assert np.abs(decoded - RGB)[1:].max() <= 1


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bands", [3, 4])
@pytest.mark.parametrize("is_tiled", [False, True])
def test_packed_planes_of_12_bits_in_16_keep_all_their_bits(
    order: str, bands: int, is_tiled: bool
) -> None:
    values = np.full((64, 96, bands), 4095, np.uint16)
    values[..., :3] = RGB.astype(np.uint16) * 16 + np.arange(96)[None, :, None] % 16
    halves = [values[:, :48], values[:, 48:]] if is_tiled else [values[:32], values[32:]]
    pieces = [
        zlib.compress(half[..., band].astype(order + "u2").tobytes())
        for band in range(bands)
        for half in halves
    ]
    starts = np.cumsum([8, *map(len, pieces)])[:-1].tolist()
    tags = {256: (96,), 257: (64,), 258: (16,) * bands, 259: (8,), 262: (2,), 277: (bands,)}
    tags |= {284: (2,), **({338: (2,)} if bands == 4 else {})}
    places = {324: starts, 325: [*map(len, pieces)]} if is_tiled else {273: starts}
    tags |= places | ({322: (48,), 323: (64,)} if is_tiled else {278: (32,)})
    tags |= {} if is_tiled else {279: tuple(map(len, pieces))}

    decoded = np.asarray(decode_image(tiff_of(b"".join(pieces), tags, order=order)))

    np.testing.assert_array_equal(decoded, RGB)


def test_packed_planes_that_lie_in_one_place_are_refused() -> None:
    plane = zlib.compress(bytes(2 * 96 * 64))
    tags = {256: (96,), 257: (64,), 258: (16,) * 3, 259: (8,), 262: (2,), 277: (3,), 284: (2,)}
    tags |= {273: (8,) * 3, 279: (len(plane) + 600,) * 3}

    with pytest.raises(ImageError, match="broken TIFF: its planes are not whole"):
        decode_image(tiff_of(plane + bytes(600), tags))


@pytest.mark.parametrize("form", ["u1", "u2"])
def test_a_plane_that_is_neither_colour_nor_alpha_is_left_out(form: str) -> None:
    values = np.dstack([RGB, 255 - RGB[..., :1]]).astype(np.uint16) * (257 if form == "u2" else 1)
    data = b"".join(values[..., band].astype(form).tobytes() for band in range(4))
    tags = {256: (96,), 257: (64,), 258: (8 * int(form[1]),) * 4, 262: (2,), 277: (4,), 284: (2,)}

    decoded = decode_image(tiff_of(data, tags | {338: (0,)}, strips=4))

    np.testing.assert_array_equal(np.asarray(decoded), RGB)
    with pytest.raises(ImageError, match="not read: planes of extra samples of kind 1"):
        decode_image(tiff_of(data, tags | {338: (1,)}, strips=4))  # alpha was multiplied in


def test_alpha_of_16_bits_beside_colours_of_12_is_no_full_cover() -> None:
    values = np.full((64, 96, 4), 65535, np.uint16)
    values[..., :3] = RGB.astype(np.uint16) * 16
    values[:10, :, 3] = 32768  # half of the white behind it shows
    tags = {256: (96,), 257: (64,), 258: (16,) * 4, 262: (2,), 277: (4,), 338: (2,)}

    decoded = np.asarray(decode_image(tiff_of(values.astype("<u2").tobytes(), tags))).astype(int)

    assert np.abs(decoded[:10] - (RGB[:10] + 255.0) / 2).max() <= 2
    np.testing.assert_array_equal(decoded[10:], RGB[10:])


def test_colours_that_are_declared_to_be_dark_stay_dark() -> None:
    values = RGB.astype(np.uint16) * 2  # of 4095, an eighth
    tags = {256: (96,), 257: (64,), 258: (16,) * 3, 262: (2,), 277: (3,), 281: (4095,), 280: (0,)}

    decoded = np.asarray(decode_image(tiff_of(values.astype("<u2").tobytes(), tags)))

    np.testing.assert_array_equal(decoded, RGB // 8)


def test_a_palette_of_8_bits_is_not_black() -> None:
    greys = np.arange(256).repeat(24).reshape(64, 96).astype(np.uint8)
    colours = [*range(256), *range(255, -1, -1), *([7] * 256)]
    tags = {256: (96,), 257: (64,), 258: (8,), 262: (3,), 277: (1,), 320: tuple(colours)}

    decoded = np.asarray(decode_image(tiff_of(greys.tobytes(), tags)))

    np.testing.assert_array_equal(decoded[..., 0], greys)
    np.testing.assert_array_equal(decoded[..., 1], 255 - greys)
    assert (decoded[..., 2] == 7).all()
    wide = tiff_of(greys.tobytes(), tags | {320: tuple(colour * 257 for colour in colours)})
    np.testing.assert_array_equal(np.asarray(decode_image(wide)), decoded)


def test_dark_colours_that_use_16_bits_stay_dark() -> None:
    values = (RGB // 8).astype(np.uint16) * 256
    content = planes_of(values, "<")

    assert np.array_equal(np.asarray(decode_image(content)), RGB // 8)


def test_a_bigtiff_with_the_high_byte_first_is_not_called_truncated() -> None:
    content = struct.pack(">2sHHHQQ", b"MM", 43, 8, 0, 16, 0) + bytes(8)

    with pytest.raises(ImageError, match="not read: a BigTIFF with the high byte first"):
        decode_image(content)


def test_planes_that_nobody_can_put_together_are_refused() -> None:
    values = np.zeros((4, 4, 4), np.uint16)
    content = planes_of(values, "<")
    cmyk = content.replace(struct.pack("<HHII", 262, 4, 1, 2), struct.pack("<HHII", 262, 4, 1, 5))

    with pytest.raises(ImageError, match="a TIFF of a kind that is not read: planes of 16 bits"):
        decode_image(cmyk)


@pytest.mark.parametrize(
    ("bits", "form", "bands", "words"),
    [
        (8, 1, 5, "5 bands of 8 bits"),
        (32, 3, 3, "3 bands of floating-point 32 bits"),
        (64, 3, 1, "one band of floating-point 64 bits"),
        (16, 2, 3, "3 bands of signed 16 bits"),
        (1, 1, 3, "3 bands of 1 bit"),
    ],
)
def test_sound_tiffs_of_odd_kinds_are_not_called_broken(
    bits: int, form: int, bands: int, words: str
) -> None:
    tags = {256: (4,), 257: (4,), 258: (bits,) * bands, 262: (2 if bands == 3 else 1,)}
    tags |= {277: (bands,), 339: (form,) * bands}

    with pytest.raises(ImageError) as caught:
        decode_image(tiff_of(bytes(16 * bands * bits // 8), tags))

    assert caught.value.message == f"a TIFF of a kind that is not read: {words}"


def test_a_packing_that_no_reader_knows_is_named() -> None:
    tags = {256: (4,), 257: (4,), 258: (8,), 262: (1,), 277: (1,), 259: (34712,)}  # JPEG 2000

    with pytest.raises(ImageError, match="not read: one band of 8 bits, compression 34712"):
        decode_image(tiff_of(bytes(64), tags))


def test_sound_files_that_this_pillow_cannot_unpack_are_not_called_broken() -> None:
    webp = tiff_of(encoded(photo(), "WEBP"), {256: (96,), 257: (64,), 258: (8,) * 3, 262: (2,),
                                              277: (3,), 259: (50001,)})  # fmt: skip
    words = "a TIFF of a kind that is not read: 3 bands of 8 bits, compression 50001"
    with contextlib.suppress(ImageError):
        decode_image(webp)
        pytest.skip("this libtiff unpacks WebP")
    with pytest.raises(ImageError, match=words):
        decode_image(webp)

    for bits in (12, 16):
        deep = bytearray(encoded(photo(), "JPEG"))
        deep[deep.index(b"\xff\xc0") + 4] = bits
        with pytest.raises(ImageError, match=f"a JPEG of a kind that is not read: {bits}-bit"):
            decode_image(bytes(deep))


def test_a_thumbnail_in_front_is_passed_over() -> None:
    small, large = Image.new("RGB", (8, 6), (255, 0, 0)), photo()
    stream = io.BytesIO()
    small.save(stream, "TIFF", save_all=True, append_images=[large], tiffinfo={254: 1})
    content = bytearray(stream.getvalue())
    # Pillow wrote the same word on both pages: the second is full size.
    entry = struct.pack("<HHII", 254, 4, 1, 1)
    last = content.rindex(entry)
    assert content.index(entry) < last
    content[last : last + 12] = struct.pack("<HHII", 254, 4, 1, 0)

    assert decode_image(bytes(content)).size == large.size


def test_the_first_of_several_full_pages_is_the_picture() -> None:
    stream = io.BytesIO()
    photo().save(stream, "TIFF", save_all=True, append_images=[Image.new("RGB", (8, 6))])

    assert decode_image(stream.getvalue()).size == (96, 64)


def raw_photographs() -> dict[str, bytes]:
    size = {256: (8,), 257: (6,), 258: (8, 8, 8), 262: (2,), 277: (3,)}
    sensor = {256: (8,), 257: (6,), 258: (16,), 262: (32803,), 277: (1,)}
    canon = bytearray(encoded(photo(), "TIFF"))
    canon[8:12] = b"CR\x02\x00"
    return {
        "dng": tiff_of(bytes(96), sensor | {50706: (1,)}),
        "sensor": tiff_of(bytes(96), sensor),
        "nef": tiff_of(bytes(144), size | {254: (1,), 271: (1,)}),  # a maker's thumbnail alone
        "arw": tiff_of(bytes(144), size | {259: (32767,)}),
        "cr2": bytes(canon),
        "cr3": b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(99),
        "raf": b"FUJIFILMCCD-RAW 0201" + bytes(99),
        "rw2": b"IIU\0\x18\0\0\0" + bytes(99),
        "orf": b"IIRO\x08\0\0\0" + bytes(99),
    }


@pytest.mark.parametrize("name", sorted(raw_photographs()))
def test_a_raw_photograph_is_never_its_thumbnail(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rawpy", None)  # not installed

    with pytest.raises(
        ImageError, match=r"raw photograph needs an extra.*clipcli\[raw\]"
    ) as caught:
        decode_image(raw_photographs()[name])

    assert not caught.value.is_lasting  # it may be installed tomorrow


def test_raw_photographs_are_found_by_ending_and_by_content() -> None:
    assert has_picture_ending("DSC_0001.NEF")
    assert sniff(raw_photographs()["cr3"]) is RAW


def test_a_raw_photograph_is_developed_with_the_extra() -> None:
    pytest.importorskip("rawpy")
    # A linear DNG: 3 samples a pixel, as LibRaw takes them without any camera's tables.
    values = np.zeros((64, 96, 3), np.uint16)
    values[..., 1] = 30000
    tags = {254: (0,), 256: (96,), 257: (64,), 258: (16, 16, 16), 262: (34892,), 277: (3,)}
    content = tiff_of(values.tobytes(), tags | {50706: (0x00000401,)})

    try:
        decoded = decode_image(content)
    except ImageError as error:
        pytest.skip(f"LibRaw wants more of a DNG: {error}")

    assert np.asarray(decoded)[32, 48].argmax() == 1
