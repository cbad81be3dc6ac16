"""Loading: a file in, a model-sized square of pixels out."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from clipcli.images.decode import MAX_PIXELS, decode
from clipcli.images.notes import with_origin
from clipcli.images.origin import read_origin
from clipcli.images.preprocess import preprocess
from clipcli.models.config import Preprocessing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Half of the reduction is left to the resampling filter: it smooths better than the DCT does.
OVERSAMPLING = 2
# A model of 64 px sees every pixel: on photographs of 800 px, reduced to 200 and not to 400, the
# bundled one's cosines to the exact path have a median of 0.998 instead of 0.9995.
LEAST_PX = 192


class Loaded(NamedTuple):
    """A picture (s, s, 3) uint8, and how many pixels it has by its header."""

    pixels: NDArray[np.uint8]
    n_pixels: int
    note_number: int = 0  # what is to be said of it, and where it comes from; see ``notes``


def load_pixels(
    path: str | PathLike[str],
    preprocessing: Preprocessing,
    *,
    exact: bool = False,
    max_pixels: int = MAX_PIXELS,
) -> NDArray[np.uint8]:
    """Decode and preprocess one picture like :func:`load`; only the pixels (s, s, 3)."""
    return _loaded(path, preprocessing, exact, max_pixels, convert_profiles=False)[0].pixels


def load(
    source: str | PathLike[str] | BinaryIO,
    preprocessing: Preprocessing,
    *,
    exact: bool = False,
    max_pixels: int = MAX_PIXELS,
    convert_profiles: bool = False,
) -> Loaded:
    """Decode and preprocess one picture.

    Parameters
    ----------
    source
        The picture's path, of which only a regular file is opened, or a seekable binary file.
    preprocessing
        The model's size, resize mode, interpolation and crop rounding.
    exact
        Bit for bit the reference's pixels. Otherwise large JPEGs are decoded at a reduced size, at
        least twice the model's and 192 pixels, other large pictures are averaged down to at least
        three times the model's, and resizing and cropping are one step.
    max_pixels
        Larger pictures are refused by their header.
    convert_profiles
        Convert colours to sRGB by the picture's profile; otherwise profiles are ignored, as in the
        references.

    Returns
    -------
    Loaded
        Pixels (s, s, 3) uint8, and what the file tells of itself.

    Raises
    ------
    ImageError
        With the reason in a few words.
    """
    loaded, is_raw = _loaded(source, preprocessing, exact, max_pixels, convert_profiles)
    number = with_origin(loaded.note_number, read_origin(source, is_raw=is_raw))
    return loaded._replace(note_number=number)


def _loaded(
    source: str | PathLike[str] | BinaryIO,
    preprocessing: Preprocessing,
    exact: bool,
    max_pixels: int,
    convert_profiles: bool,
) -> tuple[Loaded, bool]:
    """Decode and preprocess; also say whether it is a camera's raw photograph."""
    at_least_px = None if exact else max(OVERSAMPLING * preprocessing.size, LEAST_PX)
    decoded = decode(
        source,
        max_pixels=max_pixels,
        at_least_px=at_least_px,
        convert_profiles=convert_profiles,
    )
    box = None if exact else decoded.box
    pixels = preprocess(decoded.image, preprocessing, box=box)
    return Loaded(pixels, decoded.n_pixels, decoded.note_number), decoded.is_raw
