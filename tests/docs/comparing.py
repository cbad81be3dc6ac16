"""What of printed lines has to be as it is shown: all but what differs between processors."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Processors with and without bf16 differ by this much in what the bundled model answers.
POINTS = 5.0  # in percent, and 0.05 in a probability or a similarity
SHARE = 0.05  # of a larger figure
DECIMAL = re.compile(r"(?<![\w.])[<>]?(-?\d+\.\d+)(?![\w.])( ?%)?")
PRECISION = re.compile(r"\b(bf16|fp32)\b")  # the faster one on this processor
BAR = re.compile("[█▉▊▋▌▍▎▏]+")


def are_alike(shown: Sequence[str], printed: Sequence[str]) -> bool:
    """Tell whether lines say the same, in words, names, counts and, nearly, in decimal figures."""
    return len(shown) == len(printed) and all(map(_is_alike, shown, printed))


def _is_alike(shown: str, printed: str) -> bool:
    if _words(shown) != _words(printed):
        return False
    figures = (DECIMAL.findall(_without_bars(line)) for line in (shown, printed))
    return all(
        abs(float(a) - float(b)) <= max(POINTS if unit else POINTS / 100, SHARE * abs(float(a)))
        for (a, unit), (b, _) in zip(*figures, strict=True)
    )


def _words(line: str) -> list[str]:
    """Keep what is no bar and no decimal figure, whatever the space between."""
    return DECIMAL.sub("0.0", PRECISION.sub("auto", _without_bars(line))).split()


def _without_bars(line: str) -> str:
    return BAR.sub("", line)
