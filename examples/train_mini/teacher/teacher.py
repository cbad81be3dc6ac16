"""The teacher: for any text, nearly the vector that CLIP would give it.

Real CLIP text vectors exist for about three thousand names. For every other text they are
filled in by kernel ridge regression from a sentence encoder, which sees the text and,
for a name, WordNet's gloss. All is centred and turned to a few hundred dimensions.

    python -m teacher.teacher --clip clip_vit_b32_text.npz    (tells how good it is)
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from teacher.sentences import SentenceEncoder
from teacher.wordnet import describe, read_senses, read_synsets, visible

GLOSS_SHARE = 1.0  # weight of the gloss beside the bare name
KERNEL = {"name": 0.5, "text": 1.5}  # exp(-k * squared distance), by five-fold cross-validation
RIDGE = 0.05
CHUNK = 4096


def unit(rows: np.ndarray) -> np.ndarray:
    """Return rows at length one; a row of zeros stays."""
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-8)


def read_clip_vectors(path: Path) -> dict[str, np.ndarray]:
    """Return name -> unit vector (512,); each source (its own prompt) is centred by itself."""
    table = np.load(path)
    vectors = unit(table["vectors"].astype(np.float32))
    for source in np.unique(table["source"]):
        rows = table["source"] == source
        vectors[rows] -= vectors[rows].mean(0)
    rows_of: dict[str, list[np.ndarray]] = {}
    for name, vector in zip(table["names"], unit(vectors), strict=True):
        rows_of.setdefault(clean(str(name)), []).append(vector)
    return {name: unit(np.mean(rows, axis=0)) for name, rows in rows_of.items()}


def clean(name: str) -> str:
    """Return the name in lower case, without underscores and double spaces."""
    return " ".join(name.lower().replace("_", " ").split())


class Glosses:
    """WordNet's description of a name, or the name itself."""

    def __init__(self, folder: Path) -> None:
        self.synsets = read_synsets(folder)
        self.senses = read_senses(folder)
        self.visible = visible(self.synsets)

    def of(self, name: str, offset: str | None = None) -> str:
        """Describe ``name`` by the given meaning, else by its most usual visible one."""
        if offset is not None and offset in self.synsets:
            return describe(self.synsets[offset], name, self.synsets)
        words = name.split(" (", maxsplit=1)[0].split()
        tries = (name, " ".join(words), " ".join(words).rstrip("s"), words[-1] if words else "")
        for word in tries:
            for sense, _ in self.senses.get(word, ()):
                if sense in self.visible:
                    return describe(self.synsets[sense], name, self.synsets)
        return name


