"""This file knows about opening training data, packed already or not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from clipcli.architecture import Preprocessing
from clipcli.training.journal import Say
from clipcli.training.manifest import read_pairs
from clipcli.training.packing import pack
from clipcli.training.pairs import Pairs, is_packed, open_packed

MARGIN = 1.25  # packed pictures are larger than the input, so that random crops keep their detail


def open_data(data: Path, work: Path, preprocessing: Preprocessing, say: Say) -> Pairs:
    """Open a packed folder, or pack a folder tree or table into ``work`` first."""
    if is_packed(data):
        return open_packed(data)
    larger = replace(preprocessing, size=round(MARGIN * preprocessing.size))
    return pack(read_pairs(data), larger, work, say)
