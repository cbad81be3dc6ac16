"""XMP packets: their elements, and at which bytes each stands.

A packet is changed by cutting and inserting at those bytes, so that whatever is not a keyword stays
as other programs wrote it: fields, prefixes, order, comments, quotes and line ends.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from clipcli.errors import ClipcliError, ExitCode

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XML = "http://www.w3.org/XML/1998/namespace"
MAX_BYTES = 32 * 2**20  # a raw converter's history of a picture takes a hundredth of it
MAX_DEPTH = 200
_ATTRIBUTE = re.compile(rb"""\s+([^\s=/>]+)\s*=\s*("[^"]*"|'[^']*')""")
_DECLARED = re.compile(rb"""^<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_ENCODINGS = frozenset({"utf-8", "ascii", "iso8859-1", "cp1252"})  # besides UTF-16 by its mark


class UnreadablePacketError(ClipcliError):
    """XMP that is left as it is; the message is the bare reason."""

    exit_code = ExitCode.SKIPPED


@dataclass(slots=True)
class Element:
    """One element; the numbers are places in the packet's bytes."""

    tag: str  # as it is written, with its prefix
    name: tuple[str, str]  # namespace and local name
    attributes: list[tuple[str, tuple[str, str], str]]  # as written, by name, value
    prefixes: dict[str, str]  # prefix -> namespace, in scope within
    start: int  # of "<"
    inside: int  # behind the start tag
    end: int = 0  # of "</"; of an empty tag "/>", as `inside`
    after: int = 0  # behind all of it
    is_empty: bool = False  # "<a/>"
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def named(self, namespace: str, local: str) -> Iterator[Element]:
        """Yield the children of a name."""
        return (child for child in self.children if child.name == (namespace, local))


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet in UTF-8, its elements, and how it was stored."""

    content: bytes
    root: Element
    encoding: str
    mark: bytes  # the byte order mark

    def descriptions(self) -> list[Element]:
        """Return what holds the properties.

        Raises
        ------
        UnreadablePacketError
            If this is XML, but no XMP.
        """
        candidates = [self.root, *self.root.children]
        rdf = [each for each in candidates if each.name == (RDF, "RDF")]
        if len(rdf) != 1:
            raise UnreadablePacketError("is XML, but not XMP: it has no rdf:RDF")
        found = list(rdf[0].named(RDF, "Description"))
        if not found:
            raise UnreadablePacketError("is XMP without an rdf:Description to write into")
        return found

    def spliced(self, splices: list[tuple[int, int, str]]) -> bytes:
        """Return the packet as stored, with bytes replaced: from, to, by what."""
        content = self.content
        for start, end, text in sorted(splices, key=lambda splice: splice[:2], reverse=True):
            content = content[:start] + text.encode() + content[end:]
        text = content.decode()
        return self.mark + text.encode(self.encoding, "xmlcharrefreplace")


def read_packet(data: bytes) -> Packet:
    """Parse a packet.

    Raises
    ------
    UnreadablePacketError
        If it is not well-formed, declares a document type (and with it entities), is larger or
        deeper than any packet, or is in an encoding that would not come back as it was.
    """
    if len(data) > MAX_BYTES:
        raise UnreadablePacketError(f"is larger than any XMP ({len(data):,} bytes)")
    text, encoding, mark = _decoded(data)
    content = text.encode()
    reader = _Reader(content)
    reader.parse()
    assert reader.root is not None
    return Packet(content, reader.root, encoding, mark)


def _decoded(data: bytes) -> tuple[str, str, bytes]:
    mark = next((each for each in _MARKS if data.startswith(each)), b"")
    encoding = _MARKS[mark] if mark else _declared(data)
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeError as error:
        raise UnreadablePacketError(f"is not the {encoding.upper()} that it says") from error
    return text, encoding, mark


def _declared(data: bytes) -> str:
    found = _DECLARED.match(data)
    if found is None:
        return "utf-8"
    try:
        name = codecs.lookup(found[1].decode("ascii")).name
    except LookupError:
        name = ""
    if name not in _ENCODINGS:
        raise UnreadablePacketError(f"is in {found[1].decode('ascii')}, which is not written")
    return name


class _Reader:
    """Builds elements from expat's events, with a stack of its own."""

    def __init__(self, content: bytes) -> None:
        self.root: Element | None = None
        self._content = content
        self._open: list[Element] = []
        # Subtle: the encoding in the declaration is that of the file, not of our UTF-8.
        self._parser = parser = expat.ParserCreate("utf-8")
        parser.ordered_attributes = True
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._refuse  # no entities without one

    def parse(self) -> None:
        try:
            self._parser.Parse(self._content, True)
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code)
            raise UnreadablePacketError(
                f"is not well-formed: {reason}, line {error.lineno}"
            ) from error

    def _refuse(self, *_: object) -> None:
        raise UnreadablePacketError("declares a document type, which is not read")

    def _start(self, tag: str, written: list[str]) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise UnreadablePacketError("is nested deeper than any XMP")
        pairs = list(zip(written[::2], written[1::2], strict=True))
        prefixes = dict(self._open[-1].prefixes) if self._open else {"xml": XML, "": ""}
        for name, value in pairs:
            if name == "xmlns" or name.startswith("xmlns:"):
                prefixes[name[6:]] = value
        start = self._parser.CurrentByteIndex
        inside = _tag_end(self._content, start)
        element = Element(
            tag,
            self._named(tag, prefixes, is_attribute=False),
            [
                (name, self._named(name, prefixes, is_attribute=True), value)
                for name, value in pairs
                if name != "xmlns" and not name.startswith("xmlns:")
            ],
            prefixes,
            start,
            inside,
        )
        element.is_empty = self._content[inside - 2 : inside] == b"/>"
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def _end(self, _: str) -> None:
        element = self._open.pop()
        if element.is_empty:
            element.end = element.after = element.inside
        else:
            element.end = self._parser.CurrentByteIndex
            element.after = self._content.index(b">", element.end) + 1

    def _text(self, text: str) -> None:
        self._open[-1].text += text

    def _named(
        self, written: str, prefixes: dict[str, str], *, is_attribute: bool
    ) -> tuple[str, str]:
        prefix, colon, local = written.rpartition(":")
        if not colon:
            return ("" if is_attribute else prefixes[""], local)
        if prefix not in prefixes:
            line = self._parser.CurrentLineNumber
            raise UnreadablePacketError(
                f"is not well-formed: prefix {prefix!r} is not declared, line {line}"
            )
        return prefixes[prefix], local


def _tag_end(content: bytes, start: int) -> int:
    """Return the place behind a start tag's ">", which may also stand in quotes."""
    at = start
    while (sign := content[at : at + 1]) != b">":
        at = content.index(sign, at + 1) + 1 if sign in (b'"', b"'") else at + 1
    return at + 1


def attribute_place(packet: Packet, element: Element, written: str) -> tuple[int, int]:
    """Return where an attribute of an element begins, with the blanks before it, and ends."""
    at = element.start + 1 + len(element.tag.encode())
    while found := _ATTRIBUTE.match(packet.content, at, element.inside):
        if found[1] == written.encode():
            return found.span()
        at = found.end()
    raise AssertionError(f"{written} was there")
