"""A whole training run: data and configuration in, a model folder out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from clipcli.errors import ClipcliError, ExitCode, OutputExistsError, UsageError
from clipcli.models.fingerprint import ModelFolder
from clipcli.models.folder import open_model_folder
from clipcli.training.build import (
    make_budget,
    make_objective,
    make_scorer,
    make_student,
    split_held_out,
    with_batch_size,
)
from clipcli.training.checkpoint import checkpoint_paths
from clipcli.training.config import SourceConfig, TrainingConfig
from clipcli.training.data.batches import Batches
from clipcli.training.data.open import open_data, source_weights
from clipcli.training.distributed.group import ALONE, LostPeerError, ProcessGroup, peer_error
from clipcli.training.distributed.launch import device_of
from clipcli.training.export import write_model
from clipcli.training.init import Start, starting_point
from clipcli.training.lock import locked
from clipcli.training.log import Advance, RunLog, Say, SilentLog
from clipcli.training.loop import Run
from clipcli.training.mini import make_targets
from clipcli.training.schedule import short_warmup, training_precision
from clipcli.training.state import TrainingState
from clipcli.version import __version__

BLEND = 0.5  # of a fine-tuned model


def train(
    data: Path | Sequence[Path],
    out: Path,
    config: TrainingConfig,
    *,
    init: str | None = None,
    say: Say = print,
    say_every_s: float = 10.0,
    advance: Advance | None = None,
    group: ProcessGroup = ALONE,
) -> ModelFolder:
    """Train on ``data``, or if there is none on the configuration's, and write ``out/model``.

    Goes on from ``out/checkpoints`` if there are any.

    Raises
    ------
    InputError
        If the data cannot be used.
    DivergedError
        If the loss stops being a number.
    KeyboardInterrupt
        After Ctrl-C or SIGTERM, with the state kept.
    PeerError
        In a process that is not the group's first, where the first says what is wrong.
    """
    use_threads()
    paths = [data] if isinstance(data, Path) else data
    if paths:
        config = replace(config, data=tuple(SourceConfig(str(path)) for path in paths))
    if not config.data:
        raise UsageError("no data is named", hint="name it, or `data` in the configuration")

    def prepare() -> Prepared:
        if not group.is_first:
            return prepare_run(out, config, init, SilentLog(), group)
        stack.enter_context(locked(out))
        log = RunLog(out / "log.jsonl", say, say_every_s, advance)
        stack.callback(log.close)
        return prepare_run(out, config, init, log, group)

    with ExitStack() as stack:
        ready = group.first_first(prepare)
        try:
            return _run(ready, out, group)
        except (ClipcliError, KeyboardInterrupt) as error:
            if group.is_first or isinstance(error, LostPeerError):
                raise
            # All processes meet the same end, and one of them tells.
            raise peer_error(getattr(error, "exit_code", ExitCode.INTERRUPTED)) from error


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that can begin, and what its end needs."""

    run: Run
    start: Start
    config: TrainingConfig
    n_pictures: int


def prepare_run(
    out: Path,
    config: TrainingConfig,
    init: str | None,
    log: RunLog,
    group: ProcessGroup,
) -> Prepared:
    """Open data and model, and put a run together; what cannot work is refused here."""
    device = device_of(config.device, group)
    _check_out(out)
    start = starting_point(config, init)
    config = _with_defaults(config, start)
    if config.objective == "contrastive":
        start, loss = start.for_loss(config.contrastive.loss)
        config = replace(config, contrastive=replace(config.contrastive, loss=loss))
    config = replace(config, sources=source_weights(config.data, config.sources))
    pairs = open_data(config.data, out / "pictures", start.model.preprocessing, log.say)
    pairs, held_out = split_held_out(pairs, config)
    table = make_targets(pairs, start, config)
    precision = training_precision(config.precision, device)
    config = with_batch_size(config, len(pairs), group)
    batches = Batches(config, pairs, start.model.preprocessing, group)
    budget = make_budget(config, batches.order.batches_per_epoch)
    config = replace(config, optimiser=short_warmup(config.optimiser, budget))
    run = Run(
        config,
        TrainingState(config, make_student(start, config, table), device, precision, group),
        batches,
        make_objective(pairs, start, config, table, device, log.say),
        budget,
        out / "checkpoints",
        log,
        native_px=start.model.preprocessing.size,
        scorer=make_scorer(held_out, start, config, table),
        precision=precision,
        group=group,
    )
    return Prepared(run, start, config, len(pairs))


def _with_defaults(config: TrainingConfig, start: Start) -> TrainingConfig:
    """Fill in what suits fine-tuning, or a beginning from nothing."""
    is_tuning = start.weights is not None
    if config.blend is None:
        config = replace(config, blend=BLEND if is_tuning and not start.has_new_head else 1.0)
    if config.frozen_statistics is None:
        config = replace(config, frozen_statistics=is_tuning)
    return config


def _run(ready: Prepared, out: Path, group: ProcessGroup) -> ModelFolder:
    run = ready.run
    run.log.record(event="start", **_provenance(run, run.state, ready.n_pictures))
    run.resume()
    run.run()

    def finish() -> ModelFolder:
        if not group.is_first:
            return open_model_folder(out / "model")
        return write_model(
            out / "model", run.state, ready.start, ready.config, ready.n_pictures, run.last_scores
        )

    return group.first_first(finish)


def _check_out(out: Path) -> None:
    """Refuse to replace a model that no run in this folder has made."""
    model = out / "model"
    if model.exists() and not checkpoint_paths(out / "checkpoints"):
        raise OutputExistsError(
            f"{model}: already exists, and {out} has no run to go on with",
            hint="choose another --out",
        )


def _provenance(run: Run, state: TrainingState, n_pictures: int) -> dict[str, Any]:
    return {
        "version": __version__,
        "torch": str(torch.__version__),
        "data": [source.path for source in run.config.data],
        "pictures": n_pictures,
        "parameters": sum(p.numel() for p in state.student.parameters()),
        "trained_parameters": sum(p.numel() for p in state.trained),
        "device": str(run.device),
        "precision": run.precision,
        "threads": torch.get_num_threads(),
        "processes": run.group.size,
        "config": asdict(run.config),
    }


def use_threads() -> None:
    """Obey OMP_NUM_THREADS even where torch was imported before it was set."""
    if threads := os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]:
        torch.set_num_threads(int(threads))
