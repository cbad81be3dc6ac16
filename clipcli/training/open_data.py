"""This file knows about opening training data, packed already or not."""

from __future__ import annotations

from pathlib import Path

from clipcli.errors import InputError
from clipcli.training.journal import Say
from clipcli.training.pairs import Pairs, is_packed, open_packed


def open_data(data: Path, work: Path, native_px: int, say: Say) -> Pairs:
    """Open a packed folder, or pack a folder tree or manifest into ``work`` first."""
    if is_packed(data):
        return open_packed(data)
    raise InputError(f"{data}: not packed")
