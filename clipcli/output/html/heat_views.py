"""Heat maps for a contact sheet: each picture once more, with the heat of a label over it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipcli.errors import ImageError
from clipcli.images.decode import MAX_PIXELS
from clipcli.images.upright import open_upright
from clipcli.output.drawing.heat import overlaid
from clipcli.output.html.thumbnails import SIDE_PX, data_url, encode
from clipcli.output.table import percent
from clipcli.pipeline.heat import HeatMaker, stretch
from clipcli.results import Classified

if TYPE_CHECKING:
    from collections.abc import Sequence

ENOUGH_PX = 640  # a large JPEG may be decoded at a reduced size, down to this
LEAST = 1e-6  # of a share that is divided by
MOST_LABELS = 3  # a picture: each costs 4 kB of the page

View = tuple[str, str]  # caption, and the picture as a data URL


@dataclass(frozen=True, slots=True)
class HeatViews:
    """Draws the heat of a result's most probable labels, the best first.

    A label's best place glows as much as the label is probable: among many labels the shares of
    single places are low everywhere, and nothing would be seen.
    """

    maker: HeatMaker
    names: Sequence[str]  # of all labels, in the order of the maker's grids
    max_pixels: int = MAX_PIXELS
    convert_profiles: bool = False

    def of(self, result: Classified) -> tuple[View, ...]:
        """Return a view a label; none for a picture that cannot be read again, as in an archive."""
        try:
            picture = open_upright(
                result.path,
                at_least_px=ENOUGH_PX,
                max_pixels=self.max_pixels,
                convert_profiles=self.convert_profiles,
            ).image
        except (ImageError, MemoryError):
            return ()
        grids = self.maker.grids(picture)  # (c, gh, gw)
        picture.thumbnail((SIDE_PX, SIDE_PX))
        views = []
        for score in result.top[:MOST_LABELS]:
            grid = grids[self.names.index(score.label)]
            grid = grid * (score.probability / max(float(grid.max()), LEAST))
            heat = stretch(grid, picture.width, picture.height)  # (h, w)
            caption = f"{score.label} {percent(score.probability)}"
            views.append((caption, data_url(encode(overlaid(picture, heat)))))
        return tuple(views)
