"""How often a model is right with each built-in label set, on pictures it was not trained on.

    python -m finish.label_sets --model work/mini --pictures DIR

DIR holds a folder for each collection, and in it one for each class. A class counts for a set where
it is one of its labels, or a synonym, by name; the whole set stands to choose from. Sets of which
fewer than five labels are shown stay out. Writes ``accuracy.json`` into the model's folder.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from clipcli import Classifier
from clipcli.labels.label_set import LabelSet, builtin_label_sets, load_label_set
from clipcli.models.accuracy import ACCURACY_NAME
from clipcli.models.folder import claimed_fingerprint
from clipcli.results import Classified

FEWEST_LABELS, FEWEST_PICTURES = 5, 100
ENDINGS = {".jpg", ".jpeg", ".png", ".webp"}
# Classes of the collections at hand that the sets call otherwise; each of these is right.
ALSO = {
    "weather": {
        "cloudy sky": {"overcast", "partly cloudy", "storm clouds"},
        "fog": {"foggy"},
        "rain": {"rainy"},
        "sunshine": {"sunny"},
        "sunrise": {"sunrise or sunset"},
    },
}


def labels_by_name(label_set: LabelSet) -> dict[str, set[str]]:
    """Return every name and synonym in small letters, and the labels that it means."""
    meant = dict(ALSO.get(label_set.name, {}))
    for label in label_set.labels:
        for name in (label.name, *label.synonyms):
            meant.setdefault(name.lower(), set()).add(label.name)
    return meant


def measure(model: str, label_set: LabelSet, pictures: Path) -> dict[str, float] | None:
    """Classify what a set has labels for."""
    meant = labels_by_name(label_set)
    truth: dict[Path, set[str]] = {}
    for folder in sorted(pictures.glob("*/*/")):
        if folder.name.lower() in meant:
            own = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in ENDINGS]
            truth |= dict.fromkeys(own, meant[folder.name.lower()])
    n_labels = len({frozenset(labels) for labels in truth.values()})
    if n_labels < FEWEST_LABELS or len(truth) < FEWEST_PICTURES:
        return None
    classifier = Classifier(label_set.name, model=model)
    right = n = 0
    for path, result in zip(truth, classifier.classify(list(truth)), strict=True):
        if isinstance(result, Classified):
            n, right = n + 1, right + (result.top[0].label in truth[path])
    return {"right": round(right / n, 3), "pictures": n, "labels": n_labels}


def main() -> None:
    """Measure all sets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--pictures", type=Path, required=True)
    options = parser.parse_args()
    sets = {}
    for name in builtin_label_sets():
        found = measure(str(options.model), load_label_set(name), options.pictures)
        if found:
            sets[name] = found
            print(name, found, flush=True)
    data = {"fingerprint": claimed_fingerprint(options.model), "sets": sets}
    text = json.dumps(data, indent=1) + "\n"
    (options.model / ACCURACY_NAME).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
