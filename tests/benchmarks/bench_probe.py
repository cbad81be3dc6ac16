"""Compare probes with zero-shot at 1, 2, 4, 8, 16 shots and all: a table for the README.

    python tests/benchmarks/bench_probe.py scenes/ weather/ --model mini

Each folder is a class tree, DIR/train/class/... and DIR/test/class/...; without a test split, half
of the pictures is held back as one. Few shots are drawn several times, and the mean is told.
Vectors come through the user's cache, so that a second run only fits.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clipcli.images.class_tree import read_class_tree
from clipcli.images.find import FindReport
from clipcli.pipeline.classifier import Classifier
from clipcli.pipeline.embed import Embedded, embed
from clipcli.workflows.class_labels import labels_of_classes
from clipcli.workflows.probe.choose import draw_shots
from clipcli.workflows.probe.fit import Linear
from clipcli.workflows.probe.outcome import Labelled, ProbeOrigin, fit_probe, zero_shot_classifier

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHOTS = (1, 2, 4, 8, 16, None)  # None: all
DRAWS = 3


@dataclass(frozen=True)
class Task:
    """One data set: what to fit on, what to be judged by, and the zero-shot classifier."""

    name: str
    train: Labelled
    test: Labelled
    zero_shot: Linear


def read_task(source: str, model: str | None) -> Task:
    """Read a class tree and the vectors of its pictures."""
    tree = read_class_tree(source)
    classifier = Classifier(labels_of_classes(tree), model=model)
    report, places = FindReport(), {name: i for i, name in enumerate(tree.classes)}
    rows, truth, is_test = [], [], []
    blocks = embed(
        tree.find(report), classifier.encoder, classifier.options, classifier.image_cache
    )
    for entry in (entry for block in blocks for entry in block):
        label = tree.label_of(entry.path)
        if isinstance(entry, Embedded) and label is not None:
            rows.append(entry.row)
            truth.append(places[label])
            is_test.append(tree.split_of(entry.path) == "test")
    images, labels = np.stack(rows).astype(np.float64), np.array(truth, np.intp)
    tests = np.array(is_test)
    if not tests.any():
        tests = half_of_each(labels)
    zero_shot = zero_shot_classifier(classifier.classifier, classifier.logit_scale)
    train, test = (Labelled(images[part], labels[part]) for part in (~tests, tests))
    return Task(Path(source).name, train, test, zero_shot)


def half_of_each(truth: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return a mask (n,) of half of each class."""
    random, chosen = np.random.default_rng(0), np.zeros(len(truth), bool)
    for label in np.unique(truth):
        mine = random.permutation(np.flatnonzero(truth == label))
        chosen[mine[: len(mine) // 2]] = True
    return chosen


def accuracy(weights: Any, biases: Any, part: Labelled) -> float:
    """Return the share of pictures whose first label is the true one."""
    answers = Linear(weights, biases).logits(part.images).argmax(axis=1)
    return float((answers == part.truth).mean())


def probe_accuracy(task: Task, shots: int | None, zero_shot: Linear | None) -> float:
    """Return the mean accuracy of probes fitted on so many pictures of each class."""
    origin = ProbeOrigin(tuple(f"c{i}" for i in range(len(task.zero_shot.biases))), "", "", "", {})
    told = []
    for seed in range(DRAWS if shots else 1):
        drawn = draw_shots(task.train.truth, shots, seed) if shots else slice(None)
        part = Labelled(task.train.images[drawn], task.train.truth[drawn])
        probe = fit_probe(part, None, zero_shot, origin, seed).probe
        told.append(accuracy(probe.weights, probe.biases, task.test))
    return float(np.mean(told))


def rows_of(task: Task) -> Iterator[list[str]]:
    """Yield the rows of a task's table."""
    n = f"{len(np.unique(task.test.truth))} classes, {len(task.test.truth):,} pictures judged"
    base = accuracy(task.zero_shot.weights, task.zero_shot.biases, task.test)
    yield [f"**{task.name}** ({n})", f"{base:.1%}", *[""] * len(SHOTS)]
    for name, zero_shot in (("pictures alone", None), ("with words", task.zero_shot)):
        values = [probe_accuracy(task, shots, zero_shot) for shots in SHOTS]
        yield [name, "", *(f"{value:.1%}" for value in values)]


def main() -> None:
    """Print the table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trees", nargs="+")
    parser.add_argument("--model")
    options = parser.parse_args()
    print("| | zero-shot |", " | ".join(f"{n or 'all'}" for n in SHOTS), "|")
    print("|---|" + "---|" * (1 + len(SHOTS)))
    for tree in options.trees:
        for row in rows_of(read_task(tree, options.model)):
            print("|", " | ".join(row).replace("%", " %"), "|", flush=True)


if __name__ == "__main__":
    main()
