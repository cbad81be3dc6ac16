"""How TIFFs of odd kinds are read: our pixels against those of ``tifffile``.

Run by hand: ``python tests/benchmarks/bench_tiffs.py``; half a minute. It needs ``tifffile`` and
``imagecodecs``, which write the pictures and read them back. Promised: every kind that is read
differs from theirs by at most 1 of 255 on average (lossy packing by 2), and every other kind is
refused by its name. Ends with 1 if one does not keep that.
"""

from __future__ import annotations

import io
import itertools
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from clipcli.errors import ImageError
from clipcli.images.decode import decode_image

PHOTO = Path(__file__).parents[2] / "examples" / "photos" / "cat.jpg"
SIZE = (96, 64)
LOSSY = ("jpeg", "webp", "jpeg2000")
MOST, MOST_LOSSY = 1.0, 2.0
PACKINGS = (None, "lzw", "deflate", "packbits", "zstd", "lzma", *LOSSY)


@dataclass(frozen=True)
class Kind:
    """How numbers are stored: their type, how many of their bits count, and where they lie."""

    dtype: str = "uint8"
    bands: int = 3  # 1 grey, 2 grey and alpha, 3 colours, 4 and alpha, 5 anything
    bits: int | None = None  # that count, of a type that has more
    packing: str | None = None
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        told = " ".join(f"{key}={value}" for key, value in self.options.items())
        bits = f"({self.bits})" if self.bits else ""
        return f"{self.bands} x {self.dtype}{bits} {self.packing or 'plain'} {told}".strip()


def kinds() -> Iterator[Kind]:
    """Yield about three hundred kinds."""
    planes = ({}, {"planarconfig": "separate"})
    for (dtype, bits), bands, packing, plane in itertools.product(
        (("uint8", None), ("uint16", None), ("uint16", 12)), (1, 3, 4), PACKINGS, planes
    ):
        if (bands > 1 or not plane) and not (packing in ("jpeg", "webp") and dtype != "uint8"):
            yield Kind(dtype, bands, bits, packing, plane)
    for dtype, bands, packing, plane in itertools.product(
        ("int8", "int16", "uint32", "int32", "float16", "float32", "float64"),
        (1, 3),
        (None, "deflate"),
        planes,
    ):
        if bands > 1 or not plane:
            yield Kind(dtype, bands, packing=packing, options=plane)
    for dtype, bands, order, shape in itertools.product(
        ("uint8", "uint16", "float32"),
        (1, 3),
        ("<", ">"),
        ({"tile": (32, 48)}, {"bigtiff": True}, {"rowsperstrip": 5}, {"predictor": True}),
    ):
        packing = "deflate" if "predictor" in shape else None
        yield Kind(dtype, bands, packing=packing, options={"byteorder": order, **shape})
    for dtype, bits in (("uint16", None), ("uint16", 12)):
        for plane, order, packing in itertools.product(planes, "<>", (None, "lzw")):
            options = {"byteorder": order, "tile": (32, 48), **plane}
            yield Kind(dtype, 3, bits, packing, options)
    for bits, bands, plane in itertools.product((1, 2, 4, 10, 12, 14), (1, 3), planes):
        if bands > 1 or not plane:
            dtype = "uint8" if bits <= 8 else "uint16"
            yield Kind(dtype, bands, bits, None, {"bitspersample": bits, **plane})
    for dtype, packing in itertools.product(("uint8", "uint16", "float32"), (None, "deflate")):
        yield Kind(dtype, 1, packing=packing, options={"photometric": "miniswhite"})
        yield Kind(dtype, 2, packing=packing)
        yield Kind(dtype, 5, packing=packing)
        yield Kind(dtype, 4, packing=packing, options={"photometric": "separated"})


def photo() -> np.ndarray:
    """Return a photograph, (h, w, 3) uint8."""
    with Image.open(PHOTO) as image:
        return np.asarray(image.convert("RGB").resize(SIZE))


