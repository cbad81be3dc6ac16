"""This file knows about loading: a path in, a model-sized square of pixels out."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

from clipcli.architecture import Preprocessing
from clipcli.images.decode import MAX_PIXELS, decode
from clipcli.images.preprocess import preprocess

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Half of the reduction is left to the resampling filter: it smooths better than the DCT does.
OVERSAMPLING = 2


def load_pixels(
    path: str | PathLike[str],
    preprocessing: Preprocessing,
    *,
    exact: bool = False,
    max_pixels: int = MAX_PIXELS,
) -> NDArray[np.uint8]:
    """Decode and preprocess one picture.

    Parameters
    ----------
    path
        The picture; only a regular file is opened.
    preprocessing
        The model's size, resize mode, interpolation and crop rounding.
    exact
        Bit for bit the reference's pixels. Otherwise large JPEGs are decoded at a reduced size, at
        least twice the model's, other large pictures are averaged down to at least three times the
        model's, and resizing and cropping are one step.
    max_pixels
        Larger pictures are refused by their header.

    Returns
    -------
    numpy.ndarray
        (s, s, 3) uint8.

    Raises
    ------
    ImageError
        With the reason in a few words.
    """
    if exact:
        return preprocess(decode(path, max_pixels=max_pixels).image, preprocessing)
    at_least_px = OVERSAMPLING * preprocessing.size
    decoded = decode(path, max_pixels=max_pixels, at_least_px=at_least_px)
    return preprocess(decoded.image, preprocessing, box=decoded.box)
