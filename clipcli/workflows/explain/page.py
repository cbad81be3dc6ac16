"""A page of explanations, written while they come: a slider goes through a picture's labels."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

from clipcli.errors import ImageError
from clipcli.output.drawing.heat import layer
from clipcli.output.html.gallery import MARK
from clipcli.output.html.page import page
from clipcli.output.text import visible
from clipcli.pipeline.heat import stretch
from clipcli.results import Skipped
from clipcli.workflows.explain.panels import caption, word_list
from clipcli.workflows.explain.run import Explained, Heat, picture_of

if TYPE_CHECKING:
    from PIL.Image import Image

    from clipcli.output.formats import Sink

PAGE_PX = 560


class ExplainPage:
    """The upper part of a page, a figure a picture, and the lower part."""

    def __init__(self, sink: Sink, heading: str) -> None:
        self._sink = sink
        source, _, rest = heading.partition(" · ")
        title = f"Where labels are seen in {source}" if source else "Where labels are seen"
        self._context: dict[str, Any] = {"title": title, "lead": rest}
        self._context |= {"is_empty": False, "provenance": ()}
        self._n_pictures = 0
        self._send(page("explain.html", **self._context).partition(MARK)[0])

    def write(self, entry: Explained | Skipped) -> None:
        """Add a picture."""
        if isinstance(entry, Skipped):
            return
        try:
            picture = picture_of(entry, PAGE_PX)
        except ImageError:
            return  # it was there a moment ago
        self._n_pictures += 1
        self._send(page("explained.html", picture=_figure(entry, picture)))

    def finish(self, provenance: dict[str, Any], error: str | None) -> None:
        """Complete the page."""
        facts = [(key, visible(str(value))) for key, value in provenance.items()]
        self._context |= {"is_empty": not self._n_pictures, "provenance": facts, "error": error}
        self._send(page("explain.html", **self._context).partition(MARK)[2])

    def _send(self, text: str) -> None:
        self._sink.write(text.encode("utf-8", "replace"))


def _figure(entry: Explained, picture: Image) -> dict[str, Any]:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return {
        "name": visible(entry.path),
        "picture": _data_url(buffer, "jpeg"),
        "width": picture.width,
        "height": picture.height,
        "heats": [
            {
                "caption": caption(heat),
                "layer": _layer(heat, picture),
                "similarity": f"{heat.reason.similarity:.3f}",
                "words": word_list(heat),
            }
            for heat in entry.heats
        ],
    }


def _layer(heat: Heat, picture: Image) -> str:
    size = (max(1, picture.width // 8), max(1, picture.height // 8))
    buffer = io.BytesIO()
    layer(stretch(heat.grid, *size)).save(buffer, "PNG")
    return _data_url(buffer, "png")


def _data_url(buffer: io.BytesIO, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
