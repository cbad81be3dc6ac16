"""How often the bundled model was right with each built-in label set, as it was measured.

The figures lie beside its weights, and count for these weights alone. They come from
``examples/train_mini/finish/label_sets.py``: pictures of sources that were not trained on, whose
class is one of the set's labels by name, classified with the whole set.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clipcli.errors import ModelError
from clipcli.models.folder import builtin_model_folder, claimed_fingerprint
from clipcli.strict_json import read_json

ACCURACY_NAME = "accuracy.json"


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How often the first label was right."""

    right: float  # share of the pictures, 0 to 1
    pictures: int
    labels: int  # of the set's, that these pictures have

    def in_words(self) -> str:
        """Return it as a list of sets shows it."""
        return f"right for {self.right:.0%} of {self.pictures:,} pictures of {self.labels} labels"


def known_accuracy(folder: Path | None = None) -> dict[str, Accuracy]:
    """Return what was measured by label set; nothing where the weights are others.

    Raises
    ------
    ModelError
        If the file is damaged.
    """
    folder = folder or builtin_model_folder()
    path = folder / ACCURACY_NAME
    if not path.is_file():
        return {}
    data = read_json(path, ModelError)
    try:
        if data["fingerprint"] != claimed_fingerprint(folder):
            return {}
        return {name: Accuracy(**entry) for name, entry in data["sets"].items()}
    except (AttributeError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: damaged: its figures make no sense") from error
