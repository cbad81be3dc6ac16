"""Judging a locator on pictures whose boxes are known."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from clipcli.errors import InputError
from clipcli.pipeline.locating.run import Located, Method
from clipcli.results import Skipped
from clipcli.workflows.locate.annotations import Annotations, guesses_of, pointing
from clipcli.workflows.locate.precision import Precision, average_precision

MISSING_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Judged:
    """How well boxes met the annotated ones."""

    precision: Precision
    n_hits: int  # of the pointing game
    n_pairs: int
    n_pictures: int
    categories: dict[int, str]
    method: Method


def paths_of(known: Annotations, folder: Path) -> dict[str, int | str]:
    """Return where the annotated pictures lie, and which each of them is.

    Raises
    ------
    InputError
        If one is not there: figures of a part would be taken for those of all.
    """
    paths = {str(folder / name): identity for identity, name in known.pictures.items()}
    missing = [path for path in paths if not Path(path).is_file()]
    if missing:
        some = ", ".join(missing[:MISSING_SHOWN])
        raise InputError(
            f"{len(missing):,} of {len(paths):,} annotated pictures are missing: {some}",
            hint="name the folder that the annotations' file names are in",
        )
    return paths


def judge(
    known: Annotations,
    entries: Iterable[Located | Skipped],
    paths: dict[str, int | str],
    advance: Callable[[], None],
) -> Judged:
    """Compare what was located with what is annotated; skipped pictures count as empty."""
    located: dict[int | str, Located] = {}
    for entry in entries:
        if isinstance(entry, Located):
            located[paths[entry.path]] = entry
        advance()
    guesses = guesses_of(located, known.categories)
    precision = average_precision(
        known.truths, guesses, list(known.pictures), list(known.categories)
    )
    n_hits, n_pairs = pointing(known.truths, guesses)
    methods: set[Method] = {entry.method for entry in located.values()}  # one, if any
    return Judged(
        precision,
        n_hits,
        n_pairs,
        len(known.pictures),
        dict(known.categories),
        next(iter(methods), "model"),
    )
