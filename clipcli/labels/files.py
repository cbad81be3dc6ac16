"""Label files: which grammar an ending stands for, and the plain ones."""

from __future__ import annotations

import itertools
from pathlib import Path

from clipcli.errors import LabelSetError
from clipcli.files import numbered_lines, read_text
from clipcli.labels.label import (
    MAX_LABELS,
    LabelDocument,
    at_line,
    label_from_text,
)

MAX_BYTES = 32 * 1024**2  # 200,000 labels with prompts
LABEL_FILE_ENDINGS = (".txt", ".yaml", ".yml", ".json", ".csv")


def read_label_file(path: Path) -> LabelDocument:
    """Read one file by the grammar of its ending; none at all (a pipe, say) means text."""
    ending = path.suffix.lower()
    if ending and ending not in LABEL_FILE_ENDINGS and not path.is_fifo():
        raise LabelSetError(
            f"{path}: is not a label file ({ending})",
            hint=f"label files end in {', '.join(LABEL_FILE_ENDINGS)}",
        )
    text = read_text(path, LabelSetError, MAX_BYTES)
    source = str(path)
    if ending in (".yaml", ".yml"):
        from clipcli.labels.schema import document_from_tree
        from clipcli.labels.yaml_nodes import tree_from_yaml

        return document_from_tree(tree_from_yaml(text, source), source)
    if ending == ".json":
        from clipcli.labels.schema import document_from_tree
        from clipcli.labels.yaml_nodes import tree_from_json

        return document_from_tree(tree_from_json(text, source), source)
    if ending == ".csv":
        from clipcli.labels.csv_file import document_from_csv

        return document_from_csv(text, source)
    return document_from_txt(text, source)


def document_from_txt(text: str, source: str) -> LabelDocument:
    """Read one label a line; a comment on the first line describes the set."""
    first = text.split("\n", 1)[0].strip()
    return LabelDocument(
        labels=tuple(
            label_from_text(line, at_line(source, number), number)
            for number, line in itertools.islice(numbered_lines(text), MAX_LABELS + 1)
        ),
        description=first.lstrip("#").strip() if first.startswith("#") else "",
    )
