"""Figures about boxes: as a table, lines or JSON."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipcli.output.report import csv_bytes, json_bytes, tsv_bytes
from clipcli.output.text import visible
from clipcli.version import __version__
from clipcli.workflows.locate.judging import Judged

if TYPE_CHECKING:
    from clipcli.output.formats import Sink

FORMATS = ("table", "tsv", "csv", "json")


@dataclass(frozen=True, slots=True)
class BoxesReport:
    """How well boxes met annotated ones, and where they came from."""

    judged: Judged
    provenance_record: dict[str, Any]

    def provenance(self) -> dict[str, Any]:
        """Return where it came from."""
        return self.provenance_record

    def write(self, name: str, sink: Sink, *, for_terminal: bool, folder: Path | None) -> None:
        """Write it in one of :data:`FORMATS` but the table."""
        del folder
        if name == "json":
            sink.write(json_bytes(self._data(), for_terminal=for_terminal))
        elif name == "csv":
            rows = (("category", "ap"), *self._categories())
            sink.write(csv_bytes(rows, for_terminal=for_terminal))
        else:
            rows_ = ((key, _digits(figure)) for key, figure in self._figures().items())
            sink.write(tsv_bytes(rows_, for_terminal=for_terminal))

    def print_table(self) -> None:
        """Print the main figures."""
        from rich.text import Text

        from clipcli.output.table import terminal

        kind = {"coarse": "coarse boxes of", "small": "boxes of the small locator of"}.get(
            self.judged.method, "boxes of"
        )
        lines = [Text(f"{kind} {visible(str(self.provenance_record['model']))}", style="bold")]
        for key, figure in self._figures().items():
            lines.append(Text(f"  {key:<10}").append(f"{_digits(figure):>8}", style="green"))
        terminal(sys.stdout).print(Text("\n").join(lines))

    def _figures(self) -> dict[str, float]:
        precision = self.judged.precision
        figures = {"ap": precision.ap, "ap50": precision.ap50, "ap75": precision.ap75}
        figures |= {f"ap_{size}": figure for size, figure in precision.by_size.items()}
        n_pairs = self.judged.n_pairs
        share = self.judged.n_hits / n_pairs if n_pairs else float("nan")
        return figures | {"recall": precision.recall, "pointing": share}

    def _categories(self) -> Iterator[tuple[str, str]]:
        for identity, name in self.judged.categories.items():
            figure = self.judged.precision.by_category.get(identity, float("nan"))
            yield name, _digits(figure)

    def _data(self) -> dict[str, Any]:
        judged = self.judged
        return {
            "version": __version__,
            "method": judged.method,
            "pictures": judged.n_pictures,
            **{key: _or_none(figure) for key, figure in self._figures().items()},
            "pointing_hits": judged.n_hits,
            "pointing_pairs": judged.n_pairs,
            "categories": [
                {"category": name, "ap": _or_none(judged.precision.by_category.get(i))}
                for i, name in judged.categories.items()
            ],
            "provenance": self.provenance_record,
        }


def _or_none(figure: float | None) -> float | None:
    return None if figure is None or math.isnan(figure) else figure


def _digits(figure: float) -> str:
    return "" if math.isnan(figure) else f"{figure:.4f}"
