"""How often each text target is drawn, and what evens that out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from clipcli.errors import InputError
from clipcli.strict_json import Bounds, read_json
from clipcli.training.config import TargetsConfig, TrainingConfig
from clipcli.training.data.packed import Pairs

# A name drawn less often than this share of the mean counts as if it were drawn so often: else
# what is hardly ever seen could be said of anything at no cost.
LEAST = 0.25
CONCEPTS = Bounds(n_bytes=64 * 1024**2, items=4_000_000)


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


# A shift's own unit: a learning rate that suits weights is too fast for unit vectors.
SHIFT_UNIT = 0.1


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
