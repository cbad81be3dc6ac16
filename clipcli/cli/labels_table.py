"""A label set on its way out: as rows, and as JSON data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from clipcli.labels.label import SYNONYM_MARK
from clipcli.labels.label_set import LabelSet
from clipcli.labels.templates import prompts_for_label
from clipcli.models.accuracy import Accuracy
from clipcli.models.folder import BUILTIN

REJECT = "(reject)"


def set_rows(
    label_sets: Iterable[LabelSet], accuracy: Mapping[str, Accuracy]
) -> list[tuple[str, ...]]:
    """One row a set: name, number of labels, description, and how good mini is, where known."""
    rows = [(s.name, str(len(s.labels)), s.description) for s in label_sets]
    return [
        (*row, f"{BUILTIN}: {accuracy[row[0]].in_words()}" if row[0] in accuracy else "")
        for row in rows
    ]


def label_rows(label_set: LabelSet) -> list[tuple[str, ...]]:
    """One row a label: name, synonyms, parent, threshold, rule.

    Columns at the end that say nothing for any label are left out.
    """
    rows = [
        (
            label.name,
            f" {SYNONYM_MARK} ".join(label.synonyms),
            label.parent or "",
            "" if label.threshold is None else f"{label.threshold:g}",
            label.rule or "",
        )
        for label in label_set.labels
    ]
    n_columns = max((i + 1 for row in rows for i, cell in enumerate(row) if cell), default=1)
    return [row[:n_columns] for row in rows]


def prompt_rows(label_set: LabelSet, templates: tuple[str, ...]) -> list[tuple[str, ...]]:
    """One row a prompt: the label's name, and the prompt."""
    sources = [(label.name, prompts_for_label(label, templates)) for label in label_set.labels]
    sources.append((REJECT, label_set.reject))
    return [(name, prompt) for name, prompts in sources for prompt in prompts]


def sets_data(
    label_sets: Iterable[LabelSet], accuracy: Mapping[str, Accuracy]
) -> list[dict[str, Any]]:
    """Describe sets as JSON data."""
    return [
        {
            "name": label_set.name,
            "n_labels": len(label_set.labels),
            "description": label_set.description,
            "accuracy": asdict(accuracy[label_set.name]) if label_set.name in accuracy else None,
        }
        for label_set in label_sets
    ]


def set_data(
    label_set: LabelSet, templates: tuple[str, ...], *, with_prompts: bool = False
) -> dict[str, Any]:
    """Return a whole set as JSON data; with prompts, each label's as the model gets them."""
    return {
        "name": label_set.name,
        "description": label_set.description,
        "source": label_set.source,
        "hash": label_set.hash,
        "templates": templates,
        "reject": label_set.reject,
        "labels": [
            {
                "name": label.name,
                "synonyms": label.synonyms,
                "prompts": prompts_for_label(label, templates) if with_prompts else label.prompts,
                "parent": label.parent,
                "threshold": label.threshold,
                "rule": label.rule,
            }
            for label in label_set.labels
        ],
    }
