"""The keys of a YAML or JSON label file, and what may stand under each."""

from __future__ import annotations

import difflib
from collections.abc import Collection

from clipcli.errors import LabelSetError
from clipcli.labels.label import (
    Label,
    LabelDocument,
    at_line,
    checked_text,
    label_from_text,
    rule_from_text,
    threshold_from_text,
)
from clipcli.labels.templates import (
    PLACEHOLDER,
    checked_template,
    several_templates,
    template_set,
)
from clipcli.labels.yaml_nodes import Node

SET_KEYS = ("name", "description", "templates", "reject", "labels")
LABEL_KEYS = ("name", "synonyms", "prompts", "parent", "threshold", "rule")


def document_from_tree(root: Node, source: str) -> LabelDocument:
    """Read a whole file: a mapping with ``labels``, or a bare list of labels."""
    if root.value is None or isinstance(root.value, list):
        return LabelDocument(labels=_labels(root, source))
    fields = _fields(root, SET_KEYS, source, "a label file")
    if "labels" not in fields:
        raise LabelSetError(f"{source}: has no key 'labels'", hint="list the labels under it")
    return LabelDocument(
        labels=_labels(fields["labels"], source),
        name=_optional_text(fields.get("name"), "name", source) or "",
        description=_optional_text(fields.get("description"), "description", source) or "",
        templates=_templates(fields.get("templates"), source),
        reject=_texts(fields.get("reject"), "reject prompt", source),
    )


def _labels(node: Node, source: str) -> tuple[Label, ...]:
    if node.value is None:
        return ()
    if not isinstance(node.value, list):
        raise LabelSetError(
            f"{at_line(source, node.line)}: 'labels' must be a list",
            hint="begin each label with '- ' (YAML), or put them in [ ] (JSON)",
        )
    return tuple(_label(item, source) for item in node.value)


def _label(node: Node, source: str) -> Label:
    where = at_line(source, node.line)
    if node.value is None or isinstance(node.value, str):
        return label_from_text(node.value or "", where, node.line)
    if isinstance(node.value, list):
        raise LabelSetError(
            f"{where}: a label must be a text or a mapping, not a list",
            hint="write synonyms as 'dog | puppy'",
        )
    fields = _fields(node, LABEL_KEYS, source, "a label")
    if "name" not in fields:
        raise LabelSetError(f"{where}: a label has no 'name'", hint="add one")
    threshold = _optional_text(fields.get("threshold"), "threshold", source)
    rule = _optional_text(fields.get("rule"), "rule", source)
    return Label(
        name=checked_text(_text(fields["name"], "name", source), "label", where),
        synonyms=_texts(fields.get("synonyms"), "synonym", source),
        prompts=_texts(fields.get("prompts"), "prompt", source),
        parent=_optional_text(fields.get("parent"), "parent", source),
        threshold=None
        if threshold is None
        else threshold_from_text(threshold, at_line(source, fields["threshold"].line)),
        rule=None if rule is None else rule_from_text(rule, at_line(source, fields["rule"].line)),
        line=node.line,
    )


def _fields(node: Node, known: Collection[str], source: str, what: str) -> dict[str, Node]:
    """Return a mapping's values by key; a key that means nothing is refused."""
    if not isinstance(node.value, dict):
        raise LabelSetError(
            f"{at_line(source, node.line)}: {what} must be a mapping",
            hint=f"its keys are {', '.join(known)}",
        )
    fields: dict[str, Node] = {}
    for key, value in node.value.items():
        if key.text not in known:
            raise LabelSetError(
                f"{at_line(source, key.line)}: unknown key {key.text!r} in {what}",
                hint=suggest_key(key.text, known),
            )
        fields[key.text] = value
    return fields


def suggest_key(written: str, known: Collection[str]) -> str:
    """Say which key may have been meant, and which there are."""
    close = difflib.get_close_matches(written.lower(), known, n=1)
    meant = f"did you mean {close[0]!r}? " if close else ""
    return f"{meant}the keys are {', '.join(known)}; a label with ': ' in it must stand in quotes"


def _text(node: Node, what: str, source: str) -> str:
    if isinstance(node.value, (list, dict)):
        raise LabelSetError(f"{at_line(source, node.line)}: {what} must be a text")
    return checked_text(node.value or "", what, at_line(source, node.line))


def _optional_text(node: Node | None, what: str, source: str) -> str | None:
    return None if node is None or node.value is None else _text(node, what, source)


def _texts(node: Node | None, what: str, source: str) -> tuple[str, ...]:
    """Read a list of texts; one text alone is a list of one."""
    if node is None or node.value is None:
        return ()
    items = node.value if isinstance(node.value, list) else [node]
    return tuple(_text(item, what, source) for item in items)


def _templates(node: Node | None, source: str) -> tuple[str, ...] | None:
    """Read a named set, one template, or a list; ``[]`` means: the labels' own prompts only."""
    if node is None or node.value is None:
        return None
    if isinstance(node.value, str) and PLACEHOLDER not in node.value:
        return template_set(node.value.strip(), at_line(source, node.line))
    items = node.value if isinstance(node.value, list) else [node]
    templates = tuple(
        checked_template(_text(item, "template", source), at_line(source, item.line))
        for item in items
    )
    several_templates(templates, source)
    return templates