def values_of(kind: Kind, rgb: np.ndarray) -> np.ndarray:
    """Return the photograph in a kind's numbers, (h, w) or (h, w, bands)."""
    grey = np.asarray(Image.fromarray(rgb).convert("L"))[..., None]
    opaque = np.full_like(grey, 255)
    separated = kind.options.get("photometric") == "separated"
    parts = {1: (grey,), 2: (grey, opaque), 3: (rgb,), 5: (rgb, opaque, grey)}
    parts[4] = (255 - rgb, opaque * 0) if separated else (rgb, opaque)
    eight = np.concatenate(parts[kind.bands], axis=2).astype(np.uint8)
    if kind.options.get("photometric") == "miniswhite":
        eight = 255 - eight
    values = to_type(eight, kind)
    return values[..., 0] if kind.bands == 1 else values


def to_type(eight: np.ndarray, kind: Kind) -> np.ndarray:
    """Write 8 bits as numbers of another type, black and white at its ends."""
    dtype = np.dtype(kind.dtype)
    if dtype.kind == "f":
        return (eight / 255).astype(dtype)
    bits = kind.bits or 8 * dtype.itemsize
    wide = eight.astype(np.int64)
    scaled = wide >> (8 - bits) if bits <= 8 else wide * ((1 << bits) - 1) // 255
    return (scaled - (1 << bits - 1 if dtype.kind == "i" else 0)).astype(dtype)


def from_type(values: np.ndarray, kind: Kind) -> np.ndarray:
    """Return numbers as 8 bits: the way back from :func:`to_type`."""
    if values.dtype.kind == "f":
        return np.rint(values.astype(float) * 255).clip(0, 255).astype(np.uint8)
    bits = kind.bits or 8 * values.dtype.itemsize
    wide = values.astype(np.int64) + (1 << bits - 1 if values.dtype.kind == "i" else 0)
    return np.rint(wide * (255 / ((1 << bits) - 1))).clip(0, 255).astype(np.uint8)


def theirs(content: bytes, kind: Kind) -> np.ndarray:
    """Return the colours (h, w, 3) that ``tifffile`` reads."""
    values = tifffile.imread(io.BytesIO(content))
    if "planarconfig" in kind.options and values.ndim == 3:
        values = np.moveaxis(values, 0, -1)
    eight = from_type(values, kind)
    if kind.options.get("photometric") == "miniswhite":
        eight = 255 - eight
    if kind.options.get("photometric") == "separated":
        eight = 255 - eight
    eight = eight[..., None] if eight.ndim == 2 else eight
    return np.repeat(eight[..., :1], 3, axis=2) if kind.bands <= 2 else eight[..., :3]


def write(kind: Kind) -> bytes:
    """Return a photograph as a TIFF of a kind."""
    values = values_of(kind, photo())
    options: dict[str, Any] = {"photometric": "rgb" if kind.bands >= 3 else "minisblack"}
    options |= {
        "extrasamples": {2: ["unassalpha"], 4: ["unassalpha"], 5: ["unassalpha", 0]}.get(
            kind.bands, []
        )
    }
    options |= kind.options
    if options["photometric"] == "separated" or not options["extrasamples"]:
        del options["extrasamples"]
    if "planarconfig" in options:
        values = np.moveaxis(values, -1, 0)
    elif kind.bands > 1:
        options["planarconfig"] = "contig"
    stream = io.BytesIO()
    tifffile.imwrite(stream, values, compression=kind.packing, metadata=None, **options)
    return stream.getvalue()


def main() -> int:
    differences, refused, unwritten, bad = [], [], [], []
    for kind in kinds():
        try:
            content = write(kind)
            expected = theirs(content, kind).astype(int)
        except Exception as error:  # their writer takes not everything
            unwritten.append((kind.name, str(error)))
            continue
        try:
            ours = np.asarray(decode_image(content)).astype(int)
        except ImageError as error:
            refused.append((kind.name, error.message))
            if "not read" not in error.message:
                bad.append(f"{kind.name}: {error.message}")
            continue
        difference = float(np.abs(ours - expected).mean())
        differences.append(difference)
        if difference > (MOST_LOSSY if kind.packing in LOSSY else MOST):
            bad.append(f"{kind.name}: differs by {difference:.1f} of 255")
    for name, words in refused:
        print(f"refused  {name}: {words}")
    for name, words in unwritten:
        print(f"not written  {name}: {words}")
    print(
        f"{len(differences)} read, difference {statistics.median(differences):.3f} in the median, "
        f"{max(differences):.3f} at most; {len(refused)} refused, "
        f"{len(unwritten)} that tifffile does not write"
    )
    for line in bad:
        print(f"BAD  {line}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
