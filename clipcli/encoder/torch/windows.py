"""Windows: squares of a transformer's own size that cover a larger picture.

A transformer's positions are learned for one size, and its tokens say much of all that they were
seen with. So a larger picture is read through windows that lie half over each other, and a place is
the mean of what it is in each (Wang et al. 2023, arXiv:2312.01597, "SCLIP", section 4.1).
"""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

from clipcli.encoder.torch.dense import dense_vectors


def window_vectors(tower: nn.Module, pixels: Tensor, patch_px: int, n_window: int) -> Tensor:
    """Embed every place, as the sum of its unit vectors in all windows that hold it.

    ``pixels`` (n, 3, h, w) are normalised; a window has ``n_window`` patches on each side, and the
    picture at least as many. Returns (n, gh, gw, d), not of unit length.
    """
    height, width = pixels.shape[2] // patch_px, pixels.shape[3] // patch_px
    side_px, sums = n_window * patch_px, None
    for top in window_starts(height, n_window):
        for left in window_starts(width, n_window):
            y, x = top * patch_px, left * patch_px
            window = pixels[:, :, y : y + side_px, x : x + side_px]
            rows = F.normalize(dense_vectors(tower, window), dim=-1)  # (n, n_window, n_window, d)
            if sums is None:
                sums = rows.new_zeros(len(rows), height, width, rows.shape[-1])
            sums[:, top : top + n_window, left : left + n_window] += rows
    assert sums is not None
    return sums


def window_starts(n_places: int, n_window: int) -> list[int]:
    """Return where windows begin along a side: at least half over each other, from end to end."""
    room = n_places - n_window
    n_steps = math.ceil(2 * room / n_window)
    return [round(i * room / n_steps) for i in range(n_steps)] + [room]
