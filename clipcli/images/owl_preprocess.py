"""OWL-ViT's and OWLv2's preprocessing: a whole picture to a large square.

OWL-ViT squashes with Pillow. OWLv2 pads to a square and shrinks it as scikit-image's ``resize``
does: a Gaussian filter whose width goes by the factor, then linear interpolation, on floats.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TRUNCATE = 4.0  # standard deviations after which SciPy's Gaussian filter ends


def padded_square(picture: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    """Pad a picture (h, w, 3) with black on the right or below and resize it.

    Returns
    -------
    numpy.ndarray
        (size, size, 3) float32, 0 to 1.
    """
    import numpy as np

    height, width = picture.shape[:2]
    longest = max(height, width)
    scaled = picture.astype(np.float32) / np.float32(255)
    taps = _taps(longest, size)
    x = _along_rows(scaled, *taps)  # (size, w, 3)
    x = _along_rows(x.transpose(1, 0, 2), *taps)  # (size, size, 3), the axes swapped
    lowest = scaled.min() if height == width else np.float32(0)  # padding is black
    return np.ascontiguousarray(np.clip(x.transpose(1, 0, 2), lowest, scaled.max()))


def _taps(n_in: int, n_out: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return which of ``n_in`` pixels make up each of ``n_out``, (n_out, t), and their weights."""
    import numpy as np

    factor = n_in / n_out
    sigma = max(0.0, (factor - 1) / 2)
    radius = int(TRUNCATE * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2) if radius else np.ones(1)
    kernel /= kernel.sum()
    places = (np.arange(n_out) + 0.5) * factor - 0.5  # (n_out,)
    left = np.floor(places).astype(int)
    share = places - left  # of the right neighbour
    # Linear interpolation of a filtered line is one filter over both neighbours' windows.
    indices = left[:, None] + np.arange(-radius, radius + 2)  # (n_out, t)
    weights = np.zeros(indices.shape)
    weights[:, :-1] += (1 - share)[:, None] * kernel
    weights[:, 1:] += share[:, None] * kernel
    return _mirrored(indices, n_in), weights.astype(np.float32)


def _mirrored(indices: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    """Reflect indices about the middles of the first and last pixel, as SciPy's ``mirror``."""
    import numpy as np

    if n == 1:
        return np.zeros_like(indices)
    wrapped = np.abs(indices) % (2 * (n - 1))
    mirrored: NDArray[np.intp] = np.minimum(wrapped, 2 * (n - 1) - wrapped)
    return mirrored


def _along_rows(
    x: NDArray[np.float32], indices: NDArray[np.intp], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Sum weighted rows: x (n, m, 3) -> (n_out, m, 3); rows beyond x are black."""
    import numpy as np

    inside = indices < len(x)
    last = int(np.flatnonzero(inside.any(axis=1))[-1]) + 1  # padding lies below: black from here on
    out = np.zeros((len(indices), *x.shape[1:]), np.float32)
    for t in range(indices.shape[1]):
        rows = np.minimum(indices[:last, t], len(x) - 1)
        weight = np.where(inside[:last, t], weights[:last, t], 0)
        out[:last] += weight[:, None, None] * x[rows]
    return out
