"""What came of a run in a few lines for people: labels with counts and bars."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clipcli.errors import several
from clipcli.output.table import VERDICTS, bar
from clipcli.output.text import visible
from clipcli.results import Result, Skipped

LABELS_SHOWN = 12
LABELS_NAMED = 3  # in the line about a file
LABEL_CELLS = 28
BAR_CELLS = 24


@dataclass
class Summary:
    """How often each label was given; memory grows with the labels, not with the pictures."""

    labels: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)  # "unsure", "none of these"
    n_skipped: int = 0

    def count(self, results: Iterable[Result]) -> Iterator[Result]:
        """Pass results on and count them."""
        for result in results:
            if isinstance(result, Skipped):
                self.n_skipped += 1
            elif result.label is None:
                self.verdicts[VERDICTS[result.decision]] += 1
            else:
                self.labels[result.label] += 1
            yield result

    @property
    def n_pictures(self) -> int:
        """Those that could be read."""
        return self.labels.total() + self.verdicts.total()

    def in_words(self) -> str:
        """Return it in a line: "265 pictures, 46 cat, 30 dog, 12 unsure, 4 skipped"."""
        common = self.labels.most_common(LABELS_NAMED)
        parts = [several(self.n_pictures, "picture")]
        parts += [f"{n:,} {visible(label)}" for label, n in common]
        n_others = len(self.labels) - len(common)
        parts += [several(n_others, "more label")] if n_others else []
        parts += [f"{n:,} {verdict}" for verdict, n in self.verdicts.items()]
        parts += [f"{self.n_skipped:,} skipped"] if self.n_skipped else []
        return ", ".join(parts)

    def lines(self, encoding: str) -> Iterator[str]:
        """Yield the labels with counts and bars, the most frequent first."""
        rows = [*self.labels.most_common(LABELS_SHOWN), *self.verdicts.items()]
        if not rows:
            return
        yield f"{several(self.n_pictures, 'picture')}, {several(len(self.labels), 'label')}"
        names = [_fitted(name) for name, _ in rows]
        width, most = max(map(len, names)), max(n for _, n in rows)
        for name, (_, n) in zip(names, rows, strict=True):
            yield f"  {name:<{width}}  {n:>7,}  {bar(n / most, BAR_CELLS, encoding)}".rstrip()
        if len(self.labels) > LABELS_SHOWN:
            n = sum(n for _, n in self.labels.most_common()[LABELS_SHOWN:])
            yield f"  and {several(len(self.labels) - LABELS_SHOWN, 'more label')}, {n:,} pictures"


def _fitted(name: str) -> str:
    """Shorten a name in the middle: labels often differ at their ends."""
    name = visible(name)
    if len(name) <= LABEL_CELLS:
        return name
    head = LABEL_CELLS // 2
    return f"{name[:head]}…{name[head + 1 - LABEL_CELLS :]}"


def written(files: Sequence[tuple[Path, str]], what: str = "") -> Iterator[str]:
    """Yield a line for each file that was written."""
    for path, _ in files:
        yield f"wrote {visible(str(path))}{f': {what}' if what else ''}"


def stderr_encoding() -> str:
    """Return the encoding that bars on standard error are drawn in."""
    return sys.stderr.encoding or "ascii"
