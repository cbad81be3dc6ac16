"""This file knows about YAML and JSON as trees whose every node remembers its line.

Neither library's own objects will do: they turn ``no`` into False, ``1.0`` into a number and a
repeated key into silence. Here a scalar stays the text that was written, and a complaint about any
node can name its line.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias

from clipcli.errors import LabelSetError

Pair: TypeAlias = "tuple[Node, Node]"


@dataclass(slots=True)
class Node:
    """A scalar's text, a list, or a mapping's pairs; ``None`` where nothing was written."""

    line: int
    value: str | list[Node] | Mapping | None


@dataclass(slots=True)
class Mapping:
    """Keys and values in the order written; keys are texts, each once."""

    pairs: list[Pair] = field(default_factory=list)


def tree_from_yaml(text: str, source: str) -> Node:
    """Parse one YAML document without constructing anything from it.

    Events are read and no object is ever built, so tags have no effect to fear; they and
    anchors are refused because their text would be lost from the label without a sign. No
    aliases also means that a small file cannot unfold into a large one.
    """
    import yaml

    # The parser in C is forty times as fast; wheels of PyYAML carry it, source builds may not.
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    builder = _YamlBuilder(source)
    try:
        for event in yaml.parse(text, Loader=loader):
            builder.add(event)
    except yaml.MarkedYAMLError as cause:
        mark = cause.problem_mark or cause.context_mark
        line = mark.line + 1 if mark else 1
        raise LabelSetError(
            f"{source}:{line}: malformed YAML: {cause.problem or cause.context}",
            hint="a text with ': ', ' #' or a leading symbol must stand in quotes",
        ) from cause
    except yaml.YAMLError as cause:  # a character that YAML does not allow
        position = getattr(cause, "position", 0)
        line = text.count("\n", 0, position) + 1
        reason = getattr(cause, "reason", "unreadable")
        raise LabelSetError(f"{source}:{line}: malformed YAML: {reason}") from cause
    return builder.root or Node(1, None)


class _YamlBuilder:
    """Build nodes from parser events with a stack of its own: no depth of nesting overflows it."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.root: Node | None = None
        self.open: list[Node] = []
        self.keys: list[Node | None] = []  # the key that waits for its value, per open node

    def add(self, event: Any) -> None:
        import yaml

        line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            self.refuse(line, "a second document begins", "keep one '---' at most")
        if isinstance(event, yaml.NodeEvent):
            self.refuse_marks(event, line)
        if isinstance(event, yaml.ScalarEvent):
            # An empty plain scalar is a key without a value, or a bare "-".
            is_absent = event.value == "" and event.implicit[0]
            self.place(Node(line, None if is_absent else event.value))
        elif isinstance(event, yaml.CollectionStartEvent):
            is_list = isinstance(event, yaml.SequenceStartEvent)
            node = Node(line, [] if is_list else Mapping())
            self.place(node)
            self.open.append(node)
            self.keys.append(None)
        elif isinstance(event, yaml.CollectionEndEvent):
            self.open.pop()
            self.keys.pop()

    def place(self, node: Node) -> None:
        if not self.open:
            self.root = node
            return
        container = self.open[-1].value
        if isinstance(container, list):
            container.append(node)
        elif isinstance(container, Mapping):
            key = self.keys[-1]
            if key is None:
                check_key(node, container, self.source)
                self.keys[-1] = node
            else:
                container.pairs.append((key, node))
                self.keys[-1] = None

    def refuse_marks(self, event: Any, line: int) -> None:
        import yaml

        if event.anchor is not None:
            sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
            self.refuse(line, f"{sign}{event.anchor} is YAML's anchor or alias", "quote it")
        if getattr(event, "tag", None) is not None:
            self.refuse(line, f"{event.tag} is a YAML tag", "quote it")

    def refuse(self, line: int, fact: str, hint: str) -> NoReturn:
        raise LabelSetError(f"{self.source}:{line}: {fact}", hint=hint)


def check_key(key: Node, mapping: Mapping, source: str) -> None:
    """Refuse a key that is no text, or that the mapping already has."""
    if not isinstance(key.value, str):
        raise LabelSetError(
            f"{source}:{key.line}: a key must be a word", hint="brackets need quotes around them"
        )
    for other, _ in mapping.pairs:
        if other.value == key.value:
            fact = f"key {key.value!r} appears twice (first on line {other.line})"
            raise LabelSetError(f"{source}:{key.line}: {fact}", hint="remove one")


def tree_from_json(text: str, source: str) -> Node:
    """Parse JSON: the library judges the grammar, then a second walk adds the lines."""
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
        self.decoder = json.JSONDecoder()

    def node(self) -> Node:
        first = self.peek()
        node = Node(self.line, None)
        if first == "{":
            node.value = self.mapping()
        elif first == "[":
            node.value = self.items()
        else:
            node.value = self.scalar()
        return node

    def mapping(self) -> Mapping:
        mapping = Mapping()
        self.advance(1)
        while self.peek() != "}":
            if self.peek() == ",":
                self.advance(1)
            self.peek()
            key = Node(self.line, None)
            key.value = self.scalar()
            check_key(key, mapping, self.source)
            self.peek()
            self.advance(1)  # the colon
            mapping.pairs.append((key, self.node()))
        self.advance(1)
        return mapping

    def items(self) -> list[Node]:
        nodes: list[Node] = []
        self.advance(1)
        while (first := self.peek()) != "]":
            if first == ",":
                self.advance(1)
            nodes.append(self.node())
        self.advance(1)
        return nodes

    def scalar(self) -> str | None:
        value, end = self.decoder.raw_decode(self.text, self.position)
        written = self.text[self.position : end]
        self.advance(end - self.position)
        if value is None:
            return None
        return value if isinstance(value, str) else written  # 1.0 stays "1.0"

    def peek(self) -> str:
        """Skip blanks, counting lines, and return the next character."""
        while (character := self.text[self.position]) in " \t\n\r":
            self.line += character == "\n"
            self.position += 1
        return character

    def advance(self, length: int) -> None:
        self.position += length
