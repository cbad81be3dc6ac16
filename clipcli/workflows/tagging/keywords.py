"""Keywords in an XMP packet: written, merged with those that are there, and taken back.

Three properties carry them: ``dc:subject``, which every program reads; ``lr:hierarchicalSubject``
(Lightroom, darktable, digiKam) and ``digiKam:TagsList``, which say what is part of what. What
clipcli has added stands a second time under a namespace of its own, so that it can be told from
what the user wrote.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from xml.sax.saxutils import escape

from clipcli.version import __version__
from clipcli.workflows.tagging.packet import (
    RDF,
    Element,
    Packet,
    UnreadablePacketError,
    attribute_place,
    read_packet,
)

DC = "http://purl.org/dc/elements/1.1/"
LIGHTROOM = "http://ns.adobe.com/lightroom/1.0/"
DIGIKAM = "http://www.digikam.org/ns/1.0/"
OURS = "https://github.com/clipcli/clipcli/ns/1.0/"
_PREFIXES = {RDF: "rdf", DC: "dc", LIGHTROOM: "lr", DIGIKAM: "digiKam", OURS: "clipcli"}
_ARRAYS = ("Bag", "Seq", "Alt")


@dataclass(frozen=True, slots=True)
class Property:
    """A list of texts in a packet: its name, and the kind of list it is by its specification."""

    namespace: str
    local: str
    array: str

    @property
    def ours(self) -> Property:
        """Where clipcli writes down what it has added to it."""
        return Property(OURS, self.local, "Bag")


SUBJECT = Property(DC, "subject", "Bag")
HIERARCHY = Property(LIGHTROOM, "hierarchicalSubject", "Bag")
TAGS = Property(DIGIKAM, "TagsList", "Seq")
PROPERTIES = (SUBJECT, HIERARCHY, TAGS)

EMPTY = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="clipcli {__version__}">
 <rdf:RDF xmlns:rdf="{RDF}">
  <rdf:Description rdf:about=""
    xmlns:dc="{DC}"
    xmlns:lr="{LIGHTROOM}"
    xmlns:digiKam="{DIGIKAM}"
    xmlns:clipcli="{OURS}">
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
""".encode()


@dataclass(frozen=True, slots=True)
class Keyword:
    """A label, and the group that it is part of."""

    label: str
    parent: str | None = None


def with_keywords(data: bytes, keywords: Iterable[Keyword]) -> bytes:
    """Return a packet that has the keywords too; the same bytes if it has them already.

    Raises
    ------
    UnreadablePacketError
        If it cannot be read, or has keywords in a form that could not be kept.
    """
    packet = read_packet(data)
    given = list(keywords)
    edit = _Edit(packet)
    added = {each: edit.add(each, _texts(each, given)) for each in PROPERTIES}
    for each, texts in added.items():
        edit.add(each.ours, texts)
    return _checked(packet, edit.done())


def without_ours(data: bytes) -> bytes:
    """Return a packet without the keywords that clipcli added; the same bytes if it has none.

    Raises
    ------
    UnreadablePacketError
        As :func:`with_keywords`.
    """
    packet = read_packet(data)
    edit = _Edit(packet)
    for each in PROPERTIES:
        edit.remove(each, edit.values(each.ours))
        edit.remove(each.ours, edit.values(each.ours))
    return _checked(packet, edit.done())


def keywords_of(data: bytes) -> dict[Property, list[str]]:
    """Return a packet's keywords by property."""
    edit = _Edit(read_packet(data))
    return {each: edit.values(each) for each in PROPERTIES}


def _texts(of: Property, keywords: Iterable[Keyword]) -> list[str]:
    """Return what a property says of keywords: a group's name stands before its label's."""
    found: list[str] = []
    for each in keywords:
        levels = [each.parent, each.label] if each.parent else [each.label]
        if of is SUBJECT:
            found += levels
        else:
            mark = "|" if of is HIERARCHY else "/"
            # The mark separates levels, so that within a name another sign has to do.
            found.append(mark.join(level.replace(mark, "_") for level in levels))
    return list(dict.fromkeys(found))


