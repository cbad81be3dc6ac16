"""Boxes written down as they come: lines, JSON, a table, pictures, a page."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from clipcli.errors import ImageError, UsageError
from clipcli.images.upright import open_upright
from clipcli.output.drawing.boxes import annotated
from clipcli.output.drawing.heat import column_of
from clipcli.output.files import NewFile
from clipcli.output.report import json_bytes, tsv_bytes
from clipcli.output.request import BESIDE, OutputRequest, StandardOutput, write_meta
from clipcli.output.text import visible
from clipcli.pipeline.locating.run import Located, record
from clipcli.results import Skipped
from clipcli.version import __version__
from clipcli.workflows.locate.datasets import pixels_of
from clipcli.workflows.locate.kinds import KINDS, SENTENCES, counted

if TYPE_CHECKING:
    from PIL.Image import Image

    from clipcli.output.formats import Sink
    from clipcli.output.html.gallery import Card, Gallery

FORMATS = ("table", "tsv", "json", "jsonl", "png", "html")
DRAWN_PX = 1600  # the longer side of an annotated picture
PAGE_PX = 480
MOST_DRAWN = 50  # pictures of a PNG


class Writer(Protocol):
    """One output while it is being written."""

    def add(self, entry: Located | Skipped) -> None: ...

    def finish(self, provenance: dict[str, Any]) -> None: ...


@dataclass
class LineWriter:
    """TSV, a line a box, or JSON, a line a picture."""

    sink: Sink
    is_json: bool
    for_terminal: bool = False

    def add(self, entry: Located | Skipped) -> None:
        """Write what there is to say of a picture, at once."""
        if self.is_json:
            self.sink.write(json_bytes(record(entry), for_terminal=self.for_terminal, indent=None))
        elif isinstance(entry, Located):
            rows = (
                (entry.path, box.label, f"{box.score:.4f}", *(f"{v:.1f}" for v in box.corners))
                + ((entry.method,) if entry.method in KINDS else ())
                for box in entry.boxes
            )
            self.sink.write(tsv_bytes(rows, for_terminal=self.for_terminal))

    def finish(self, provenance: dict[str, Any]) -> None:
        """Do nothing: every line is complete."""


@dataclass
class JsonWriter:
    """``{"version", "results", "provenance"}``, results in input order."""

    sink: Sink
    n: int = 0

    def add(self, entry: Located | Skipped) -> None:
        """Add a record."""
        start = f'{{"version": {json.dumps(__version__)},\n"results": [' if self.n == 0 else ","
        self.n += 1
        self._send(f"{start}\n{json.dumps(record(entry), ensure_ascii=False)}")

    def finish(self, provenance: dict[str, Any]) -> None:
        """Close the object."""
        self._send(f'],\n"provenance": {json.dumps(provenance, ensure_ascii=False)}}}\n')

    def _send(self, text: str) -> None:
        self.sink.write(text.encode("utf-8", "replace"))


class TableWriter:
    """Boxes below their picture's name, for people."""

    def __init__(self) -> None:
        from clipcli.output.table import terminal

        self._console = terminal(sys.stdout)

    def add(self, entry: Located | Skipped) -> None:
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

    def finish(self, provenance: dict[str, Any]) -> None:
        """Do nothing: all is printed."""


@dataclass
class DrawingWriter:
    """Annotated pictures below one another in a PNG."""

    sink: Sink
    labels: Sequence[str]
    pictures: list[Image] = field(default_factory=list)

    def add(self, entry: Located | Skipped) -> None:
        """Draw a picture's boxes."""
        if isinstance(entry, Skipped):
            return
        if len(self.pictures) >= MOST_DRAWN:
            raise UsageError(
                f"a PNG of more than {MOST_DRAWN} pictures would be too tall",
                hint="write a page instead: -o FILE.html",
            )
        kind = KINDS.get(entry.method, "")
        with contextlib.suppress(ImageError):  # it was there a moment ago
            self.pictures.append(drawn(entry, self.labels, DRAWN_PX, kind))

    def finish(self, provenance: dict[str, Any]) -> None:
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

    def add(self, entry: Located | Skipped) -> None:
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

    def finish(self, provenance: dict[str, Any]) -> None:
        """Complete the page."""
        if self._gallery is not None:
            facts = [(key, visible(str(value))) for key, value in provenance.items()]
            self._gallery.finish(provenance=facts)
            self._gallery.close()

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


class BoxOutputs:
    """All outputs of a run: standard output, and files that appear whole at the end."""

    def __init__(self, request: OutputRequest, labels: Sequence[str]) -> None:
        self._request = request
        self._files: list[tuple[NewFile, str]] = []
        self._writers: list[Writer] = []
        for path, name in request.files:
            file = NewFile(path, overwrite=request.overwrite)
            self._files.append((file, name))
            self._writers.append(_writer(name, file, labels, request.heading, path.parent))
        if request.format is not None:
            is_terminal = sys.stdout.isatty()
            sink = StandardOutput()
            self._writers.append(
                _writer(request.format, sink, labels, request.heading, None, is_terminal)
            )

    @property
    def has_table(self) -> bool:
        """Whether skipped inputs are shown among the results."""
        return self._request.format == "table"

    def add(self, entry: Located | Skipped) -> None:
        """Send a picture's boxes to all of them."""
        for writer in self._writers:
            writer.add(entry)

    def finish(self, provenance: dict[str, Any]) -> None:
        """Complete all of them."""
        for writer in self._writers:
            writer.finish(provenance)
        # Standard output's writer has no file, and is the last.
        for (file, name), writer in zip(self._files, self._writers, strict=False):
            if isinstance(writer, DrawingWriter) and not writer.pictures:
                file.discard()  # a PNG of nothing is none
                continue
            file.commit()
            if name in BESIDE:
                write_meta(file.path, provenance, overwrite=self._request.overwrite)

    def discard(self) -> None:
        """Leave no file behind."""
        for file, _ in self._files:
            file.discard()


def _writer(
    name: str,
    sink: Sink,
    labels: Sequence[str],
    heading: str,
    folder: Path | None,
    for_terminal: bool = False,
) -> Writer:
    match name:
        case "table":
            return TableWriter()
        case "json":
            return JsonWriter(sink)
        case "png":
            return DrawingWriter(sink, labels)
        case "html":
            return PageWriter(sink, labels, folder, heading)
        case _:
            return LineWriter(sink, name == "jsonl", for_terminal)
