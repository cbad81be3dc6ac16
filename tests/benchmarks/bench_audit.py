"""What `clipcli audit` finds of faults that were planted in data sets of yours.

    python tests/benchmarks/bench_audit.py scenes/ weather/ --model mini

Each argument is a class tree. A copy of it, in a temporary folder, gets a tenth of its labels
shuffled; labels are judged by words, and by a classifier fitted on the vectors (a probe). Then
copies of every kind and broken files are planted, and the command looks for them. Vectors come
through the user's cache. ``--keep DIR`` keeps the trees and their reports, to look at what was
found beside what was planted.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import measure
import numpy as np
from planting import BROKEN, EXACT, NEAR, Planted, plant, shuffled

from clipcli.cli.progress import Notes
from clipcli.images.class_tree import read_class_tree
from clipcli.pipeline.inputs import Inputs
from clipcli.pipeline.model_settings import ModelSettings
from clipcli.pipeline.session import Session
from clipcli.workflows.audit.gather import Gathering, class_classifier, zero_shot
from clipcli.workflows.audit.mislabelled import judge_labels
from clipcli.workflows.evaluation.out_of_distribution import auroc

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARE = 0.1  # of the labels is shuffled
COPIES = ("exact-duplicate", "near-duplicate")
LEAST = 1e-9  # of a probability, which a logarithm is taken of


@dataclass
class Outcome:
    """What was found in one data set."""

    name: str
    n: int
    n_wrong: int
    labels: list[tuple[float, float]]  # by words and fitted: precision, AUROC
    copies: dict[str, int]  # found of each kind
    broken: tuple[int, int]  # planted ones found, and others
    own_pairs: int  # of the set's own pictures, called copies of each other before planting
    more_pairs: int  # and after: two pictures that a planted copy brought together
    seconds: float
    peak_mb: float


def judged(folder: Path, wrong: set[str], model: str | None) -> list[tuple[float, float]]:
    """Return precision at the number shuffled and AUROC, by words and by the fitted classifier."""
    tree = read_class_tree(str(folder))
    session = Session(Inputs((str(folder),)), ModelSettings(model), Notes(quiet=True))
    classifier, places = class_classifier(session, tree, None, None)
    dataset = Gathering(session, tree.classes, tree.place_of, None).gather(
        list(tree.find(session.report))
    )
    by_words = zero_shot(classifier, places, dataset.vectors)  # (n, c)
    is_wrong = np.array([path in wrong for path in dataset.paths])
    labels = dataset.labels()
    is_own = labels[:, None] == np.arange(len(tree.classes))  # (n, c)
    own, best = (np.where(part, by_words, LEAST).max(axis=1) for part in (is_own, ~is_own))
    fitted = np.nan_to_num(judge_labels(dataset, by_words).log_odds)  # no opinion is no doubt
    return [quality(doubt, is_wrong) for doubt in (np.log(best / own), fitted)]


def quality(doubt: NDArray[Any], is_wrong: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the share of wrong labels among the most doubted, as many as are wrong, and AUROC."""
    worst = np.argsort(-doubt, kind="stable")[: is_wrong.sum()]
    return float(is_wrong[worst].mean()), auroc(doubt[~is_wrong], doubt[is_wrong])


def findings(
    folder: Path, model: str | None, report: Path
) -> tuple[list[dict[str, Any]], measure.Finished]:
    """Run the command."""
    command = [*measure.CLIPCLI, "audit", folder, "--quiet", "-o", report.with_suffix(".json")]
    command += ["-o", report.with_suffix(".html"), *(["--model", model] if model else [])]
    done = measure.run(command)
    told = json.loads(report.with_suffix(".json").read_text(encoding="utf-8"))
    return told["findings"], done


def groups_of(found: list[dict[str, Any]], *kinds: str) -> dict[str, int]:
    """Return each picture's group of copies; a near group has one of each exact group only."""
    members: dict[tuple[str, int], list[str]] = defaultdict(list)
    for finding in found:
        if finding["kind"] in kinds:
            members[finding["kind"], finding["group"]].append(finding["path"])
    groups: dict[str, int] = {}
    for number, paths in enumerate(members.values()):
        known = {groups[path] for path in paths if path in groups}
        same = [path for path, group in groups.items() if group in known]
        groups |= dict.fromkeys([*same, *paths], number)
    return groups


