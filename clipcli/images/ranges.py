"""Value ranges: which value of a deep picture is black, which white.

What a file declares decides. Where it declares nothing the values decide, but never a few of them:
a hot pixel or a "no data" value must not make all others black.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_DROPPED = 1000  # one in so many values may lie outside of the range, at each end
_SAMPLE = 2**20  # values that are looked at; of a larger picture a regular choice
_LEAST_ROBUST = 64  # values: among fewer no outlier can be recognised
# Usual ranges. One is taken if the values fill at least a sixteenth of it: a darker picture of that
# range would be black to any eye. Floats may overshoot a little, as resampling makes them.
_FLOAT_TOPS = (1.0, 255.0, 65535.0)
_INTEGER_TOPS = (1, 255, 1023, 4095, 65535)
_LEAST_SHARE, _OVERSHOOT = 1 / 16, 1.1
# Values that by custom mean "no data", in files that do not declare it.
_NO_DATA = (-9999.0, -99999.0, -32768.0, -32767.0, -3.4028234663852886e38, -1e30, -1e38)
_BLOCK_VALUES = 2**20  # scaled at once: in float64 a whole picture would be 8 times its grey


class Range(NamedTuple):
    """From black to white."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Declared:
    """What a file says of its own values; None where it says nothing."""

    bits: int | None = None  # that count, from zero up
    extent: Range | None = None  # the least and the greatest value
    no_data: float | None = None  # this value is none


def to_8_bits(values: NDArray[Any], declared: Declared) -> NDArray[np.uint8]:
    """Scale integers or floats (h, w) to 0..255; what is no value, as NaN, becomes 0."""
    import numpy as np

    nothing = _no_data(values, declared)
    black_to_white = find_range(values, declared, nothing)
    grey = np.zeros(values.shape, np.uint8)
    rows = max(1, _BLOCK_VALUES // values.shape[1])
    with np.errstate(all="ignore"):  # signalling NaNs would be announced on standard error
        for top in range(0, len(values), rows):
            block = values[top : top + rows]
            scaled = _scale(block, black_to_white)
            if nothing is not None:
                scaled[block == nothing] = 0
            grey[top : top + rows] = scaled
    return grey


def find_range(values: NDArray[Any], declared: Declared, no_data: float | None = None) -> Range:
    """Return which of the values (h, w) is black and which is white."""
    import numpy as np

    if declared.bits is not None:
        return Range(0, 2**declared.bits - 1)
    flat = values.reshape(-1)
    sample = flat[:: max(1, -(-flat.size // _SAMPLE))]
    if sample.dtype.kind == "f":
        sample = sample[np.isfinite(sample)]
    if no_data is not None:
        sample = sample[sample != no_data]
    if not sample.size:
        return Range(0, 1)
    if declared.extent is not None and _covers(declared.extent, sample):
        return declared.extent
    low, high = _robust(sample)
    return (
        _integer_range(values, low, high) if values.dtype.kind in "iu" else _float_range(low, high)
    )


def _no_data(values: NDArray[Any], declared: Declared) -> float | None:
    """Return the value that stands for no value: the declared one, or one that custom knows."""
    import numpy as np

    if declared.no_data is not None:
        return float(np.array(declared.no_data).astype(values.dtype))
    if values.dtype.kind == "u" or values.dtype.itemsize < 4 or declared.bits is not None:
        return None  # the lowest number of 16 bits is an honest black
    with np.errstate(all="ignore"):  # NaNs are no least value
        least = float(np.fmin.reduce(values, axis=None))
    is_custom = any(abs(least - each) <= -1e-6 * each for each in _NO_DATA)
    return least if is_custom else None


def _covers(extent: Range, sample: NDArray[Any]) -> bool:
    """Say whether a declared range can be true: half of the values at least are in it."""
    return 2 * int(((sample >= extent.low) & (sample <= extent.high)).sum()) >= sample.size


def _robust(sample: NDArray[Any]) -> tuple[float, float]:
    """Return least and greatest value, after one in a thousand is left out at each end."""
    import numpy as np

    n = sample.size
    dropped = max(n // _DROPPED, 1) if n >= _LEAST_ROBUST else 0
    ordered = np.partition(sample, (dropped, n - 1 - dropped))
    return float(ordered[dropped]), float(ordered[n - 1 - dropped])


def _integer_range(values: NDArray[Any], low: float, high: float) -> Range:
    type_bits = 8 * values.dtype.itemsize
    if low < 0:
        half = 2.0 ** (type_bits - 1)
        # Numbers without a sign that were moved to lie about zero fill the type; measurements, as
        # of computed tomography, do not.
        return Range(-half, half - 1) if high - low > half or type_bits == 8 else Range(low, high)
    tops = [top for top in (*_INTEGER_TOPS, 2**32 - 1) if top < 2**type_bits]
    if values.dtype.kind == "i" and type_bits < 32:
        tops = [min(top, 2 ** (type_bits - 1) - 1) for top in tops]
    return Range(0, next((top for top in tops if _is_usual(high, top, 1)), high))


def _float_range(low: float, high: float) -> Range:
    if low < 0 and -low > (_OVERSHOOT - 1) * high:
        return Range(low, high)
    return Range(0, next((top for top in _FLOAT_TOPS if _is_usual(high, top, _OVERSHOOT)), high))


def _is_usual(high: float, top: float, overshoot: float) -> bool:
    return _LEAST_SHARE * top <= high <= overshoot * top


def _scale(block: NDArray[Any], black_to_white: Range) -> NDArray[np.uint8]:
    """Scale rows (r, w); of whole numbers of so many bits the top 8, as Pillow does in colour."""
    import numpy as np

    low, high = black_to_white
    span = high - low
    if block.dtype.kind in "iu" and span >= 255 and (int(span) + 1) & int(span) == 0:
        shift = int(span).bit_length() - 8
        top: NDArray[Any] = np.clip(block.astype(np.int64) - int(low), 0, int(span)) >> shift
        return top.astype(np.uint8)
    wide = block.astype(np.float64)
    wide = np.nan_to_num(wide, copy=False, nan=low, posinf=high, neginf=low)
    factor = 255.0 / span if span > 0 else 0.0
    scaled: NDArray[Any] = np.rint((np.clip(wide, low, max(low, high)) - low) * factor)
    return scaled.astype(np.uint8)
