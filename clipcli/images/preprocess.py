"""Preprocessing: from a picture of any size to a model's square of pixels.

Bit for bit what ``transformers``' ``CLIPImageProcessorPil`` does (crop rounding ``floor``), or
OpenAI's torchvision pipeline (``round``), from the same RGB pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clipcli.images.colour import to_rgb
from clipcli.models.config import Preprocessing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image, Resampling

    from clipcli.images.decode import Box

# A resized picture that is larger than this is never made as a whole: a line of 1 x 100,000
# pixels would become 224 x 22,400,000 before all but its middle were cut away.
_MAX_RESIZED_PIXELS = 64_000_000
# In one step, what shrinks by more than this is first averaged in whole blocks of pixels down to
# this many times the target, and only the rest is filtered. Mean change on photographs: 0.2 of
# 255, a third to a fifth of the time. Pillow calls 3 "indistinguishable from fair resampling".
_REDUCING_GAP = 3.0


def preprocess(
    image: Image, preprocessing: Preprocessing, *, box: Box | None = None
) -> NDArray[np.uint8]:
    """Resize and crop a picture to the model's input size.

    Parameters
    ----------
    image
        A picture; other modes than RGB are converted as decoding does.
    preprocessing
        The model's size, resize mode, interpolation and crop rounding.
    box
        The part of the image that is the picture. With a box, resizing and cropping are one step,
        which is faster and a little, on photographs 0.2 of 255 in the mean, off the reference.

    Returns
    -------
    numpy.ndarray
        (s, s, 3) uint8.
    """
    import numpy as np

    rgb = to_rgb(image)
    if preprocessing.resize_mode == "shortest":
        squared = _shortest(rgb, preprocessing, box)
    elif preprocessing.resize_mode == "longest":
        squared = _longest(rgb, preprocessing, box)
    else:
        square = (preprocessing.size, preprocessing.size)
        squared = rgb.resize(square, _filter(preprocessing), box, _gap(box))
    return np.array(squared)  # (s, s, 3) uint8


def normalise(pixels: NDArray[np.uint8], preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Return pixels (n, s, s, 3) uint8 as the network's input (n, 3, s, s) float32.

    A byte has 256 values, so the reference's arithmetic is done once for each and looked up.
    """
    import numpy as np

    n, height, width, _ = pixels.shape
    planes = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))  # (n, 3, s, s)
    out = np.empty((n, 3, height, width), np.float32)
    tables = _tables(preprocessing)
    for index in np.ndindex(n, 3):  # a plane at a time stays in the processor's cache
        np.take(tables[index[1]], planes[index], out=out[index], mode="clip")
    return out


def _tables(preprocessing: Preprocessing) -> NDArray[Any]:
    """Return what each byte becomes in each channel, (3, 256) float32.

    Subtle: the order of roundings is the reference's. Scaling is done in float64 and rounded to
    float32, then mean and standard deviation are applied in float32.
    """
    import numpy as np

    scaled = (np.arange(256, dtype=np.float64) * (1 / 255)).astype(np.float32)  # (256,)
    mean = np.array(preprocessing.mean, np.float32)[:, None]  # (3, 1)
    std = np.array(preprocessing.std, np.float32)[:, None]  # (3, 1)
    tables: NDArray[Any] = (scaled - mean) / std  # (3, 256)
    return tables


def _shortest(image: Image, preprocessing: Preprocessing, box: Box | None) -> Image:
    """Resize the shorter side to s and cut the middle s of the longer; there is never padding."""
    size = preprocessing.size
    left, top, right, bottom = box or (0, 0, *image.size)
    width, height = right - left, bottom - top
    short, long = min(width, height), max(width, height)
    resized_long = int(size * long / short)  # cut, not rounded, as in both references
    start = _crop_start(resized_long, preprocessing)
    is_wide = width > height
    if box is None and size * resized_long <= _MAX_RESIZED_PIXELS:
        resized = (resized_long, size) if is_wide else (size, resized_long)
        image = image.resize(resized, _filter(preprocessing))
        x, y = (start, 0) if is_wide else (0, start)
        return image.crop((x, y, x + size, y + size))
    scale = long / resized_long  # source pixels for one of ours
    if is_wide:
        left, right = left + start * scale, left + (start + size) * scale
    else:
        top, bottom = top + start * scale, top + (start + size) * scale
    middle = (left, top, min(right, image.width), min(bottom, image.height))
    return image.resize((size, size), _filter(preprocessing), middle, _gap(box))


def _crop_start(resized_long: int, preprocessing: Preprocessing) -> int:
    spare = resized_long - preprocessing.size
    if preprocessing.crop_rounding == "floor":
        return spare // 2
    return round(spare / 2.0)  # torchvision's CenterCrop: halves go to the even side


def _longest(image: Image, preprocessing: Preprocessing, box: Box | None) -> Image:
    """Resize the longer side to s and centre on black, as OpenCLIP's ``resize_mode=longest``."""
    import PIL.Image

    size = preprocessing.size
    left, top, right, bottom = box or (0, 0, *image.size)
    ratio = max(right - left, bottom - top) / size
    width, height = max(1, round((right - left) / ratio)), max(1, round((bottom - top) / ratio))
    canvas = PIL.Image.new("RGB", (size, size))
    resized = image.resize((width, height), _filter(preprocessing), box, _gap(box))
    canvas.paste(resized, ((size - width) // 2, (size - height) // 2))
    return canvas


def _gap(box: Box | None) -> float | None:
    return _REDUCING_GAP if box else None  # without a box, exactness was asked for


def _filter(preprocessing: Preprocessing) -> Resampling:
    from PIL.Image import Resampling

    is_bicubic = preprocessing.interpolation == "bicubic"
    return Resampling.BICUBIC if is_bicubic else Resampling.BILINEAR


def preprocessed_picture(picture: Any, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Preprocess a ``PIL.Image.Image``, turned upright, or a uint8 array (h, w, 3).

    Raises
    ------
    ValueError
        For an array of another shape or type.
    """
    from PIL import Image, ImageOps

    if isinstance(picture, Image.Image):
        upright = ImageOps.exif_transpose(picture)  # does nothing to one that is upright
    else:
        upright = Image.fromarray(_checked_array(picture))
    return preprocess(upright, preprocessing)


def _checked_array(picture: Any) -> NDArray[np.uint8]:
    import numpy as np

    array = np.asarray(picture)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        raise ValueError(f"expected an array (h, w, 3) of uint8, got {array.shape} {array.dtype}")
    return array
