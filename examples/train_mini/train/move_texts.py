"""Let the text tower's corpus follow targets that have moved.

    python -m train.move_texts --config train/mini_move.yaml --data DIR --image checkpoints \
        --corpus DIR --out DIR

A text that the pictures are trained against has the vector it has moved to. A text that contains
such a name goes some of its way. All others are moved by a ridge regression of the shifts on the
vectors.
"""

from __future__ import annotations

import argparse
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from teacher.target_vectors import LONGEST_NAME
from torch import Tensor
from train.carry import newest, open_run
from train.refit import moved_vectors

from clipcli.training.checkpoint import read_checkpoint
from clipcli.training.mini import read_vectors
from clipcli.training.text.corpus import Corpus, read_corpus

SHARE = {"name": 0.7, "compound": 0.7, "sentence": 0.35}  # of the shift of a name it contains
RIDGE = 20.0  # beside some two thousand names
KNOWN = 1.2  # weight of all texts that moved by themselves, beside that of all others
RARE = 2.0  # weight of a rare caption


class Names:
    """The names that moved, to be found in longer texts."""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_first: dict[str, list[tuple[str, ...]]] = defaultdict(list)
        self._name: dict[tuple[str, ...], str] = {}
        for name in names:
            words = words_of(name)
            if words:
                self._by_first[words[0]].append(words)
                self._name[words] = name

    def longest_in(self, text: str) -> str | None:
        """Return the longest name whose words stand in the text one after the other."""
        words = words_of(text)
        found = [
            name
            for i, word in enumerate(words)
            for name in self._by_first.get(word, ())
            if words[i : i + len(name)] == name
        ]
        return self._name[max(found, key=lambda name: len(self._name[name]))] if found else None


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a text, without marks."""
    return tuple(re.findall(r"[\w'-]+", text))


def moved_rows(corpus: Corpus, before: Tensor, shifts: Mapping[str, Tensor]) -> Tensor:
    """Return a corpus's rows (n, d), moved as the known ones moved from ``before`` (k, d)."""
    after = torch.stack(list(shifts.values()))  # (k, d)
    d = before.shape[1]
    matrix = torch.linalg.solve(before.T @ before + RIDGE * torch.eye(d), before.T @ after)
    left = (after - before @ matrix).square().sum() / after.square().sum()
    print(f"the regression explains {1 - left:.2f} of the known shifts")
    names = Names(shifts)
    rows = corpus.vectors + corpus.vectors @ matrix  # (n, d)
    n_found = 0
    for i, (text, kind) in enumerate(zip(corpus.texts, corpus.kinds, strict=True)):
        name = names.longest_in(text)
        if name is not None:
            n_found += 1
            rows[i] = corpus.vectors[i] + SHARE[kind] * shifts[name]
    print(f"{n_found} of {len(rows)} texts contain a name that moved")
    return rows


def follow(
    corpus: Corpus, texts: Sequence[str], before: Tensor, after: Tensor, known: Sequence[bool]
) -> Corpus:
    """Return the corpus with the targets' texts (m,), rows as they were and are now (m, d)."""
    shifts = {text: after[i] - before[i] for i, text in enumerate(texts) if known[i]}
    start = before[torch.tensor(known)]
    own = set(texts)
    rest = [i for i, text in enumerate(corpus.texts) if text not in own]
    weights = corpus.weights[rest]
    share = KNOWN * weights.sum() / len(shifts)
    kinds = ["sentence" if len(text.split()) > LONGEST_NAME else "name" for text in texts]
    return Corpus(
        [*(corpus.texts[i] for i in rest), *texts],
        [*(corpus.kinds[i] for i in rest), *kinds],
        np.concatenate([weights, np.where(known, share, RARE)]),
        F.normalize(torch.cat([moved_rows(corpus, start, shifts)[rest], after]), dim=1),
    )


def write_corpus(corpus: Corpus, folder: Path) -> None:
    """Write a corpus as ``distil_text.py`` reads it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "texts.tsv").open("w", encoding="utf-8", newline="\n") as file:
        for weight, kind, text in zip(corpus.weights, corpus.kinds, corpus.texts, strict=True):
            file.write(f"{weight:.4g}\t{kind}\t{text}\n")
    np.save(folder / "vectors.npy", corpus.vectors.numpy().astype(np.float16))


def main() -> None:
    """Write the corpus."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    run = open_run(arguments.config, arguments.data)
    state = read_checkpoint(newest(arguments.image))
    if "text_shift" not in state["student"]:
        raise SystemExit(f"{arguments.image}: its targets do not move")
    still, moved = read_vectors(Path(run.config.targets.vectors)), moved_vectors(run, state)
    # Names of the evaluation sets alone have no row, and pictures teach nothing about them.
    texts = [text for text in run.table.texts if text in still]
    known = [run.table.texts[text] < run.table.n_fixed for text in texts]
    groups = [[text] for text in texts]
    corpus = read_corpus(arguments.corpus)
    found = follow(corpus, texts, still.means(groups), moved.means(groups), known)
    write_corpus(found, arguments.out)
    print(f"{len(found.texts)} texts, {sum(known)} of them moved with the pictures")


if __name__ == "__main__":
    main()
