"""Arithmetic on rows of vectors and scores: unit rows, softmax, best places, digits.

Fifty thousand cached pictures are scored in a second only if numpy does it for a block of them;
what comes out is what sorting and formatting one number after the other gives, to the last bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray: TypeAlias = NDArray[np.floating[Any]]

# Six significant digits are about what float16 vectors can carry; more would be noise that
# differs between a warm and a cold run.
SIGNIFICANT_DIGITS = 6
FEW = 16  # so many times the largest is found faster than a row is sorted

_EXACT_POWERS = np.array([float(f"1e{i}") for i in range(23)])  # 10**22 is the last float64 has
_MOST = 10.0**SIGNIFICANT_DIGITS
# A product is off by one part in 2**53: next to a half it cannot tell which way to round.
_DOUBT = 1e-6


def best_places(scores: NDArray[np.float64], k: int) -> NDArray[np.intp]:
    """Return the places (n, k) of each row's highest scores (n, c), the highest first.

    Of equal scores the one that stands first is first.
    """
    n, c = scores.shape
    if k > FEW or k >= c:
        return np.argsort(-scores, axis=1, kind="stable")[:, :k]
    left = scores.copy()  # (n, c)
    places = np.empty((n, k), np.intp)
    rows = np.arange(n)
    for rank in range(k):
        places[:, rank] = left.argmax(axis=1)  # (n,), the first of equals
        left[rows, places[:, rank]] = -np.inf
    return places


def six_digits(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round each number, of any shape, to six significant digits, as ``f"{x:.6g}"`` does."""
    sizes = np.abs(values)
    with np.errstate(divide="ignore"):
        exponents = np.floor(np.log10(sizes))  # -inf for zero
    shifts = SIGNIFICANT_DIGITS - 1 - exponents
    is_certain = (shifts >= 0) & (shifts < len(_EXACT_POWERS))
    powers = _EXACT_POWERS[np.where(is_certain, shifts, 0).astype(np.intp)]
    scaled = sizes * powers  # 100000 to 999999 and a fraction
    whole = np.rint(scaled)
    # A whole number over an exact power of ten is the float64 nearest to those digits.
    rounded: NDArray[np.float64] = np.copysign(whole / powers, values)
    is_certain &= (whole >= _MOST / 10) & (whole <= _MOST)
    is_certain &= np.abs(np.abs(scaled - whole) - 0.5) > _DOUBT
    for place in np.argwhere(~is_certain):
        index = tuple(place)
        rounded[index] = float(f"{values[index]:.{SIGNIFICANT_DIGITS}g}")
    rounded += 0.0  # no negative zero
    return rounded


def unit_rows(rows: FloatArray) -> FloatArray:
    """Scale each row (n, d) to length one; a row of zeros stays zero."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)  # (n, 1)
    return rows / np.where(lengths == 0, 1, lengths)


def ensemble(prompt_rows: FloatArray) -> NDArray[np.float32]:
    """Return one label's row (d,), float32, of its prompts' rows (p, d).

    Each prompt is normalised, then averaged, then normalised again, as in section 3.1.4 of the
    paper; in float64, so that the order of prompts does not show.
    """
    mean = unit_rows(prompt_rows.astype(np.float64)).mean(axis=0, keepdims=True)  # (1, d)
    row: NDArray[np.float32] = unit_rows(mean)[0].astype(np.float32)
    return row


def softmax(logits: FloatArray) -> FloatArray:
    """Softmax over the last axis, safe for large logits."""
    exponents = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: FloatArray = exponents / exponents.sum(axis=-1, keepdims=True)
    return result


def sigmoid(logits: FloatArray) -> FloatArray:
    """Logistic function, safe for large logits of either sign."""
    result: FloatArray = np.exp(-np.logaddexp(0.0, -logits))
    return result


def similarities(images: FloatArray, classifier: FloatArray) -> NDArray[np.float64]:
    """Cosines (n, c) of unit image rows (n, d) and unit label rows (c, d).

    Subtle: in float64 because float32 products differ in their last bits with the number of
    rows, and the same picture must get the same digits alone and in a batch.
    """
    result: NDArray[np.float64] = images.astype(np.float64) @ classifier.astype(np.float64).T
    return result
