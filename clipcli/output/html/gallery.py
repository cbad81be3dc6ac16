"""Galleries: pages of many pictures that can be searched, filtered, sorted.

A gallery is written while its pictures come: the upper part of the page, then cards in blocks of
JSON, then the lower part. Thumbnails are made on the side; memory does not grow with the pictures.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipcli.output.html.page import link, page
from clipcli.output.html.reviewing import PageContents, PictureFacts, Review
from clipcli.output.html.thumbnails import WAITING, Thumbnails
from clipcli.output.text import visible
from clipcli.results import path_fields

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipcli.output.formats import Sink

CARDS_AT_ONCE = 100  # in a block of JSON
THUMBNAILS = 20_000  # about 80 MB; further pictures are listed without one
MARK = "<!-- pictures -->"  # no text of users can hold it: "<" is always escaped


@dataclass(frozen=True, slots=True)
class Card:
    """One picture in a gallery; all text is made safe and visible when it is written."""

    path: str
    title: str  # what is said of it: a label, a rank
    share: float | None = None  # 0..1, drawn as a bar below the title
    note: str = ""  # a second line
    tone: str = ""  # "good", "warn" or "bad" colours the title
    is_readable: bool = True  # else there is no thumbnail
    thumbnail: str | None = None  # a data URL that is there already
    facets: dict[str, tuple[str, ...]] = field(default_factory=dict)  # filter -> its values
    numbers: dict[str, float] = field(default_factory=dict)  # sort key -> value
    bars: tuple[tuple[str, float], ...] = ()  # name and share, shown when the card is opened
    facts: tuple[tuple[str, str], ...] = ()  # name and value, shown then too
    group: str = ""  # cards of one group are shown together when one is opened
    heats: tuple[tuple[str, str], ...] = ()  # caption, and the picture with heat, a data URL
    label: str | None = None  # that a review begins from
    suggested: str = ""  # a label that a review may take at once
    vector: NDArray[np.floating[Any]] | None = field(default=None, compare=False)  # (d,)


@dataclass(frozen=True, slots=True)
class Choice:
    """A filter or an order that the reader can choose."""

    key: str
    name: str
    descending: bool = False  # of an order: high numbers first


@dataclass(frozen=True, slots=True)
class GallerySettings:
    """What a gallery's toolbar offers, beside the search box and the order of the file names."""

    filters: tuple[Choice, ...] = ()
    orders: tuple[Choice, ...] = ()  # the first is the order that cards come in
    noun: str = "pictures"
    framed: str = ""  # the order in which cards of one group stand together, beside "group"

    def data(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "filters": [{"key": one.key, "name": one.name} for one in self.filters],
            "orders": [
                {"key": one.key, "name": one.name, "descending": one.descending}
                for one in self.orders
            ],
            "noun": self.noun,
            "framed": self.framed,
        }


class Gallery:
    """A gallery while it is being written into a sink; ``folder`` is where the page will lie."""

    def __init__(
        self,
        sink: Sink,
        settings: GallerySettings,
        folder: Path | None,
        *,
        review: Review | None = None,  # None: nothing can be said of the pictures
        template: str = "gallery.html",
        **context: Any,
    ) -> None:
        self._sink, self._folder, self._template = sink, folder, template
        first = review.first_order if review else 0
        shown = settings.data() | {"first_order": first}
        self._context = {"settings": shown, "lead": "", "provenance": ()} | context
        self._context |= {"has_review": review is not None, "review": None}
        self._review, self._contents = review, PageContents()
        self._thumbnails = Thumbnails()
        self._n_cards = self._n_thumbnails = 0
        self._waiting: deque[tuple[Card, Future[str], Future[PictureFacts | None]]] = deque()
        self._block: list[dict[str, Any]] = []
        self._send(self._page().partition(MARK)[0])

    def add(self, card: Card) -> None:
        """Add a picture."""
        self._n_cards += 1
        is_reviewed = self._review is not None and self._n_cards <= THUMBNAILS
        facts = self._thumbnails.facts(card.path if is_reviewed else None)
        self._waiting.append((card, self._thumbnails.of(self._wanted(card)), facts))
        if len(self._waiting) >= WAITING:
            self._take()

    def finish(self, **context: Any) -> None:
        """Complete the page; ``context`` is what was not known at its beginning."""
        while self._waiting:
            self._take()
        self._send_block()
        self._context |= context | {"review": self._contents.data(self._review)}
        self._send(self._page().partition(MARK)[2])
        self.close()

    def close(self) -> None:
        """Let go of what is under way."""
        self._thumbnails.close()

    def _wanted(self, card: Card) -> str | None:
        if card.thumbnail is not None or not card.is_readable:
            return None
        self._n_thumbnails += 1
        return card.path if self._n_thumbnails <= THUMBNAILS else None

    def _take(self) -> None:
        card, thumbnail, facts = self._waiting.popleft()
        data = _card_data(card, card.thumbnail or thumbnail.result(), self._folder)
        if found := facts.result():
            data |= _file_data(card, found)
        self._contents.add(data, card.vector if self._review else None)
        self._block.append(data)
        if len(self._block) >= CARDS_AT_ONCE:
            self._send_block()

    def _send_block(self) -> None:
        if self._block:
            self._send(page("cards.html", cards=self._block))
            self._block = []

    def _page(self) -> str:
        return page(self._template, **self._context)

    def _send(self, text: str) -> None:
        self._sink.write(text.encode("utf-8", "replace"))


def _card_data(card: Card, thumbnail: str, folder: Path | None) -> dict[str, Any]:
    """Return a card as the script reads it; what says nothing is left out."""
    data: dict[str, Any] = {
        "name": visible(card.path),
        "href": link(card.path, folder),
        "thumbnail": thumbnail,
        "title": visible(card.title),
        "share": card.share,
        "note": visible(card.note),
        "tone": card.tone,
        "facets": {key: list(map(visible, values)) for key, values in card.facets.items()},
        "numbers": card.numbers,
        "bars": [[visible(name), share] for name, share in card.bars],
        "facts": [[visible(name), visible(value)] for name, value in card.facts],
        "group": card.group,
        "heats": [[visible(caption), url] for caption, url in card.heats],
    }
    return {key: value for key, value in data.items() if value not in ("", None, [], {})}


def _file_data(card: Card, facts: PictureFacts) -> dict[str, Any]:
    """Return what a review needs to know of a card's file; labels and path as they are."""
    path = path_fields(card.path)["path"]
    data = {
        "sha256": facts.sha256,
        "bytes": facts.n_bytes,
        "taken": facts.taken,
        "path": path if path != visible(card.path) else "",
        "label": card.label,
        "suggested": card.suggested if card.suggested != card.label else "",
    }
    return {key: value for key, value in data.items() if value not in ("", None)}
