"""Boxes written down as they come: lines, JSON, a table, pictures, a page."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from clipcli.errors import ImageError
from clipcli.images.upright import open_upright
from clipcli.output.drawing.boxes import annotated
from clipcli.output.drawing.heat import column_of
from clipcli.output.drawing.limits import check_room
from clipcli.output.records import open_records
from clipcli.output.text import visible
from clipcli.pipeline.locating.run import Located, record
from clipcli.results import Skipped
from clipcli.workflows.locate.datasets import CocoWriter, pixels_of
from clipcli.workflows.locate.kinds import KINDS, SENTENCES, counted

if TYPE_CHECKING:
    from PIL.Image import Image

    from clipcli.output.formats import Sink
    from clipcli.output.html.gallery import Card, Gallery
    from clipcli.output.streams import Opening, Stream

FORMATS = ("table", "tsv", "json", "jsonl", "png", "html")
DRAWN_PX = 1600  # the longer side of an annotated picture
PAGE_PX = 480

Entry: TypeAlias = "Located | Skipped"


def open_writer(
    target: Opening, *, labels: Sequence[str], heading: str = ""
) -> Stream[Entry, dict[str, Any]]:
    """Begin an output in one of :data:`FORMATS`, or COCO's results; ``labels`` decide colours."""
    sink = target.sink
    match target.name:
        case "table":
            return TableWriter()
        case "coco":
            return CocoWriter(sink, labels)
        case "png":
            return DrawingWriter(sink, labels)
        case "html":
            return PageWriter(sink, labels, target.folder, heading)
        case _:
            return open_records(target, record, _rows)


def _rows(entry: Entry) -> Iterator[tuple[str, ...]]:
    if isinstance(entry, Skipped):
        return
    kind = (entry.method,) if entry.method in KINDS else ()
    for box in entry.boxes:
        corners = (f"{v:.1f}" for v in box.corners)
        yield (entry.path, box.label, f"{box.score:.4f}", *corners, *kind)


class TableWriter:
    """Boxes below their picture's name, for people."""

    def __init__(self) -> None:
        from clipcli.output.table import terminal

        self._console = terminal(sys.stdout)

    def write(self, entry: Entry) -> None:
        """Print a picture's boxes."""
        from rich.text import Text

        text = Text(visible(entry.path), style="bold")
        if isinstance(entry, Skipped):
            text.append(f"  skipped: {visible(entry.reason)}", style="yellow")
        else:
            kind = f"{KINDS[entry.method]}, " if entry.method in KINDS else ""
            text.append(f"  {kind}{entry.width} x {entry.height}", style="not bold dim")
            for box in entry.boxes:
                corners = "  ".join(f"{v:6.0f}" for v in box.corners)
                text.append(f"\n  {box.score:.2f}", style="not bold green")
                text.append(f"  {corners}  ", style="not bold dim")
                text.append(visible(box.label), style="not bold")
            if not entry.boxes:
                text.append("\n  nothing", style="not bold yellow")
        self._console.print(text)

    def finish(self, provenance: dict[str, Any], error: str | None) -> None:
        """Do nothing: all is printed."""


@dataclass
class DrawingWriter:
    """Annotated pictures below one another in a PNG."""

    sink: Sink
    labels: Sequence[str]
    pictures: list[Image] = field(default_factory=list)

    def write(self, entry: Entry) -> None:
        """Draw a picture's boxes."""
        if isinstance(entry, Skipped):
            return
        check_room(self.pictures)
        name = visible(os.path.basename(entry.path))  # noqa: PTH119 - as text
        note = " · ".join(filter(None, (name, KINDS.get(entry.method, ""))))
        with contextlib.suppress(ImageError):  # it was there a moment ago
            self.pictures.append(drawn(entry, self.labels, DRAWN_PX, note))

    def finish(self, provenance: dict[str, Any], error: str | None) -> None:
        """Write the PNG."""
        if self.pictures:
            buffer = io.BytesIO()
            column_of(self.pictures).save(buffer, "PNG")
            self.sink.write(buffer.getvalue())


class PageWriter:
    """A gallery of annotated pictures that can be filtered by label."""

    def __init__(
        self, sink: Sink, labels: Sequence[str], folder: Path | None, heading: str = ""
    ) -> None:
        self._sink, self._labels, self._folder = sink, labels, folder
        self._heading = heading
        self._gallery: Gallery | None = None

    def write(self, entry: Entry) -> None:
        """Add a picture; the page begins with the first."""
        from clipcli.output.html.gallery import Choice, Gallery, GallerySettings

        if self._gallery is None:
            settings = GallerySettings(
                filters=(Choice("label", "Label"),),
                orders=(Choice("order", "as given"), Choice("boxes", "most boxes first", True)),
            )
            source, _, rest = self._heading.partition(" · ")
            title = f"Located in {source}" if source else "Located"
            kind = SENTENCES.get(entry.method, "") if isinstance(entry, Located) else ""
            lead = " · ".join(filter(None, (rest, kind)))
            self._gallery = Gallery(self._sink, settings, self._folder, title=title, lead=lead)
        self._gallery.add(self._card(entry))

    def finish(self, provenance: dict[str, Any], error: str | None) -> None:
        """Complete the page."""
        if self._gallery is not None:
            facts = [(key, visible(str(value))) for key, value in provenance.items()]
            self._gallery.finish(provenance=facts, error=error or "")

    def _card(self, entry: Located | Skipped) -> Card:
        from clipcli.output.html.gallery import Card

        if isinstance(entry, Skipped):
            return Card(entry.path, title="skipped", note=entry.reason, is_readable=False)
        names = tuple(dict.fromkeys(box.label for box in entry.boxes))
        data = _thumbnail(entry, self._labels)
        facts = tuple(
            (box.label, f"{box.score:.2f} at " + ", ".join(f"{v:.0f}" for v in box.corners))
            for box in entry.boxes
        )
        return Card(
            entry.path,
            title=", ".join(names) or "nothing",
            note=counted(entry),
            thumbnail=data,
            is_readable=data is not None,
            facets={"label": names or ("nothing",)},
            numbers={"boxes": float(len(entry.boxes))},
            facts=facts,
        )


def _thumbnail(entry: Located, labels: Sequence[str]) -> str | None:
    """Return a picture with its boxes as a data URL; None: it was there a moment ago."""
    buffer = io.BytesIO()
    try:
        drawn(entry, labels, PAGE_PX).save(buffer, "JPEG", quality=75)
    except ImageError:
        return None
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def drawn(entry: Located, labels: Sequence[str], longest_px: int, note: str = "") -> Image:
    """Return a picture with its boxes; ``labels`` decide about colours, a corner has the note.

    Raises
    ------
    ImageError
    """
    picture = open_upright(entry.path, at_least_px=longest_px, max_pixels=pixels_of(entry)).image
    picture.thumbnail((longest_px, longest_px))
    across, down = picture.width / entry.width, picture.height / entry.height
    boxes = [
        (
            box.label,
            box.score,
            (
                box.corners[0] * across,
                box.corners[1] * down,
                box.corners[2] * across,
                box.corners[3] * down,
            ),
        )
        for box in entry.boxes
    ]
    return annotated(picture, boxes, labels, note)
