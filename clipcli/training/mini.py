"""What only the bundled model ``mini`` is trained with: fixed text vectors as targets.

Its image tower learns, alone, to find a picture's name among the vectors that a teacher gave to all
concepts of a tree and to all captions (``objective: targets``; the recipe is in
``examples/train_mini``). Nobody else needs this file: training on pairs is in ``objectives``.
In order: vectors by text, the table of targets, targets that move, how often each is drawn, the
objective.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clipcli.errors import InputError
from clipcli.strict_json import Bounds, read_json
from clipcli.training.chunks import Towers
from clipcli.training.config import TargetsConfig, TrainingConfig
from clipcli.training.data.packed import Pairs
from clipcli.training.init import Start
from clipcli.training.losses import masked_cross_entropy, top1
from clipcli.training.objectives import Batch, Figures
from clipcli.training.student import Student
from clipcli.training.zero_shot import MakeClassifier

# A shift's own unit: a learning rate that suits weights is too fast for unit vectors.
SHIFT_UNIT = 0.1
# A name drawn less often than this share of the mean counts as if it were drawn so often: else
# what is hardly ever seen could be said of anything at no cost.
LEAST = 0.25
CONCEPTS = Bounds(n_bytes=64 * 1024**2, items=4_000_000)


class TextVectors:
    """Unit vectors by text."""

    def __init__(self, texts: Sequence[str], vectors: Tensor, source: str) -> None:
        self._row = {text: row for row, text in enumerate(texts)}
        self._vectors = F.normalize(vectors.float(), dim=1)  # (m, d)
        self._source = source
        self.width = vectors.shape[1]

    def __contains__(self, text: str) -> bool:
        """Tell whether a text has a vector."""
        return text in self._row

    def moved(self, rows: Mapping[str, int], shift: Tensor) -> TextVectors:
        """Return the vectors with those texts moved whose number has a row of ``shift`` (m, d)."""
        vectors = self._vectors.clone()
        step = SHIFT_UNIT * shift.detach().cpu()  # (m, d)
        for text, row in self._row.items():
            if rows.get(text, len(step)) < len(step):
                vectors[row] += step[rows[text]]
        return TextVectors(list(self._row), vectors, self._source)

    def means(self, groups: Sequence[Sequence[str]]) -> Tensor:
        """Return a unit row for each group of texts, the mean over those known: (g, d)."""
        rows = [[self._row[text] for text in texts if text in self._row] for texts in groups]
        missing = [texts for texts, known in zip(groups, rows, strict=True) if not known]
        if missing:
            raise InputError(
                f"{self._source}: {len(missing)} of {len(groups)} names have no vector, "
                f"first {'|'.join(missing[0])!r}",
                hint="add their vectors to the file",
            )
        return F.normalize(torch.stack([self._vectors[known].mean(dim=0) for known in rows]), dim=1)


def read_vectors(path: Path) -> TextVectors:
    """Read a vectors file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            texts, vectors = file["texts"].tolist(), torch.from_numpy(file["vectors"].astype("f4"))
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{path}: not a vectors file ({error})", hint="an .npz with `texts` and `vectors`"
        ) from error
    return TextVectors(texts, vectors, str(path))


@dataclass(frozen=True, slots=True)
class TargetTable:
    """What pictures are compared with: all concepts, and captions of pictures without concepts.

    Rows come in this order: concepts, common captions, rare captions. The first two are candidates
    for every picture; a rare caption only where a picture of the batch has it.
    """

    vectors: Tensor  # (m, d)
    related: Tensor  # bool (m, m): where the row is the target, the column is no negative
    captions: Mapping[str, int]  # caption -> row
    kinds: Mapping[str, tuple[int, ...]]  # caption -> concepts that are true of it
    n_fixed: int  # concepts and common captions
    texts: Mapping[str, int]  # every concept's names and every caption -> row

    def to(self, device: torch.device) -> TargetTable:
        """Return the table on a device."""
        return replace(self, vectors=self.vectors.to(device), related=self.related.to(device))

    def moved(self, shift: Tensor | None) -> Tensor:
        """Return the vectors (m, d), the first of them moved by ``shift`` (n_fixed, d)."""
        if shift is None:
            return self.vectors
        first = F.normalize(self.vectors[: len(shift)] + SHIFT_UNIT * shift, dim=1)
        return torch.cat([first, self.vectors[len(shift) :]])

    def truths(self, captions: Sequence[str], concepts: Sequence[int]) -> Truths:
        """Return which rows are true of a picture."""
        said = tuple(self.captions[text] for text in captions if text in self.captions)
        general = tuple(sorted({c for text in captions for c in self.kinds.get(text, ())}))
        if concepts:
            return Truths((concepts[0],), (*concepts[1:], *said))
        return Truths(said, general)


