"""YAML and JSON as trees whose every node remembers its line.

Neither library's own objects will do: they turn ``no`` into False, ``1.0`` into a number and a
repeated key into silence. Here a scalar stays the text that was written, and a complaint about any
node can name its line.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, NoReturn

from clipcli.errors import LabelSetError

MAX_EVENTS = 500_000  # of the parser: 200,000 labels, with a few words each
MAX_DEPTH = 20  # a label file has four levels; parsers grow slow, or fall over, on thousands


@dataclass(slots=True)
class Node:
    """A scalar's text, a list, or a mapping; ``None`` where nothing was written."""

    line: int
    value: str | list[Node] | dict[Key, Node] | None


@dataclass(frozen=True, slots=True)
class Key:
    """A mapping's key; equal to the same text on another line."""

    text: str
    line: int = field(compare=False)


def tree_from_yaml(text: str, source: str) -> Node:
    """Parse one YAML document without constructing anything from it.

    Events are read and no object is ever built, so tags have no effect to fear; they and
    anchors are refused because their text would be lost from the label without a sign. No
    aliases also means that a small file cannot unfold into a large one.
    """
    import yaml

    # The parser in C is many times as fast; PyYAML's wheels carry it, other builds may not.
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    builder = _YamlBuilder(source)
    try:
        for event in yaml.parse(text, Loader=loader):
            builder.add(event)
    except yaml.MarkedYAMLError as cause:
        raise _malformed_yaml(cause, text, source) from cause
    except yaml.YAMLError as cause:
        # Subtle: the error's own position counts bytes or characters, depending on the parser.
        forbidden = yaml.reader.Reader.NON_PRINTABLE.search(text)
        line = text.count("\n", 0, forbidden.start()) + 1 if forbidden else 1
        raise LabelSetError(
            f"{source}:{line}: malformed YAML: a character that may not stand in it",
            hint="remove the control character",
        ) from cause
    return builder.root or Node(1, None)


def _malformed_yaml(cause: Any, text: str, source: str) -> LabelSetError:
    """Say what the parser met, and where the thing that it was reading began."""
    mark = cause.problem_mark or cause.context_mark
    last = text.count("\n", 0, len(text) - 1) + 1  # what is missing at the end is met beyond it
    line = min(mark.line + 1, last) if mark else 1
    fact = cause.problem or cause.context
    if cause.context_mark and cause.context_mark.line + 1 < line:
        fact += f" ({cause.context}, begun on line {cause.context_mark.line + 1})"
    return LabelSetError(
        f"{source}:{line}: malformed YAML: {fact}",
        hint="a text with ': ', ' #' or a leading symbol must stand in quotes",
    )


