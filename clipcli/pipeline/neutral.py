"""Neutral words: what a picture may show when no label fits it.

They are the names in the built-in label set ``everyday``. The share that they get beside the
labels says how far a picture is from all labels, and beside one label alone how far it is from
that one.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from clipcli.errors import LabelSetError
from clipcli.labels.label_set import LabelSet, load_label_set
from clipcli.labels.templates import TEMPLATE_SETS
from clipcli.pipeline.label_rows import encode_labels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipcli.cache.text_cache import TextCache
    from clipcli.encoder.encoder import Encoder

SET_NAME = "everyday"
TEMPLATES = TEMPLATE_SETS["single"]  # one prompt a word: seven more are no better, measured


def neutral_words() -> LabelSet:
    """Return the words as a label set.

    Raises
    ------
    LabelSetError
        If the set has been taken out of this installation.
    """
    try:
        return LabelSet.from_names(load_label_set(SET_NAME).names, name=SET_NAME)
    except LabelSetError as error:
        raise LabelSetError(
            f"the built-in label set {SET_NAME!r} is missing, and with it the neutral words",
            hint="install clipcli again",
        ) from error


def neutral_hash() -> str:
    """Return the sha256 of all that neutral rows are made from, besides the model."""
    text = json.dumps([neutral_words().names, TEMPLATES], ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def neutral_rows(
    labels: NDArray[np.float32], encoder: Encoder, cache: TextCache
) -> NDArray[np.float32]:
    """Return the rows (w, d) of the neutral words that stand for none of the labels (c, d)."""
    rows = encode_labels(neutral_words(), TEMPLATES, encoder, cache).classifier
    return rows[are_apart(rows, labels)]


def are_apart(words: NDArray[np.float32], labels: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell which words (w, d) are further from every label (c, d) than words are from each other.

    Models differ in how close any two words are, so the yardstick is the closest pair of words.
    Where no word is that far from the labels, all of them stay.
    """
    import numpy as np

    among = words @ words.T  # (w, w)
    closest = among[~np.eye(len(words), dtype=bool)].max(initial=-1.0)
    apart: NDArray[np.bool_] = (words @ labels.T).max(axis=1) <= closest  # (w,)
    return apart if apart.any() else np.ones(len(words), dtype=bool)
