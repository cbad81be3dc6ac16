"""What of a printed line has to be as it is shown."""

from __future__ import annotations

import re


def form(line: str) -> str:
    """Keep of a line the picture's name and the number of its columns.

    Digits differ between processors, and with them, where it is close, the label: the form of
    each line and the pictures in their order are what can be promised everywhere.
    """
    names = re.findall(r"[\w/-]+\.(?:jpg|png|webp)", line)
    return f"{names} {line.count(chr(9))}"