@dataclass(frozen=True, slots=True)
class Truths:
    """Rows that are true of a picture: what it is called, and what else is no mistake."""

    names: tuple[int, ...]
    general: tuple[int, ...]


def build_targets(pairs: Pairs, vectors: TextVectors, config: TargetsConfig) -> TargetTable:
    """Collect the vectors of all concepts and of the captions of rows without concepts."""
    tree = read_json(Path(config.concepts), InputError, CONCEPTS)
    names = [node["names"] for node in tree["nodes"]]
    highest = max((max(true) for true in set(pairs.concepts) if true), default=-1)
    if highest >= len(names):
        raise InputError(
            f"{config.concepts}: {len(names)} concepts, but the data names number {highest}",
            hint="pack the data with the same concepts file",
        )
    counts = _lone_captions(pairs)
    lone = sorted(counts, key=lambda text: (counts[text] < config.common, text))
    rows = vectors.means([*names, *([text] for text in lone)])  # (m, d)
    captions = {text: len(names) + i for i, text in enumerate(lone)}
    kinds = _read_kinds(Path(config.kinds)) if config.kinds else {}
    related = rows @ rows.T >= config.near  # (m, m)
    for entry in tree["classes"]:
        # A picture of a dog may well be one of a beagle: what is below is no negative either.
        related[entry["true_nodes"], entry["node"]] = True
    for text, row in captions.items():
        above = list(kinds.get(text, ()))
        related[above, row] = True
        related[row, above] = True
    n_common = sum(count >= config.common for count in counts.values())
    # Of a name that several concepts have, the first counts.
    texts = captions | {name: i for i in reversed(range(len(names))) for name in names[i]}
    return TargetTable(rows, related, captions, kinds, len(names) + n_common, texts)


def _lone_captions(pairs: Pairs) -> Counter[str]:
    lone = (pairs.captions[row] for row in pairs.rows if not pairs.concepts[row])
    return Counter(caption for captions in lone for caption in captions)


def _read_kinds(path: Path) -> dict[str, tuple[int, ...]]:
    """Read which concepts are true of a caption: ``caption<TAB>numbers`` below a header."""
    with path.open(encoding="utf-8") as lines:
        next(lines, None)
        cells = [line.rstrip("\n").split("\t") for line in lines]
    return {text: tuple(int(c) for c in numbers.split(",") if c) for text, numbers in cells}


def make_targets(pairs: Pairs, start: Start, config: TrainingConfig) -> TargetTable | None:
    """Read the fixed text vectors, where the objective has them."""
    if config.objective != "targets":
        return None
    vectors = read_vectors(Path(config.targets.vectors))
    if vectors.width != (width := start.model.architecture.embed_dim):
        raise InputError(
            f"{config.targets.vectors}: vectors have {vectors.width} numbers, the model's {width}"
        )
    return build_targets(pairs, vectors, config.targets)


def let_texts_move(student: Student, n_texts: int) -> None:
    """Train, besides the network, where the first ``n_texts`` text targets are.

    Their shift (n_texts, d) becomes a parameter of the student, so that checkpoints hold it.
    """
    shift = torch.zeros(n_texts, student.architecture.embed_dim)
    student.register_parameter("text_shift", nn.Parameter(shift))


def text_shift(student: Student) -> nn.Parameter | None:
    """Return how far text targets have moved, in units of :data:`SHIFT_UNIT`; None: they stay."""
    shift: nn.Parameter | None = getattr(student, "text_shift", None)
    return shift


def classifier_by_vectors(path: str, table: TargetTable | None) -> MakeClassifier:
    """Return what makes a classifier of fixed vectors, read from a file."""
    vectors = read_vectors(Path(path))

    def classifier(student: Student, classes: Sequence[Sequence[str]]) -> Tensor:
        """Average over names, those that moved where they are now: (c, d)."""
        shift = text_shift(student)
        if shift is None or table is None:
            return vectors.means(classes)
        return vectors.moved(table.texts, shift).means(classes)

    return classifier


def balance_offsets(pairs: Pairs, table: TargetTable, config: TrainingConfig) -> Tensor | None:
    """Return what is added to each target's logit in training alone, float32 (m,).

    With ``balance`` 1 that is the logarithm of how often a target is drawn: the network then learns
    what tells names apart, and not which are frequent (Menon et al. 2020, arXiv:2007.07314).
    """
    if not config.targets.balance:
        return None
    expected = _expected_draws(pairs, table, config.targets.ancestors, config.sources)  # (m,)
    fixed = expected[: table.n_fixed]
    shares = np.maximum(fixed, LEAST * fixed.mean()) / fixed.sum()
    # A rare caption is a candidate only beside a picture of its own: one row of the batch in all.
    rare = np.full(len(expected) - len(fixed), 1 / max(1, config.batch_size))
    offsets = config.targets.balance * np.log(np.concatenate([shares, rare]))
    return torch.from_numpy(offsets.astype(np.float32))


