"""Explanations written down as they come: on a terminal, as lines, JSON, arrays, rows of a PNG."""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from clipcli.errors import ImageError
from clipcli.output.drawing.heat import column_of
from clipcli.output.drawing.limits import check_room
from clipcli.output.records import open_records, show_skipped
from clipcli.results import Skipped, path_text
from clipcli.workflows.explain.panels import drawn
from clipcli.workflows.explain.run import Explained, record

if TYPE_CHECKING:
    from PIL.Image import Image

    from clipcli.output.formats import Sink
    from clipcli.output.streams import Opening, Stream

FORMATS = ("table", "tsv", "json", "jsonl", "npz", "png", "html")
HEIGHT_PX = 320  # of pictures in a row of a PNG

Entry: TypeAlias = "Explained | Skipped"


def open_writer(target: Opening, *, heading: str = "") -> Stream[Entry, dict[str, Any]]:
    """Begin an output in one of :data:`FORMATS`; a page's ``heading`` says what it shows."""
    sink = target.sink
    match target.name:
        case "table":
            return _Screen()
        case "npz":
            return _Arrays(sink)
        case "png":
            return _Sheet(sink)
        case "html":
            from clipcli.workflows.explain.page import ExplainPage

            return ExplainPage(sink, heading)
        case _:
            return open_records(target, record, _rows)


class _Screen:
    """Each picture beside its heat, and below it the words that count."""

    def write(self, entry: Entry) -> None:
        from clipcli.workflows.explain.screen import show

        if isinstance(entry, Skipped):
            show_skipped(entry, sys.stdout)
        else:
            show(entry, sys.stdout)

    def finish(self, provenance: dict[str, Any], error: str | None) -> None:
        """Do nothing: all is printed."""


def _rows(entry: Entry) -> Iterator[tuple[str, ...]]:
    if isinstance(entry, Skipped):
        return
    for heat in entry.heats:
        x, y = heat.peak
        figures = (f"{heat.probability:.6f}", str(x), str(y))
        yield (entry.path, heat.label, *figures, heat.reason.prompt)


class _Arrays:
    """An ``.npz`` that grows by two arrays a picture; the paths come last."""

    def __init__(self, sink: Sink) -> None:
        self._archive = zipfile.ZipFile(_Appended(sink), "w", zipfile.ZIP_DEFLATED)
        self._paths: list[str] = []

    def write(self, entry: Entry) -> None:
        import numpy as np

        if isinstance(entry, Skipped):
            return
        i = len(self._paths)
        self._paths.append(path_text(entry.path))
        self._add(f"labels_{i}", np.array([heat.label for heat in entry.heats]))
        self._add(f"maps_{i}", np.stack([heat.grid for heat in entry.heats]))  # (c, gh, gw)

    def finish(self, provenance: dict[str, Any], error: str | None) -> None:
        import numpy as np

        self._add("paths", np.array(self._paths, dtype=np.str_))
        self._archive.close()

    def _add(self, name: str, array: Any) -> None:
        import numpy as np

        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, array, allow_pickle=False)
        self._archive.writestr(f"{name}.npy", buffer.getvalue())


class _Appended(io.RawIOBase):
    """A sink as a file that knows no way back, which is how a ZIP can be written as well."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self._sink.write(bytes(content))
        return len(content)


class _Sheet:
    """A PNG: the picture and its maps side by side, a row a picture."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._rows: list[Image] = []

    def write(self, entry: Entry) -> None:
        if isinstance(entry, Skipped):
            return
        check_room(self._rows)
        try:
            self._rows.append(drawn(entry, HEIGHT_PX))
        except ImageError:
            return  # it was there a moment ago

    def finish(self, provenance: dict[str, Any], error: str | None) -> None:
        if self._rows:
            buffer = io.BytesIO()
            column_of(self._rows).save(buffer, "PNG")
            self._sink.write(buffer.getvalue())