class KernelRidge:
    """Smooth regression: every answer is a mixture of the vectors of similar names."""

    def __init__(self, inputs: np.ndarray, outputs: np.ndarray, kernel: float) -> None:
        self.inputs, self.kernel, self.mean = inputs, kernel, outputs.mean(0)
        gram = self._gram(inputs)  # (m, m)
        self.weights = np.linalg.solve(
            gram + RIDGE * np.eye(len(inputs), dtype=np.float32), outputs - self.mean
        )  # (m, 512)

    def _gram(self, rows: np.ndarray) -> np.ndarray:
        squares = (rows**2).sum(1)[:, None] + (self.inputs**2).sum(1)[None]
        return np.exp(-self.kernel * (squares - 2 * rows @ self.inputs.T)).astype(np.float32)

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Return unit vectors (n, 512)."""
        parts = [rows[i : i + CHUNK] for i in range(0, len(rows), CHUNK)]
        return unit(np.concatenate([self._gram(p) @ self.weights + self.mean for p in parts]))


class Teacher:
    """Vectors for names (with glosses) and for free text, in the space of the student."""

    def __init__(self, clip: Path, wordnet: Path, dim: int) -> None:
        self.glosses = Glosses(wordnet)
        self.encoder = SentenceEncoder()
        self.known = read_clip_vectors(clip)
        names, outputs = list(self.known), np.stack(list(self.known.values()))
        self.by_name = KernelRidge(self._name_inputs(names), outputs, KERNEL["name"])
        self.by_text = KernelRidge(self._text_inputs(names), outputs, KERNEL["text"])
        _, scales, axes = np.linalg.svd(outputs, full_matrices=False)
        self.axes = axes[:dim].T  # (512, d)
        self.kept = float((scales[:dim] ** 2).sum() / (scales**2).sum())

    def _text_inputs(self, texts: Sequence[str]) -> np.ndarray:
        return self.encoder.encode(texts)  # (n, 384)

    def _name_inputs(
        self, names: Sequence[str], offsets: Sequence[str | None] | None = None
    ) -> np.ndarray:
        offsets = offsets or [None] * len(names)
        glosses = [self.glosses.of(n, o) for n, o in zip(names, offsets, strict=True)]
        gloss_rows = GLOSS_SHARE * self.encoder.encode(glosses)
        return np.hstack([self._text_inputs(names), gloss_rows])  # (n, 768)

    def full_names(
        self, names: Sequence[str], offsets: Sequence[str | None] | None = None
    ) -> np.ndarray:
        """Return (n, 512): the real vector where there is one, the regression elsewhere."""
        names = [clean(name) for name in names]
        rows = self.by_name(self._name_inputs(names, offsets))
        for i, name in enumerate(names):
            if name in self.known:
                rows[i] = self.known[name]
        return rows

    def names(
        self, names: Sequence[str], offsets: Sequence[str | None] | None = None
    ) -> np.ndarray:
        """Return unit vectors (n, d) for the names of things."""
        return unit(self.full_names(names, offsets) @ self.axes).astype(np.float32)

    def texts(self, texts: Sequence[str], heads: Sequence[str]) -> np.ndarray:
        """Return unit vectors (n, d) for free text; a head noun ("" for none) is kept exact.

        "red car" is what the regression makes of it, moved by what it gets wrong about "car".
        """
        rows = self.by_text(self._text_inputs([clean(text) for text in texts]))
        unique = sorted({head for head in heads if head})
        if unique:
            wrong = self.full_names(unique) - self.by_text(self._text_inputs(unique))
            place = {head: i for i, head in enumerate(unique)}
            rows = rows + np.stack(
                [wrong[place[head]] if head else np.zeros(512, np.float32) for head in heads]
            )
        return unit(unit(rows) @ self.axes).astype(np.float32)

    def cross_validate(self, folds: int = 5) -> dict[str, float]:
        """Hold names out in turn; return the cosine and how often the right name is nearest."""
        names, outputs = list(self.known), np.stack(list(self.known.values()))
        report = {}
        for kind, inputs in (
            ("name", self._name_inputs(names)),
            ("text", self._text_inputs(names)),
        ):
            guesses = np.empty_like(outputs)
            order = np.random.default_rng(0).permutation(len(names))
            for held in np.array_split(order, folds):
                rest = np.setdiff1d(order, held)
                guesses[held] = KernelRidge(inputs[rest], outputs[rest], KERNEL[kind])(inputs[held])
            scores = guesses @ outputs.T  # (m, m)
            rank = (scores > np.diag(scores)[:, None]).sum(1)
            report[f"{kind}: cosine"] = float(np.diag(scores).mean())
            report[f"{kind}: nearest of {len(names)}"] = float((rank == 0).mean())
            report[f"{kind}: among five"] = float((rank < 5).mean())
        return report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every script with a teacher needs to know."""
    parser.add_argument("--clip", type=Path, required=True, help="CLIP text vectors (.npz)")
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"))
    parser.add_argument("--dim", type=int, default=256)


def main() -> None:
    """Report how good the teacher is on names that it has not seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    arguments = parser.parse_args()
    teacher = Teacher(arguments.clip, arguments.wordnet, arguments.dim)
    print(f"{len(teacher.known)} names; {arguments.dim} dimensions keep {teacher.kept:.3f}")
    for what, value in teacher.cross_validate().items():
        print(f"{what}: {value:.3f}")


if __name__ == "__main__":
    main()
