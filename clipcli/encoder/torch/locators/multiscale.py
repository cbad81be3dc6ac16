"""Deformable attention over maps of several scales (Zhu et al. 2020, arXiv:2010.04159).

Each query looks at a few places of every map, between cells, and adds up what is there. Out of a
map is zero. A place is four neighbouring cells with weights, so a query's whole sum is one bag of
rows: maps lie in one table of rows, with a border of zeros around each, and what is added up is
never spread out in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BLOCK = 2048  # rows at a time, so that what is made of them stays in the processor's cache
BORDER = (0, 0, 1, 1, 1, 2)  # of a map (h, w, c): a column on each side, a row above and two below
CORNERS = 4


@dataclass(frozen=True, slots=True)
class Maps:
    """Where the maps of a picture lie, in a list of all cells and in the table of rows."""

    sizes: tuple[tuple[int, int], ...]  # cells, height and width
    limits: Tensor  # (levels, 1, 2) float: width and height
    strides: Tensor  # (levels, 1) float: rows of the table from one row of cells to the next
    starts: Tensor  # (levels, 1) float: the row of each map's first cell

    @classmethod
    def of_sizes(cls, sizes: Sequence[tuple[int, int]], device: torch.device) -> Maps:
        """Lay out maps of some sizes."""
        starts, n_rows = [], 0
        for height, width in sizes:
            starts.append(n_rows + width + 3)  # after the border's row, and its column
            n_rows += (height + 3) * (width + 2)

        def column(numbers: Sequence[Any]) -> Tensor:
            return torch.tensor(numbers, dtype=torch.float32, device=device)[:, None]

        limits = column([(width, height) for height, width in sizes])
        strides = column([width + 2 for _, width in sizes])
        return cls(tuple(sizes), limits, strides, column(starts))

    @property
    def lengths(self) -> list[int]:
        """How many cells each map has."""
        return [height * width for height, width in self.sizes]

    def table(self, cells: Tensor, heads: int) -> Tensor:
        """Return the rows (r heads, c/heads) of all maps' cells (m, c), borders included."""
        parts = [
            F.pad(part.view(*size, -1), BORDER).flatten(0, 1)
            for part, size in zip(torch.split(cells, self.lengths), self.sizes, strict=True)
        ]
        # One more row, for the right neighbour of the last one.
        parts.append(cells.new_zeros(1, cells.shape[1]))
        return torch.cat(parts).view(-1, cells.shape[1] // heads)


class MultiscaleAttention(nn.Module):
    """What every query finds at its places, projected."""

    def __init__(self, width: int, heads: int, levels: int, points: int) -> None:
        super().__init__()
        self.heads, self.levels, self.points = heads, levels, points
        n_places = heads * levels * points
        self.sampling_offsets = nn.Linear(width, 2 * n_places)
        self.attention_weights = nn.Linear(width, n_places)
        self.value_proj = nn.Linear(width, width)
        self.output_proj = nn.Linear(width, width)

    def forward(
        self, queries: Tensor, cells: Tensor, maps: Maps, centres: Tensor, steps: Tensor | None
    ) -> Tensor:
        """Let queries look at maps.

        Parameters
        ----------
        queries
            (q, c).
        cells
            (m, c): of all maps, row by row.
        maps
            How the cells lie.
        centres
            (q, levels, 2): across and down, in cells of each map, where 0 is the middle of the
            first cell.
        steps
            (q, levels, 2): how many cells an offset of one is; one, where there are none.

        Returns
        -------
        Tensor
            (q, c).
        """
        rows = maps.table(self.value_proj(cells), self.heads)
        grid = (self.heads, self.levels, self.points)
        found = torch.empty_like(queries)
        for begin in range(0, len(queries), BLOCK):
            block = slice(begin, begin + BLOCK)
            part = queries[block]
            places = self.sampling_offsets(part).view(-1, *grid, 2)  # (b, heads, levels, points, 2)
            if steps is not None:
                places = places * steps[block, None, :, None]
            places = places + centres[block, None, :, None]
            weights = self.attention_weights(part).view(-1, self.heads, self.levels * self.points)
            weights = weights.softmax(dim=2).view(-1, *grid)
            found[block] = look_up(rows, maps, places, weights)
        projected: Tensor = self.output_proj(found)
        return projected


def look_up(rows: Tensor, maps: Maps, places: Tensor, weights: Tensor) -> Tensor:
    """Add up what lies at places.

    Parameters
    ----------
    rows
        (r heads, e): see :meth:`Maps.table`.
    places
        (b, heads, levels, points, 2), in cells.
    weights
        (b, heads, levels, points).

    Returns
    -------
    Tensor
        (b, heads e).
    """
    b, heads = places.shape[:2]
    # A place beyond the border finds nothing there either, so it may be brought back to it.
    places = torch.minimum(places.clamp(min=-1), maps.limits)
    corner = places.floor()
    across, down = (places - corner).unbind(-1)  # each (b, heads, levels, points), 0 to 1
    below = weights * down
    above = weights - below
    shares = weights.new_empty(b, heads, CORNERS, *weights.shape[2:])
    torch.mul(above, across, out=shares[:, :, 1])
    torch.sub(above, shares[:, :, 1], out=shares[:, :, 0])
    torch.mul(below, across, out=shares[:, :, 3])
    torch.sub(below, shares[:, :, 3], out=shares[:, :, 2])
    # Rows of the table are whole numbers far below 2^24, which floats hold exactly.
    head = torch.arange(heads, dtype=torch.float32, device=rows.device).view(-1, 1, 1)
    first = maps.starts * heads + head  # (heads, levels, 1)
    row = torch.addcmul(corner[..., 0] * heads, corner[..., 1], maps.strides * heads) + first
    further = torch.stack(  # (4, levels, 1): to the right, below, and both
        [
            torch.zeros_like(maps.strides),
            torch.ones_like(maps.strides),
            maps.strides,
            maps.strides + 1,
        ]
    )
    indices = row.to(torch.int32)[:, :, None] + (further * heads).to(torch.int32)
    bags = F.embedding_bag(
        indices.view(b * heads, -1),
        rows,
        mode="sum",
        per_sample_weights=shares.view(b * heads, -1),
    )  # (b heads, e)
    return bags.view(b, -1)
