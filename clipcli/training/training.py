"""This file knows about a whole training run: data and configuration in, a model folder out."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from clipcli.errors import OutputExistsError
from clipcli.model.device import resolve_device
from clipcli.training.assemble import (
    make_budget,
    make_objective,
    make_scorer,
    make_student,
    make_targets,
    split_held_out,
    with_templates,
)
from clipcli.training.batches import Batches
from clipcli.training.checkpoint import checkpoint_paths
from clipcli.training.config import TrainingConfig
from clipcli.training.finish import write_model
from clipcli.training.journal import Advance, Journal, Say
from clipcli.training.loop import Run
from clipcli.training.open_data import open_data
from clipcli.training.precision import training_precision
from clipcli.training.start import starting_point
from clipcli.training.state import TrainingState
from clipcli.version import __version__
from clipcli.weights import ModelFolder


def train(
    data: Path,
    out: Path,
    config: TrainingConfig,
    *,
    init: str | None = None,
    say: Say = print,
    say_every_s: float = 10.0,
    advance: Advance | None = None,
) -> ModelFolder:
    """Train on ``data`` and write ``out/model``; go on from ``out/checkpoints`` if there are any.

    Raises
    ------
    InputError
        If the data cannot be used.
    DivergedError
        If the loss stops being a number.
    KeyboardInterrupt
        After Ctrl-C or SIGTERM, with the state kept.
    """
    _use_threads()
    device = resolve_device(config.device)
    config = with_templates(config, data)
    _check_out(out)
    start = starting_point(config, init)
    if config.objective == "contrastive":
        start, loss = start.for_loss(config.contrastive.loss)
        config = replace(config, contrastive=replace(config.contrastive, loss=loss))
    pairs = open_data(data, out / "pictures", start.model.preprocessing, say)
    pairs, held_out = split_held_out(pairs, config)
    table = make_targets(pairs, start, config)
    state = TrainingState(config, make_student(start, config, table), device)
    batches = Batches(config, pairs, start.model.preprocessing)
    journal = Journal(out / "log.jsonl", say, say_every_s, advance)
    run = Run(
        config,
        state,
        batches,
        make_objective(pairs, start, config, table, device, say),
        make_budget(config, batches.order.batches_per_epoch),
        out / "checkpoints",
        journal,
        native_px=start.model.preprocessing.size,
        scorer=make_scorer(held_out, start, config),
        precision=training_precision(config.precision, device),
    )
    try:
        journal.record(event="start", **_provenance(data, run, state, len(pairs)))
        run.resume()
        run.run()
    finally:
        journal.close()
    return write_model(out / "model", state, start, config, len(pairs), run.last_scores)


def _check_out(out: Path) -> None:
    """Refuse to replace a model that no run in this folder has made."""
    model = out / "model"
    if model.exists() and not checkpoint_paths(out / "checkpoints"):
        raise OutputExistsError(
            f"{model}: already exists, and {out} has no run to go on with",
            hint="choose another --out",
        )


def _provenance(data: Path, run: Run, state: TrainingState, n_pictures: int) -> dict[str, Any]:
    return {
        "version": __version__,
        "torch": str(torch.__version__),
        "data": str(data),
        "pictures": n_pictures,
        "parameters": sum(p.numel() for p in state.student.parameters()),
        "trained_parameters": sum(p.numel() for p in state.trained),
        "device": str(run.device),
        "precision": run.precision,
        "threads": torch.get_num_threads(),
        "config": asdict(run.config),
    }


def _use_threads() -> None:
    """Obey OMP_NUM_THREADS even where torch was imported before it was set."""
    if threads := os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]:
        torch.set_num_threads(int(threads))
