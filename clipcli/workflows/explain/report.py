"""Explanations written down: on a terminal, as lines, JSON, arrays, a picture or a page."""

from __future__ import annotations

import base64
import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipcli.errors import ImageError, InputError, UsageError
from clipcli.output.drawing.heat import column_of, layer
from clipcli.output.report import json_bytes, tsv_bytes
from clipcli.output.text import visible
from clipcli.pipeline.heat import stretch
from clipcli.results import Skipped
from clipcli.version import __version__
from clipcli.workflows.explain.panels import caption, drawn, word_list
from clipcli.workflows.explain.run import Explained, Heat, picture_of, record

if TYPE_CHECKING:
    from PIL.Image import Image

    from clipcli.output.formats import Sink

FORMATS = ("table", "tsv", "json", "jsonl", "npz", "png", "html")
HEIGHT_PX = 320  # of pictures in a row of a PNG
PAGE_PX = 560
MOST_ROWS = 50  # of a PNG: beyond that nobody could open it


@dataclass(frozen=True, slots=True)
class ExplainReport:
    """What was explained, and where that came from."""

    entries: tuple[Explained | Skipped, ...]
    provenance_record: dict[str, Any]
    heading: str = ""  # of the page: folder, labels, model, day

    def provenance(self) -> dict[str, Any]:
        """Return where it came from."""
        return self.provenance_record

    def write(self, name: str, sink: Sink, *, for_terminal: bool, folder: Path | None) -> None:
        """Write it in one of :data:`FORMATS` but the table."""
        del folder
        match name:
            case "json":
                results = [record(entry) for entry in self.entries]
                data = {
                    "version": __version__,
                    "results": results,
                    "provenance": self.provenance_record,
                }
                sink.write(json_bytes(data, for_terminal=for_terminal))
            case "jsonl":
                for entry in self.entries:
                    sink.write(json_bytes(record(entry), for_terminal=for_terminal, indent=None))
            case "npz":
                sink.write(self._arrays())
            case "png":
                sink.write(_png(self._sheet()))
            case "html":
                sink.write(self._page().encode("utf-8", "replace"))
            case _:
                sink.write(tsv_bytes(self._rows(), for_terminal=for_terminal))

    def print_table(self) -> None:
        """Show each picture beside its heat, and below it the words that count."""
        from clipcli.workflows.explain.screen import show

        for explained in self._explained():
            show(explained, sys.stdout)

    def _explained(self) -> Iterator[Explained]:
        return (entry for entry in self.entries if isinstance(entry, Explained))

    def _rows(self) -> Iterator[tuple[str, ...]]:
        for entry in self._explained():
            for heat in entry.heats:
                x, y = heat.peak
                figures = (f"{heat.probability:.6f}", str(x), str(y))
                yield (entry.path, heat.label, *figures, heat.reason.prompt)

    def _arrays(self) -> bytes:
        import numpy as np

        arrays: dict[str, Any] = {}
        explained = list(self._explained())
        arrays["paths"] = np.array([entry.path for entry in explained])
        for i, entry in enumerate(explained):
            arrays[f"labels_{i}"] = np.array([heat.label for heat in entry.heats])
            arrays[f"maps_{i}"] = np.stack([heat.grid for heat in entry.heats])  # (c, gh, gw)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        return buffer.getvalue()

    def _sheet(self) -> Image:
        explained = list(self._explained())
        if len(explained) > MOST_ROWS:
            raise UsageError(
                f"a PNG of {len(explained):,} pictures would be too tall",
                hint="write a page instead: -o FILE.html",
            )
        rows = list(filter(None, map(_row, explained)))
        if not rows:
            raise InputError("the pictures could be read once, but not a second time")
        return column_of(rows)

    def _page(self) -> str:
        from clipcli.output.html.page import page

        source, _, rest = self.heading.partition(" · ")
        return page(
            "explain.html",
            title=f"Where labels are seen in {source}" if source else "Where labels are seen",
            lead=rest,
            pictures=[data for entry in self._explained() if (data := _page_data(entry))],
            provenance=[(key, visible(str(value))) for key, value in self.provenance().items()],
        )


def _row(entry: Explained) -> Image | None:
    try:
        return drawn(entry, HEIGHT_PX)
    except ImageError:
        return None  # it was there a moment ago


def _page_data(entry: Explained) -> dict[str, Any] | None:
    try:
        picture = picture_of(entry, PAGE_PX)
    except ImageError:
        return None  # it was there a moment ago
    heats = [
        {
            "caption": caption(heat),
            "layer": _data_url(_png(_smooth(heat, picture)), "png"),
            "prompt": visible(heat.reason.prompt),
            "similarity": f"{heat.reason.similarity:.3f}",
            "words": word_list(heat),
        }
        for heat in entry.heats
    ]
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return {
        "name": visible(entry.path),
        "picture": _data_url(buffer.getvalue(), "jpeg"),
        "width": picture.width,
        "height": picture.height,
        "heats": heats,
    }


def _smooth(heat: Heat, picture: Image) -> Image:
    return layer(stretch(heat.grid, max(1, picture.width // 8), max(1, picture.height // 8)))


def _png(picture: Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _data_url(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