class _YamlBuilder:
    """Build nodes from parser events with a stack of its own: no depth of nesting overflows it."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.root: Node | None = None
        self.open: list[Node] = []
        self.n_events = 0
        self.keys: list[Key | None] = []  # the key that waits for its value, per open node

    def add(self, event: Any) -> None:
        line, kind = event.start_mark.line + 1, type(event).__name__
        self.n_events += 1
        if self.n_events > MAX_EVENTS:
            self.refuse(line, "is longer than any list of labels", "split it")
        if kind == "DocumentStartEvent" and self.root is not None:
            self.refuse(line, "a second document begins", "keep one '---' at most")
        if getattr(event, "anchor", None) is not None:
            sign = "*" if kind == "AliasEvent" else "&"
            self.refuse(line, f"{sign}{event.anchor} is YAML's anchor or alias", "quote it")
        if getattr(event, "tag", None) is not None:
            self.refuse(line, f"{event.tag} is a YAML tag", "quote it")
        match kind:
            case "ScalarEvent":
                # An empty plain scalar is a key without a value, or a bare "-".
                is_absent = event.value == "" and event.implicit[0]
                self.place(Node(line, None if is_absent else event.value))
            case "SequenceStartEvent":
                self.enter(Node(line, []))
            case "MappingStartEvent":
                self.enter(Node(line, {}))
            case "SequenceEndEvent" | "MappingEndEvent":
                self.open.pop()
                self.keys.pop()

    def enter(self, node: Node) -> None:
        check_depth(len(self.open), node.line, self.source)
        self.place(node)
        self.open.append(node)
        self.keys.append(None)

    def place(self, node: Node) -> None:
        if not self.open:
            self.root = node
            return
        container = self.open[-1].value
        if isinstance(container, list):
            container.append(node)
        elif isinstance(container, dict):
            key = self.keys[-1]
            if key is None:
                self.keys[-1] = new_key(node, container, self.source)
            else:
                container[key] = node
                self.keys[-1] = None

    def refuse(self, line: int, fact: str, hint: str) -> NoReturn:
        raise LabelSetError(f"{self.source}:{line}: {fact}", hint=hint)


def check_depth(depth: int, line: int, source: str) -> None:
    """Refuse nesting that no label file has."""
    if depth >= MAX_DEPTH:
        raise LabelSetError(
            f"{source}:{line}: is nested more than {MAX_DEPTH} levels deep",
            hint="close the brackets",
        )


def new_key(node: Node, mapping: dict[Key, Node], source: str) -> Key:
    """Return a node as a key; one that is no text, or that the mapping has, is refused."""
    if not isinstance(node.value, str):
        raise LabelSetError(
            f"{source}:{node.line}: a key must be a word", hint="brackets need quotes around them"
        )
    key = Key(node.value, node.line)
    if key in mapping:
        first = next(other.line for other in mapping if other == key)
        fact = f"key {key.text!r} appears twice (first on line {first})"
        raise LabelSetError(f"{source}:{node.line}: {fact}", hint="remove one")
    return key


def tree_from_json(text: str, source: str) -> Node:
    """Parse JSON: the library judges the grammar, then a second walk adds the lines."""
    if sum(map(text.count, ",[{")) > MAX_EVENTS:
        raise LabelSetError(f"{source}: is longer than any list of labels", hint="split it")
    try:
        json.loads(text)
    except json.JSONDecodeError as cause:
        raise LabelSetError(
            f"{source}:{cause.lineno}: malformed JSON: {cause.msg} (column {cause.colno})",
            hint="quotes are double, and no comma stands before a closing bracket",
        ) from cause
    except (RecursionError, ValueError) as cause:  # brackets without end; an endless number
        raise LabelSetError(f"{source}: malformed JSON: nested too deeply or too long") from cause
    return _JsonWalk(text, source).node()


class _JsonWalk:
    """Read a text that is known to be valid JSON into nodes."""

    def __init__(self, text: str, source: str) -> None:
        self.text = text
        self.source = source
        self.position = 0
        self.line = 1
        self.depth = 0
        self.decoder = json.JSONDecoder()

    def node(self) -> Node:
        first = self.peek()
        node = Node(self.line, None)
        if first not in "{[":
            node.value = self.scalar()
            return node
        check_depth(self.depth, self.line, self.source)
        self.depth += 1
        node.value = self.mapping() if first == "{" else self.items()
        self.depth -= 1
        return node

    def mapping(self) -> dict[Key, Node]:
        mapping: dict[Key, Node] = {}
        self.position += 1
        while self.peek() != "}":
            if self.peek() == ",":
                self.position += 1
            key = new_key(self.node(), mapping, self.source)
            self.peek()
            self.position += 1  # the colon
            mapping[key] = self.node()
        self.position += 1
        return mapping

    def items(self) -> list[Node]:
        nodes: list[Node] = []
        self.position += 1
        while (first := self.peek()) != "]":
            if first == ",":
                self.position += 1
            nodes.append(self.node())
        self.position += 1
        return nodes

    def scalar(self) -> str | None:
        value, end = self.decoder.raw_decode(self.text, self.position)
        written = self.text[self.position : end]
        self.position = end
        if value is None:
            return None
        return value if isinstance(value, str) else written  # 1.0 stays "1.0"

    def peek(self) -> str:
        """Skip blanks, counting lines, and return the next character."""
        while (character := self.text[self.position]) in " \t\n\r":
            self.line += character == "\n"
            self.position += 1
        return character