def _expected_draws(
    pairs: Pairs, table: TargetTable, general_share: float, weights: Mapping[str, float]
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return how often each target is drawn in an epoch: float64 (m,)."""
    said: defaultdict[tuple[tuple[str, ...], tuple[int, ...]], float] = defaultdict(float)
    for row in pairs.rows.tolist():
        said[pairs.captions[row], pairs.concepts[row]] += weights.get(pairs.sources[row], 1.0)
    draws = np.zeros(len(table.vectors))
    for (captions, concepts), weight in said.items():
        own = table.truths(captions, concepts)
        general = general_share if own.general else 0.0
        draws[list(own.names)] += weight * (1 - general) / len(own.names)
        if own.general:
            draws[list(own.general)] += weight * general / len(own.general)
    return draws


class Targets:
    """Pictures find their name among all concepts and captions, whose vectors are fixed."""

    def __init__(
        self,
        pairs: Pairs,
        table: TargetTable,
        config: TargetsConfig,
        offsets: Tensor | None = None,
    ) -> None:
        self._pairs = pairs
        self._table = table
        self._config = config
        self._offsets = offsets  # (m,), what evens out how frequent the targets are

    def __call__(self, towers: Towers, batch: Batch) -> tuple[Tensor, Figures]:
        """Add the loss against the vectors and that of the classifier."""
        embeddings, logits = towers.images(batch.pixels)
        device = embeddings.device
        truths = [self._truths(row) for row in batch.rows.tolist()]
        names = [_one_of(own.names, batch.draw) for own in truths]
        drawn = [
            self._maybe_general(n, own, batch.draw) for n, own in zip(names, truths, strict=True)
        ]
        columns = self._columns(drawn)  # (c,), numbers of the table's rows
        own = self._mask(truths)  # (n, m)
        place = {row: i for i, row in enumerate(columns)}
        target = torch.tensor([place[row] for row in drawn], device=device)  # (n,)
        chosen = torch.tensor(columns, device=device)
        images = self._config.scale * F.normalize(embeddings.float(), dim=1)  # (n, d)
        vectors = self._table.moved(text_shift(towers.student))  # (m, d)
        similarity = images @ vectors[chosen].T  # (n, c)
        ignored = (own | self._table.related[torch.tensor(drawn, device=device)])[:, chosen]
        even = similarity if self._offsets is None else similarity + self._offsets[chosen]
        loss = masked_cross_entropy(even, target, ignored).mean()
        figures = {"accuracy": top1(similarity.detach(), target, ignored)}
        moves = text_shift(towers.student)
        if moves is not None:
            shift = SHIFT_UNIT * moves  # (n_fixed, d)
            figures["shift"] = shift.detach().norm(dim=1).mean()
            loss = loss + self._config.pull * shift.square().sum()
        if logits is not None:
            auxiliary = self._classifier_loss(logits, names, own)
            figures |= {"targets_loss": loss.detach(), "classifier_loss": auxiliary.detach()}
            loss = loss + self._config.classifier * auxiliary
        return loss, figures

    def _classifier_loss(self, logits: Tensor, names: Sequence[int], own: Tensor) -> Tensor:
        """Average over the pictures whose name is a class: (n, classes) -> ()."""
        n_classes = logits.shape[1]
        known = [i for i, row in enumerate(names) if row < n_classes]
        if not known:
            return logits.sum() * 0
        first = torch.tensor([names[i] for i in known], device=logits.device)
        ignored = own[known, :n_classes] | self._table.related[first, :n_classes]
        return masked_cross_entropy(logits[known], first, ignored).mean()

    def _truths(self, row: int) -> Truths:
        return self._table.truths(self._pairs.captions[row], self._pairs.concepts[row])

    def _maybe_general(self, name: int, own: Truths, draw: np.random.Generator) -> int:
        if own.general and draw.random() < self._config.ancestors:
            return _one_of(own.general, draw)
        return name

    def _columns(self, targets: Sequence[int]) -> list[int]:
        n_fixed = self._table.n_fixed
        return [*range(n_fixed), *sorted({row for row in targets if row >= n_fixed})]

    def _mask(self, truths: Sequence[Truths]) -> Tensor:
        mask = np.zeros((len(truths), len(self._table.vectors)), dtype=bool)
        for i, own in enumerate(truths):
            mask[i, [*own.names, *own.general]] = True
        return torch.from_numpy(mask).to(self._table.vectors.device)


def _one_of(rows: Sequence[int], draw: np.random.Generator) -> int:
    return rows[int(draw.integers(len(rows)))] if len(rows) > 1 else rows[0]
