"""Flatness: areas of one colour and the strokes on them, which no camera gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

    Pixels = NDArray[np.uint8]

BLOCK = 8  # pixels: a JPEG's block, so that an area of one colour stays one
# Chosen on other pictures than those that the documentation has figures of.
LEAST_FLAT = 0.40  # of the area: has the few colours of a screen
LEAST_GROUND = 0.22  # of the pixels where something is drawn: what it is drawn on
MOST_SOFT = 0.5  # of the blocks that are not flat: gradients and noise
SOFT = 12  # levels of 255 within a block
N_COLOURS = 8
NEAR = 8  # levels: colours as near as this are shades of one, as in a sky
SAME = 4  # levels: what JPEG and WebP may make of one colour
BANDS_SEEN = 64  # rows of blocks: a sample that costs little, spread over the picture
BLOCKS_SEEN = 4000
ROWS_SEEN = 200
STROKE_PX, LEAST_STROKES = 10, 80  # of letters on any screen, in those rows
SMALL_STROKE_PX, LEAST_SMALL_STROKES = 3, 200  # at the size that a desktop shows
PAPER_LEVEL = 190  # of 255: paper is at least as light
PAPER_RANGE = 40  # levels within a block of bare paper
LEAST_PAPER = 0.45  # of the blocks
PAPER_COLOUR = 24  # levels between the channels of paper, at most
LEAST_INK, MOST_INK = 0.001, 0.35  # of the pixels are much darker than the paper


@dataclass(frozen=True, slots=True)
class _Blocks:
    """A picture in blocks: pixels (b, 64, 3), and each block's range of levels (b,)."""

    pixels: Pixels
    ranges: NDArray[np.int64]


def _blocks(image: Image) -> _Blocks:
    pixels = np.asarray(image)  # (h, w, 3)
    down, across = pixels.shape[0] // BLOCK, pixels.shape[1] // BLOCK
    bands = pixels[: down * BLOCK, : across * BLOCK].reshape(down, BLOCK, across, BLOCK, 3)
    bands = bands[:: max(1, down // BANDS_SEEN)]  # (s, 8, across, 8, 3)
    # The first axis that is reduced is the one whose numbers lie side by side in memory.
    most, least = bands.max(axis=1).max(axis=2), bands.min(axis=1).min(axis=2)  # (s, across, 3)
    ranges = (most.astype(np.int64) - least).max(axis=2)  # (s, across)
    tiles = bands.swapaxes(1, 2).reshape(-1, BLOCK * BLOCK, 3)  # (b, 64, 3)
    return _Blocks(tiles, ranges.ravel())


def is_drawn_by_a_screen(image: Image) -> bool:
    """Say whether few exact colours fill much of a picture, and writing stands on them.

    A photograph of something on white fills much, too; but the thing itself shows nothing of the
    white, where letters do between their strokes. A sky that JPEG made flat is of many near
    colours, and a screen's colours are far apart.
    """
    blocks = _blocks(image)
    if not len(blocks.ranges):
        return False
    is_flat = blocks.ranges == 0  # (b,)
    colours, share, n_near = _main_colours(blocks.pixels[is_flat, 0].astype(np.int64))
    n = len(is_flat)
    drawn = blocks.pixels[~is_flat]  # (b', 64, 3)
    if (share - n_near) / n < LEAST_FLAT or not len(drawn):
        return False
    ranges = blocks.ranges[~is_flat]
    if (ranges <= SOFT).mean() > MOST_SOFT:
        return False
    seen = drawn[:: max(1, len(drawn) // BLOCKS_SEEN)].reshape(-1, 3).astype(np.int64)
    return bool(_is_near(seen, colours, SAME).mean() >= LEAST_GROUND)


def _main_colours(flat: NDArray[np.int64]) -> tuple[NDArray[np.int64], int, int]:
    """Return the main colours (k, 3) of flat blocks (b, 3).

    Also how many blocks have one of them, and how many one that is nearly the same.
    """
    keys = flat[:, 0] << 16 | flat[:, 1] << 8 | flat[:, 2]  # (b,)
    values, counts = np.unique(keys, return_counts=True)
    order = np.argsort(-counts, kind="stable")[: 8 * N_COLOURS]
    colours = np.stack([values >> 16, values >> 8 & 255, values & 255], axis=1)[order]
    kept: list[int] = []
    n_near = 0
    for i, colour in enumerate(colours):
        if kept and _is_near(colour[None], colours[kept], NEAR)[0]:
            n_near += int(counts[order[i]])
        else:
            kept.append(i)
    kept = kept[:N_COLOURS]
    return colours[kept], int(counts[order[kept]].sum()), n_near


def _is_near(
    pixels: NDArray[np.int64], colours: NDArray[np.int64], levels: int
) -> NDArray[np.bool_]:
    """Say of each pixel (p, 3) whether it is within some levels of one of the colours (k, 3)."""
    near = np.zeros(len(pixels), dtype=bool)
    for colour in colours:
        near |= np.abs(pixels - colour).max(axis=1) <= levels
    return near


def has_letters(image: Image) -> bool:
    """Say whether a picture has strokes like those of letters; a drawn landscape has few."""
    return int((_strokes(image) <= STROKE_PX).sum()) >= LEAST_STROKES


def has_small_letters(image: Image) -> bool:
    """Say whether most strokes are as thin as those of a desktop's letters; a slide's are not."""
    is_thin = _strokes(image) <= SMALL_STROKE_PX
    return int(is_thin.sum()) >= LEAST_SMALL_STROKES and bool(is_thin.mean() >= 0.5)


def _strokes(image: Image) -> NDArray[np.int64]:
    """Return how wide the strokes are that some rows of a picture cross."""
    pixels = np.asarray(image.convert("L")).astype(np.int64)  # (h, w)
    lengths: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    for row in pixels[:: max(1, len(pixels) // ROWS_SEEN)]:
        ground = int(np.bincount(row, minlength=256).argmax())
        is_ink = np.abs(row - ground) > 4 * SOFT
        edges = np.flatnonzero(np.diff(np.concatenate([[False], is_ink, [False]]).astype(np.int8)))
        lengths.append(edges[1::2] - edges[::2])
    return np.concatenate(lengths)


def has_paper(image: Image) -> bool:
    """Say whether a picture is bare paper for the most part, with ink on it."""
    blocks = _blocks(image)
    if not len(blocks.ranges):
        return False
    means = blocks.pixels.mean(axis=1)  # (b, 3)
    is_bare = (blocks.ranges <= PAPER_RANGE) & (means.min(axis=1) >= PAPER_LEVEL)
    if is_bare.mean() < LEAST_PAPER:
        return False
    paper = np.median(means[is_bare], axis=0)  # (3,)
    if paper.max() - paper.min() > PAPER_COLOUR:
        return False
    inked = blocks.pixels[~is_bare]
    if not len(inked):
        return False
    seen = inked[:: max(1, len(inked) // BLOCKS_SEEN)].reshape(-1, 3).astype(np.int64)
    light = seen.min(axis=1)
    ground = (light >= paper.min() - PAPER_RANGE).mean()
    ink = (light < paper.min() - 2 * PAPER_RANGE).mean() * len(inked) / len(is_bare)
    return bool(ground >= 2 * LEAST_GROUND and LEAST_INK <= ink <= MOST_INK)