def own_pairs(groups: dict[str, int], made: Planted) -> set[tuple[str, str]]:
    """Return the pairs of the set's own pictures that are in one group."""
    own: dict[int, list[str]] = defaultdict(list)
    for path in map(str, made.paths):
        if path in groups:
            own[groups[path]].append(path)
    return {pair for paths in own.values() for pair in combinations(sorted(paths), 2)}


def outcome(source: str, folder: Path, options: argparse.Namespace) -> Outcome:
    """Make the tree and look at it, before copies are planted and after."""
    chance = np.random.default_rng(options.seed)
    made = shuffled(read_class_tree(source), folder / "tree", SHARE, chance)
    labels = judged(made.folder, made.wrong, options.model)
    before, _ = findings(made.folder, options.model, folder / "before")
    plant(made, options.each, chance)
    after, done = findings(made.folder, options.model, folder / "planted")
    groups = groups_of(after, *COPIES)
    broken = {finding["path"] for finding in after if finding["kind"] == "broken"}
    own = own_pairs(groups_of(before, *COPIES), made)
    return Outcome(
        name=Path(source).name,
        n=len(made.paths),
        n_wrong=len(made.wrong),
        labels=labels,
        copies={
            kind: sum(a in groups and groups[a] == groups.get(b) for a, b in pairs)
            for kind, pairs in made.copies.items()
        },
        broken=(len(broken & made.broken), len(broken - made.broken)),
        own_pairs=len(own - own_pairs(groups_of(before, COPIES[0]), made)),
        more_pairs=len(own_pairs(groups, made) - own),
        seconds=done.seconds,
        peak_mb=done.peak_mb,
    )


def label_table(outcomes: list[Outcome]) -> str:
    """Tell how well shuffled labels are found."""
    header = ["pictures", "shuffled", "by words", "AUROC", "fitted", "AUROC"]
    rows = []
    for one in outcomes:
        cells = [cell for share, area in one.labels for cell in (f"{share:.0%}", f"{area:.2f}")]
        rows.append([f"{one.n:,} of {one.name}", f"{one.n_wrong:,}", *cells])
    return measure.table(header, rows)


def copy_table(outcomes: list[Outcome], each: int) -> str:
    """Tell what is found of what was planted, and what else."""
    rows = {kind: [one.copies[kind] for one in outcomes] for kind in (EXACT, *NEAR)}
    rows[f"all copies, of {each * len(rows)}"] = [sum(one.copies.values()) for one in outcomes]
    rows[f"broken files, of {each * len(BROKEN)}"] = [one.broken[0] for one in outcomes]
    rows["broken, not planted"] = [one.broken[1] for one in outcomes]
    rows["near pairs of the set's own"] = [one.own_pairs for one in outcomes]
    rows["more of them once copies are there"] = [one.more_pairs for one in outcomes]
    rows["seconds"] = [round(one.seconds) for one in outcomes]
    rows["peak, MB"] = [round(one.peak_mb) for one in outcomes]
    header = [f"found, of {each} each", *(one.name for one in outcomes)]
    return measure.table(header, [[name, *map(str, values)] for name, values in rows.items()])


@contextmanager
def workplace(kept: Path | None, name: str) -> Iterator[Path]:
    """Give a folder for a tree; it is kept if that is wished."""
    if kept is not None:
        (kept / name).mkdir(parents=True)
        yield kept / name
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def main() -> None:
    """Print the tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trees", nargs="+")
    parser.add_argument("--model")
    parser.add_argument("--each", type=int, default=20, help="copies of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder for the trees and their reports")
    options = parser.parse_args()
    outcomes = []
    for source in options.trees:
        with workplace(options.keep, Path(source).name) as folder:
            outcomes.append(outcome(source, folder, options))
        print(outcomes[-1], file=sys.stderr, flush=True)
    print(label_table(outcomes))
    print(copy_table(outcomes, options.each))


if __name__ == "__main__":
    main()
