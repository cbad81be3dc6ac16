"""What a picture looks like, by its pixels alone, decoded small.

Sharpness is measured by blurring again (Crete, Dolmiere, Ladret and Nicolas 2007, "The blur
effect: perception and estimation with a new no-reference perceptual blur metric"): what is sharp
loses most of its differences between neighbours, what is blurred already loses few.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING

from clipcli.errors import ImageError
from clipcli.images.decode import Decoded, decode
from clipcli.images.notes import DAMAGE, NOTES
from clipcli.process import usable_cores
from clipcli.results import Skipped

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

SIDE_PX = 256  # the longer side that sharpness is judged at; smaller pictures are not enlarged
WINDOW_PX = 9  # of the second blur
AHEAD = 64  # pictures measured ahead


@dataclass(frozen=True, slots=True)
class Measures:
    """What one picture's pixels say; greys are 0..255."""

    width: int
    height: int
    darkest: float  # 5 of 100 pixels are darker
    brightest: float  # 5 of 100 pixels are brighter
    contrast: float  # standard deviation of the greys
    blur: float  # 0 sharp .. 1 without any detail
    miniature: NDArray[np.uint8]  # (s, s), greys, which copies are found by
    n_bytes: int = 0  # of the file
    is_raw: bool = False  # a camera's raw photograph
    is_lossless: bool = False  # stored without loss
    note: str = ""  # on damage that cost no pixel

    @property
    def short_px(self) -> int:
        """The shorter side."""
        return min(self.width, self.height)

    @property
    def aspect(self) -> float:
        """The longer side over the shorter."""
        return max(self.width, self.height) / self.short_px


def measure(source: str | bytes, *, max_pixels: int) -> tuple[Measures, Image]:
    """Decode a picture small, and measure it; the picture is returned for a thumbnail.

    ``source`` is a path, or the content of a file.

    Raises
    ------
    ImageError
        With the reason in a few words.
    """
    decoded = decode(source, max_pixels=max_pixels, at_least_px=SIDE_PX)
    n_bytes = len(source) if isinstance(source, bytes) else Path(source).stat().st_size
    return replace(measures_of(decoded), n_bytes=n_bytes), decoded.image


def measures_of(decoded: Decoded) -> Measures:
    """Measure a picture that is decoded."""
    import numpy as np

    from clipcli.workflows.audit.prints import miniature_of

    left, top, right, bottom = decoded.box
    reduction = max(1, round(sqrt(decoded.n_pixels / ((right - left) * (bottom - top)))))
    grey = decoded.image.convert("L")
    greys = np.asarray(_fitted(grey), np.float32)  # (h, w)
    darkest, brightest = np.percentile(greys, (5, 95))
    return Measures(
        width=round((right - left) * reduction),
        height=round((bottom - top) * reduction),
        darkest=float(darkest),
        brightest=float(brightest),
        contrast=float(greys.std()),
        blur=blur_of(greys),
        miniature=miniature_of(greys),
        is_raw=decoded.is_raw,
        is_lossless=decoded.is_lossless,
        note=NOTES[decoded.note_number] if decoded.note_number in DAMAGE else "",
    )


def _fitted(grey: Image) -> Image:
    from PIL.Image import Resampling

    factor = SIDE_PX / max(grey.size)
    if factor >= 1:
        return grey
    width, height = (max(1, round(side * factor)) for side in grey.size)
    return grey.resize((width, height), Resampling.BILINEAR, reducing_gap=2.0)


def blur_of(greys: NDArray[np.float32]) -> float:
    """Return how little greys (h, w) lose by being blurred again, 0..1, the worse direction."""
    return max(_blur_along(greys), _blur_along(greys.T))


def _blur_along(greys: NDArray[np.float32]) -> float:
    """Compare the differences of neighbours in a row before and after a mean over a window."""
    import numpy as np

    if greys.shape[1] <= WINDOW_PX + 1:
        return 0.0  # too small to tell
    sums = np.cumsum(greys, axis=1, dtype=np.float64)  # (h, w)
    blurred = (sums[:, WINDOW_PX:] - sums[:, :-WINDOW_PX]) / WINDOW_PX  # (h, w - window)
    middle = greys[:, WINDOW_PX // 2 + 1 :][:, : blurred.shape[1]]  # the pixels those are around
    before = np.abs(np.diff(middle, axis=1))
    after = np.abs(np.diff(blurred, axis=1))
    total = float(before.sum())
    lost = float(np.maximum(before - after, 0).sum())
    return 1.0 - lost / total if total else 1.0


@dataclass(frozen=True, slots=True)
class Measured:
    """A picture's measures, and what ``make_thumbnail`` made of it."""

    measures: Measures
    thumbnail: bytes = b""


def measure_all(
    paths: Iterable[str],
    *,
    max_pixels: int,
    make_thumbnail: Callable[[Image], bytes] | None = None,
) -> Iterator[Measured | Skipped]:
    """Yield each picture's measures, or why there are none, in order."""

    def work(path: str) -> Measured | Skipped:
        try:
            measures, image = measure(path, max_pixels=max_pixels)
        except ImageError as error:
            return Skipped(path, error.message)
        except MemoryError:
            return Skipped(path, "not enough memory to resize it")
        return Measured(measures, make_thumbnail(image) if make_thumbnail else b"")

    pool = ThreadPoolExecutor(max(2, usable_cores()), thread_name_prefix="measure")
    waiting: deque[Future[Measured | Skipped]] = deque()
    try:
        for path in paths:
            waiting.append(pool.submit(work, path))
            if len(waiting) >= AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