class _Edit:
    """Changes to a packet, as bytes to cut and texts to insert."""

    def __init__(self, packet: Packet) -> None:
        self._packet = packet
        self._descriptions = packet.descriptions()
        # Where new properties go: "<a/>" need not become "<a></a>" where there is another.
        several = self._descriptions
        self._home = next((each for each in several if each.children), several[0])
        self._splices: list[tuple[int, int, str]] = []
        self._new: list[str] = []  # properties that were not there
        self._line = "\r\n" if b"\r\n" in packet.content else "\n"

    def done(self) -> bytes:
        """Return the changed packet."""
        first = self._home
        if self._new:
            text = "".join(self._new)
            if first.is_empty:  # "<a/>" becomes "<a>…</a>"
                closing = f"{self._before(first)}</{first.tag}>"
                self._splices.append((first.inside - 2, first.inside, f">{text}{closing}"))
            else:
                at = first.children[-1].after if first.children else first.inside
                self._splices.append((at, at, text))
        return self._packet.spliced(self._splices)

    def values(self, of: Property) -> list[str]:
        """Return what a property holds, in whatever form."""
        found: list[str] = []
        for element in self._elements(of):
            items = _items(element)
            found += [item.text.strip() for item in items] if items is not None else []
            if items is None and element.text.strip():
                found.append(element.text.strip())
        return found + [value.strip() for _, _, value in self._attributes(of)]

    def add(self, of: Property, texts: Iterable[str]) -> list[str]:
        """Add texts that are not there yet, and return them."""
        have = {value.casefold() for value in self.values(of)}
        missing = [text for text in texts if text.casefold() not in have]
        elements = list(self._elements(of))
        if not missing:
            return []
        if elements:
            self._extend(elements[0], of, missing)
            return missing
        old = []
        for description, written, value in self._attributes(of):
            start, end = attribute_place(self._packet, description, written)
            self._splices.append((start, end, ""))
            old.append(value)
        self._new.append(self._property(of, old + missing))
        return missing

    def remove(self, of: Property, texts: Iterable[str]) -> None:
        """Take texts away, and the property with the last of them."""
        gone = {text.casefold() for text in texts}
        for element in self._elements(of):
            items = _items(element)
            if items is None:
                continue
            leaving = [item for item in items if item.text.strip().casefold() in gone]
            if leaving and len(leaving) == len(items):
                self._cut(element)
            else:
                for item in leaving:
                    self._cut(item)

    # --- places and texts

    def _elements(self, of: Property) -> Iterable[Element]:
        for description in self._descriptions:
            yield from description.named(of.namespace, of.local)

    def _attributes(self, of: Property) -> Iterable[tuple[Element, str, str]]:
        for description in self._descriptions:
            for written, name, value in description.attributes:
                if name == (of.namespace, of.local):
                    yield description, written, value

    def _extend(self, element: Element, of: Property, texts: list[str]) -> None:
        """Add texts to a property that is there."""
        items = _items(element)
        if items is None:
            self._rebuild(element, of, texts)
            return
        array = element.children[0]
        li = _tag(array, RDF, "li")
        if array.is_empty:
            inner = "".join(f"<{li}>{escape(text)}</{li}>" for text in texts)
            splice = (array.inside - 2, array.inside, f">{inner}</{array.tag}>")
        else:
            at = items[-1].after if items else array.inside
            before = self._before(items[-1]) if items else ""
            inner = "".join(f"{before}<{li}>{escape(text)}</{li}>" for text in texts)
            splice = (at, at, inner)
        self._splices.append(splice)

    def _rebuild(self, element: Element, of: Property, texts: list[str]) -> None:
        """Make a list of a property that is none: an empty one, or a single text."""
        if element.children or element.attributes:
            raise UnreadablePacketError(f"has {element.tag} in a form that is not read")
        old = [element.text.strip()] if element.text.strip() else []
        inner = self._array(element, of, old + texts, self._before(element))
        if element.is_empty:
            start, end, tail = element.inside - 2, element.inside, f"</{element.tag}>"
            self._splices.append((start, end, f">{inner}{tail}"))
        else:
            self._splices.append((element.inside, element.end, inner))

    def _property(self, of: Property, texts: list[str]) -> str:
        """Return a new property as text, as deep as its neighbours."""
        first = self._home
        before = self._before(first.children[-1]) if first.children else self._deeper(first)
        prefix, local = _PREFIXES[of.namespace], of.local
        known = [p for p, namespace in first.prefixes.items() if p and namespace == of.namespace]
        tag = f"{known[0] if known else prefix}:{local}"
        declaration = "" if known else f' xmlns:{prefix}="{of.namespace}"'
        inner = self._array(first, of, texts, before)
        return f"{before}<{tag}{declaration}>{inner}</{tag}>"

    def _array(self, scope: Element, of: Property, texts: list[str], before: str) -> str:
        array, li = _tag(scope, RDF, of.array), _tag(scope, RDF, "li")
        one, two = (before + " ", before + "  ") if before else ("", "")
        items = "".join(f"{two}<{li}>{escape(text)}</{li}>" for text in texts)
        return f"{one}<{array}>{items}{one}</{array}>{before}"

    def _before(self, element: Element) -> str:
        """Return the line break and the blanks before an element; "" in the middle of a line."""
        head = self._packet.content[: element.start]
        blanks = head[len(head.rstrip(b" \t")) :]
        rest = head[: len(head) - len(blanks)]
        return self._line + blanks.decode() if rest.endswith(b"\n") else ""

    def _deeper(self, element: Element) -> str:
        before = self._before(element)
        return before + " " if before else ""

    def _cut(self, element: Element) -> None:
        head = self._packet.content[: element.start]
        self._splices.append((len(head.rstrip()), element.after, ""))


def _items(element: Element) -> list[Element] | None:
    """Return the items of a list; None for what is no list."""
    if len(element.children) != 1 or element.children[0].name[0] != RDF:
        return None
    array = element.children[0]
    if array.name[1] not in _ARRAYS or any(item.name != (RDF, "li") for item in array.children):
        return None
    return array.children


def _tag(scope: Element, namespace: str, local: str) -> str:
    """Return a name as it is written within an element."""
    prefix = next(p for p, known in scope.prefixes.items() if known == namespace)
    return f"{prefix}:{local}" if prefix else local


def _checked(before: Packet, changed: bytes) -> bytes:
    """Return a changed packet after a look at it: all else is what it was."""
    after = read_packet(changed)
    if _foreign(before.root) != _foreign(after.root):
        raise UnreadablePacketError("could not be changed without changing more than keywords")
    return changed


_KEPT_APART = frozenset(
    (each.namespace, each.local) for one in PROPERTIES for each in (one, one.ours)
)


def _foreign(element: Element) -> tuple[object, ...]:
    """Return what an element says, without keywords and without blanks between elements."""
    attributes = sorted(
        (name, value) for _, name, value in element.attributes if name not in _KEPT_APART
    )
    children = [_foreign(child) for child in element.children if child.name not in _KEPT_APART]
    return (element.name, attributes, element.text.strip(), children)
