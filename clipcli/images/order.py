"""The order of files: as people count, ``img2`` before ``img10``."""

from __future__ import annotations

import re
from collections.abc import Iterable

_DIGITS = re.compile("[0-9]+")
_WIDTH = 20  # digits; longer numbers only sort less naturally


def natural_sort(names: Iterable[str]) -> list[str]:
    """Sort by letters without case and by the value of numbers, the same on every machine."""
    plainly = sorted(names)  # so that names with equal keys, "a1" and "A01", have one order
    return sorted(plainly, key=_natural_key)


def _natural_key(name: str) -> str:
    # One string a name, not a list of parts: folders of 100,000 pictures are sorted with it.
    return _DIGITS.sub(lambda digits: digits[0].zfill(_WIDTH), name.casefold())
