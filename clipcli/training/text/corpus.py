"""A corpus for a text tower: texts, and the vectors of a teacher.

It is a folder with ``texts.tsv`` (weight, kind, text) and ``vectors.npy``; an ``.npz`` with
``texts`` and ``vectors``; or, where the teacher is a model, a ``.txt`` of one text a line or a
``.tsv`` of texts, each with the one that the teacher reads in its place (a translation).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from clipcli.encoder.torch.load import load_model
from clipcli.errors import InputError, UsageError
from clipcli.files import read_regular
from clipcli.models.source import ModelSource
from clipcli.training.objectives import pad_tokens

MAX_BYTES = 1024**3  # of texts; ten million fit
AT_ONCE = 256  # texts that the teacher reads together


@dataclass(frozen=True, slots=True)
class Corpus:
    """Texts with their kind, how often each is drawn, and the teacher's unit rows."""

    texts: Sequence[str]
    kinds: Sequence[str]
    weights: np.ndarray[Any, np.dtype[np.float64]]  # (n,)
    vectors: Tensor  # (n, d)


def open_corpus(path: Path, teacher: ModelSource | None, templates: Sequence[str]) -> Corpus:
    """Read a corpus of any kind; without vectors of its own it needs a teacher.

    Raises
    ------
    InputError
        If it cannot be read, or texts and vectors do not match.
    """
    if path.is_dir():
        return read_corpus(path)
    if path.suffix.lower() == ".npz":
        return _read_vectors(path)
    pairs = _read_texts(path)
    if teacher is None:
        raise UsageError(
            f"{path}: has no vectors, and no teacher is named", hint="name one with --model"
        )
    read = [[t.replace("{}", text) for t in templates] for _, text in pairs]
    vectors = teacher_vectors(teacher, read)
    return Corpus([text for text, _ in pairs], ["name"] * len(pairs), np.ones(len(pairs)), vectors)


def read_corpus(folder: Path) -> Corpus:
    """Read ``texts.tsv`` (weight, kind, text) and ``vectors.npy`` (n, d)."""
    try:
        lines = read_regular(folder / "texts.tsv", InputError, MAX_BYTES).decode().splitlines()
        found = np.load(folder / "vectors.npy")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder}: not a corpus ({error})", hint="a folder with texts.tsv and vectors.npy"
        ) from error
    rows = [line.split("\t") for line in lines]
    if wrong := next((i for i, row in enumerate(rows, start=1) if len(row) != 3), None):
        raise InputError(f"{folder / 'texts.tsv'}:{wrong}: expected weight, kind and text")
    weights = np.array([float(row[0]) for row in rows])
    vectors = _unit_rows(found, len(rows), folder)
    return Corpus([row[2] for row in rows], [row[1] for row in rows], weights, vectors)


def _read_vectors(path: Path) -> Corpus:
    try:
        with np.load(path, allow_pickle=False) as file:
            texts, vectors = file["texts"].tolist(), file["vectors"]
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{path}: not a vectors file ({error})", hint="an .npz with `texts` and `vectors`"
        ) from error
    rows = _unit_rows(vectors, len(texts), path)
    return Corpus(texts, ["name"] * len(texts), np.ones(len(texts)), rows)


def _unit_rows(vectors: Any, n_texts: int, path: Path) -> Tensor:
    if len(vectors) != n_texts:
        raise InputError(f"{path}: {n_texts} texts, but {len(vectors)} vectors")
    return F.normalize(torch.from_numpy(vectors.astype(np.float32)), dim=1)


def _read_texts(path: Path) -> list[tuple[str, str]]:
    """Read texts and what the teacher reads: the same, unless a second column says otherwise."""
    try:
        lines = read_regular(path, InputError, MAX_BYTES).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text") from error
    pairs = []
    for number, line in enumerate(lines, start=1):
        cells = [cell.strip() for cell in line.split("\t")]
        if not line.strip():
            continue
        if len(cells) > 2 or not all(cells):
            raise InputError(f"{path}:{number}: expected a text, or two with a tab between them")
        pairs.append((cells[0], cells[-1]))
    if not pairs:
        raise InputError(f"{path}: no texts in it")
    return pairs


@torch.no_grad()
def teacher_vectors(teacher: ModelSource, groups: Sequence[Sequence[str]]) -> Tensor:
    """Return a unit row for each group of texts, the mean of theirs: (g, d)."""
    model, tokenizer = load_model(teacher).eval(), teacher.read_tokenizer()
    ids = [tokenizer.tokenize(text).ids for group in groups for text in group]
    # Rows of one length need no padding.
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    rows = torch.empty((len(ids), teacher.config.architecture.embed_dim))
    for begin in range(0, len(order), AT_ONCE):
        part = order[begin : begin + AT_ONCE]
        rows[part] = F.normalize(model.encode_text(pad_tokens([ids[i] for i in part])), dim=1)
    parts = torch.split(rows, [len(group) for group in groups])
    return F.normalize(torch.stack([part.mean(dim=0) for part in parts]), dim=1)
