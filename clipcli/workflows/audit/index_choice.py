"""Whether neighbours are found by an index: what ``--index`` says, or how many rows there are."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, TypeAlias

from clipcli.errors import MissingExtraError, UsageError
from clipcli.workflows.audit.neighbours import Compared, Neighbours
from clipcli.workflows.audit.row_index import RowIndex

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

IndexChoice: TypeAlias = Literal["auto", "exact", "faiss"]

CHOICES = ("auto", "exact", "faiss")
# Rows from which an index is worth it: comparing so many takes two cores a minute or two for
# vectors, several for prints, and four times that with twice the rows.
INDEX_FROM = 100_000
INSTALL = 'pip install "clipcli[index]"'


def neighbours(rows: NDArray[np.float32], *, by_index: bool) -> Neighbours:
    """Return the rows (n, d) as what may be asked."""
    return RowIndex(rows) if by_index else Compared(rows)


def checked_choice(text: str) -> IndexChoice:
    """Return the value of ``--index``, if that can be had here.

    Raises
    ------
    UsageError, MissingExtraError
    """
    if text not in CHOICES:
        raise UsageError(f"--index {text}: no such index", hint=f"one of {', '.join(CHOICES)}")
    if text == "faiss" and not _is_installed():
        raise MissingExtraError(
            "--index faiss: faiss is not installed", hint=f"{INSTALL}, or --index exact"
        )
    choice: IndexChoice = text  # type: ignore[assignment]
    return choice


def uses_index(choice: IndexChoice, n: int, say: Callable[[str], None]) -> bool:
    """Tell whether so many rows are searched by an index; where nobody chose, say how it is.

    Raises
    ------
    UsageError
        If an index was asked for, and cannot be had.
    """
    if choice == "exact" or (choice == "auto" and n < INDEX_FROM):
        return False
    if choice == "faiss":
        if _would_clash():
            raise UsageError(
                "--index faiss: on macOS it cannot run beside torch, which this model needs",
                hint="--index exact, or the bundled model",
            )
        return True
    if not _is_installed() or _would_clash():
        more = "" if _is_installed() else f"; {INSTALL} makes that faster"
        say(f"near copies among {n:,} pictures: each is compared with each{more}")
        return False
    say(f"near copies among {n:,} pictures: found by an index; --index exact misses none")
    return True


def _is_installed() -> bool:
    return find_spec("faiss") is not None


def _would_clash() -> bool:
    """Tell whether torch has brought its OpenMP, beside which macOS ends a process with another."""
    return sys.platform == "darwin" and "torch" in sys.modules
