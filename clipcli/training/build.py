"""Putting a run's parts together: data, objective, student, score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from clipcli.errors import InputError
from clipcli.labels.templates import DEFAULT_TEMPLATES, template_set
from clipcli.models.tokenizer.clip import Tokenizer
from clipcli.training.config import TrainingConfig
from clipcli.training.data.packed import Pairs, open_packed
from clipcli.training.distributed.group import ProcessGroup
from clipcli.training.init import Start
from clipcli.training.log import Say
from clipcli.training.mini import (
    Targets,
    TargetTable,
    balance_offsets,
    classifier_by_vectors,
    let_texts_move,
)
from clipcli.training.objectives import PLAIN, Contrastive, ObjectiveFunction, pad_tokens
from clipcli.training.schedule import Budget
from clipcli.training.student import Student
from clipcli.training.zero_shot import MakeClassifier, Scorer, evaluation_sets

DEFAULT_EPOCHS, DEFAULT_STEPS = 10.0, 100  # whichever is longer
DEFAULT_BATCH = 128
NAME_TEMPLATES = (*template_set(DEFAULT_TEMPLATES), *PLAIN)
PROMPTS_AT_ONCE = 256


def make_budget(config: TrainingConfig, batches_per_epoch: int) -> Budget:
    """Return how long the run is."""
    if config.minutes is not None:
        return Budget(seconds=60 * config.minutes)
    if config.steps is not None:
        return Budget(steps=config.steps)
    if config.epochs is not None:
        return Budget(steps=max(1, round(config.epochs * batches_per_epoch)))
    return Budget(steps=max(DEFAULT_STEPS, round(DEFAULT_EPOCHS * batches_per_epoch)))


def with_batch_size(config: TrainingConfig, n_pairs: int, group: ProcessGroup) -> TrainingConfig:
    """Choose how many pairs make a step, where the configuration leaves it open."""
    if config.batch_size:
        return config
    share = max(1, min(DEFAULT_BATCH, n_pairs) // group.size)
    return replace(config, batch_size=share * group.size)


def split_held_out(pairs: Pairs, config: TrainingConfig) -> tuple[Pairs, Pairs | None]:
    """Return what to train on and what to score: a data set of its own, or a share of the data."""
    settings = config.evaluation
    if settings.data:
        return pairs, open_packed(Path(settings.data), "eval_pictures")
    n_held = min(int(len(pairs) * settings.held_out), settings.limit)
    if not n_held:
        return pairs, None
    rows = np.random.default_rng(config.seed).permutation(pairs.rows)
    held = replace(pairs.take(np.sort(rows[:n_held])), sources=["held out"] * len(pairs.sources))
    return pairs.take(np.sort(rows[n_held:])), held


def make_objective(
    pairs: Pairs,
    start: Start,
    config: TrainingConfig,
    table: TargetTable | None,
    device: torch.device,
    say: Say,
) -> ObjectiveFunction:
    """Return what the run minimises."""
    _check_said(pairs, config)
    if table is not None:
        offsets = balance_offsets(pairs, table, config)
        offsets = None if offsets is None else offsets.to(device)
        return Targets(pairs, table.to(device), config.targets, offsets)
    _tell_cut(pairs, start.tokenizer, say)
    return Contrastive(pairs, start.tokenizer, config.contrastive, NAME_TEMPLATES)


def _check_said(pairs: Pairs, config: TrainingConfig) -> None:
    """Refuse rows of which nothing is said."""
    has_targets = config.objective == "targets"
    silent = [
        row
        for row in pairs.rows.tolist()
        if not pairs.captions[row] and not (has_targets and pairs.concepts[row])
    ]
    if silent:
        raise InputError(
            f"{len(silent)} of {len(pairs)} pictures have no caption, "
            f"first {pairs.paths[silent[0]]}"
        )


def _tell_cut(pairs: Pairs, tokenizer: Tokenizer, say: Say) -> None:
    """Say which captions are longer than the text tower reads; it sees their beginning."""
    said = {text for row in pairs.rows.tolist() for text in pairs.captions[row]}
    # A token is a character at least, and two more mark start and end: most need no tokenizer.
    long = sorted(text for text in said if len(text.encode()) > tokenizer.context_length - 2)
    cut = [text for text in long if tokenizer.tokenize(text).is_cut]
    if cut:
        say(
            f"{len(cut)} of {len(said)} captions are cut to {tokenizer.context_length} tokens, "
            f"first {cut[0]!r}"
        )


def make_student(start: Start, config: TrainingConfig, table: TargetTable | None) -> Student:
    """Build the network, its logit scale as fixed if it is."""
    with_classifier = table is not None and config.targets.classifier > 0
    student = start.student(table.n_fixed if table and with_classifier else 0, config.seed)
    if table is not None and config.targets.pull > 0:
        let_texts_move(student, table.n_fixed)
    scale = config.targets.scale if table is not None else config.contrastive.scale
    if scale is not None:
        with torch.no_grad():
            student.clip.logit_scale.fill_(math.log(scale))
    return student


def make_scorer(
    held_out: Pairs | None, start: Start, config: TrainingConfig, table: TargetTable | None
) -> Scorer | None:
    """Return what scores the student on held-out pictures."""
    if held_out is None:
        return None
    path = config.evaluation.vectors or (
        config.targets.vectors if config.objective == "targets" else ""
    )
    by_names = classifier_by_vectors(path, table) if path else _by_tower(held_out, start, config)
    sets = list(evaluation_sets(held_out, config.evaluation.limit))
    return Scorer(held_out, sets, by_names, start.model.preprocessing)


def _by_tower(held_out: Pairs, start: Start, config: TrainingConfig) -> MakeClassifier:
    tokenizer = start.tokenizer
    are_names = all(held_out.are_names) and held_out.are_names
    templates = config.contrastive.templates or (NAME_TEMPLATES if are_names else PLAIN)

    def classifier(student: Student, classes: Sequence[Sequence[str]]) -> Tensor:
        """Average over names and templates, as `classify` does: (c, d)."""
        prompts = [[t.replace("{}", n) for n in names for t in templates] for names in classes]
        ids = [tokenizer.tokenize(text).ids for group in prompts for text in group]
        device = student.clip.logit_scale.device
        parts = [
            student.clip.encode_text(pad_tokens(ids[i : i + PROMPTS_AT_ONCE]).to(device))
            for i in range(0, len(ids), PROMPTS_AT_ONCE)
        ]
        rows = F.normalize(torch.cat(parts).float(), dim=1)
        groups = torch.split(rows, [len(group) for group in prompts])
        return F.normalize(torch.stack([group.mean(dim=0) for group in groups]), dim=1)

    return classifier
