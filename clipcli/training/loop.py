"""The training loop: steps, stages, checkpoints, scores, and a clean stop."""

from __future__ import annotations

import contextlib
import math
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clipcli.errors import ClipcliError, ExitCode, OutputError, UsageError
from clipcli.training.checkpoint import checkpoint_paths, read_checkpoint, write_checkpoint
from clipcli.training.chunks import Forward, Towers
from clipcli.training.config import TrainingConfig
from clipcli.training.data.batches import Batches
from clipcli.training.distributed.group import ALONE, ProcessGroup
from clipcli.training.log import RunLog
from clipcli.training.objectives import Figures, ObjectiveFunction
from clipcli.training.schedule import Budget, learning_rate, stage_size
from clipcli.training.signals import StopSignal
from clipcli.training.state import TrainingState
from clipcli.training.zero_shot import Scorer


class DivergedError(ClipcliError):
    """The loss is no longer a number."""

    exit_code = ExitCode.NOTHING_USABLE


class Run:
    """Drives a training state forward until its budget is spent."""

    def __init__(
        self,
        config: TrainingConfig,
        state: TrainingState,
        batches: Batches,
        objective: ObjectiveFunction,
        budget: Budget,
        checkpoints: Path,
        log: RunLog,
        *,
        native_px: int,
        scorer: Scorer | None = None,
        precision: str = "fp32",
        group: ProcessGroup = ALONE,
    ) -> None:
        self.config = config
        self.state = state
        self.batches = batches
        self.objective = objective
        self.budget = budget
        self.checkpoints = checkpoints
        self.log = log
        self.native_px = native_px
        self.scorer = scorer
        self.precision = precision
        self.group = group
        self.device = state.student.clip.logit_scale.device
        self.last_scores: dict[str, float] = {}
        self._towers = self._make_towers()

    @property
    def progress(self) -> float:
        """The share of the run that is done."""
        return self.budget.progress(self.state.step, self.state.seconds)

    def resume(self) -> bool:
        """Go on from the newest checkpoint, if there is one."""
        paths = checkpoint_paths(self.checkpoints)
        if paths:
            self.state.load_dict(read_checkpoint(paths[-1]), str(paths[-1]))
            self._towers = self._make_towers()
        self._check_same_step()
        if not paths:
            return False
        self.log.record(event="resume", step=self.state.step)
        self.log.say(f"going on from {paths[-1]}")
        return True

    def _check_same_step(self) -> None:
        """Refuse processes of several machines that do not see the same checkpoints."""
        highest, negative_lowest = self.group.highest(self.state.step, -self.state.step)
        if highest != -negative_lowest:
            raise UsageError(
                f"{self.checkpoints}: one process begins at step {-negative_lowest:.0f}, another "
                f"at step {highest:.0f}",
                hint="give an --out that all machines share",
            )

    def run(self) -> None:
        """Train to the end; on Ctrl-C or SIGTERM, keep the state and raise KeyboardInterrupt."""
        timer = _Timer()
        with StopSignal() as stop:
            while self.progress < 1:
                self._enter_stage()
                figures = self.train_step()
                self.state.seconds += timer.lap(self.config.batch_size)
                self.log.step(self.progress, partial(self._fields, figures, timer))
                # Processes must agree when to stop, or some would wait for the others for ever.
                agreed = self.group.highest(self.state.seconds, stop.is_set)
                self.state.seconds, is_stopped = agreed
                if is_stopped or self._is_checkpoint_due(timer):
                    self._save(is_needed=bool(is_stopped))
                if is_stopped:
                    raise KeyboardInterrupt
                if self.progress < 1 and timer.is_due("score", self.config.evaluation.minutes):
                    self.score()
                timer.restart_lap()
            self._save(is_needed=True)
        self.score()

    def train_step(self) -> Figures:
        """Take one step and return its figures; nothing has changed if the loss diverged."""
        state = self.state
        batch = self.batches.make(state.step, state.size_px, self.device)
        with self.autocast():
            loss, figures = self.objective(self._towers, batch)
        self._check(loss)
        norm = state.backward(loss)
        if not state.may_skip:
            self._check(norm)
        rate = learning_rate(self.config.optimiser, state.step, self.progress)
        state.update(rate)
        state.update_average(self.progress)
        return {"loss": loss.detach(), "lr": torch.tensor(rate), **figures}

    def _enter_stage(self) -> None:
        size = stage_size(self.config.stages, self.progress, self.native_px)
        if size != self.state.size_px:
            self.state.resize(size)
            self._towers = self._make_towers()
            self.log.record(event="stage", step=self.state.step, size_px=size)
            self.log.say(f"step {self.state.step}: pictures of {size} px from here on")

    def _make_towers(self) -> Towers:
        student, forward = self.state.student, self.state.student
        compiled: Forward = (
            torch.compile(forward, dynamic=False) if self.config.compile else forward
        )
        return Towers(student, compiled, self.config.chunk_size, self.group)

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Compute in bf16 or fp16 where that was chosen; weights stay fp32."""
        dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self.precision)
        return torch.autocast(self.device.type, dtype=dtype, enabled=dtype is not None)

    def _check_weights(self) -> None:
        """Keep weights that have run away from taking the place of good ones on disk."""
        for parameter in self.state.trained:
            self._check(parameter.detach().sum())

    def _check(self, value: Tensor) -> None:
        if math.isfinite(found := value.item()):
            return
        latest = checkpoint_paths(self.checkpoints)[-1:]
        kept = f"the last good state is {latest[0]}" if latest else "there is no checkpoint yet"
        self.log.record(event="diverged", step=self.state.step)
        raise DivergedError(
            f"step {self.state.step}: the training has diverged to {found}; {kept}",
            hint="lower --lr and run the same command again to go on from there",
        )

    def _is_checkpoint_due(self, timer: _Timer) -> bool:
        settings = self.config.checkpoint
        by_steps = settings.steps and self.state.step % settings.steps == 0
        return bool(by_steps) or timer.is_due("checkpoint", settings.minutes)

    def _save(self, *, is_needed: bool) -> None:
        """Write a checkpoint; a failure on the way is logged and the run continues."""
        if not self.group.is_first:
            return
        self._check_weights()
        try:
            path = write_checkpoint(
                self.checkpoints, self.state.step, self.state.to_dict(), self.config.checkpoint.keep
            )
        except OSError as error:
            why = error.strerror or error
            reason = f"{self.checkpoints}: no checkpoint at step {self.state.step}: {why}"
            if is_needed:
                raise OutputError(reason, hint="free some space and run it again") from error
            self.log.say(f"{reason}; training goes on")
        else:
            self.log.record(event="checkpoint", step=self.state.step, path=path.name)

    def _fields(self, figures: Figures, timer: _Timer) -> dict[str, Any]:
        state = self.state
        epoch = state.step / self.batches.order.batches_per_epoch
        fields: dict[str, Any] = {"step": state.step, "epoch": epoch}
        fields |= {name: tensor.item() for name, tensor in figures.items()}
        timing = {"pictures_per_s": timer.rate(), "seconds": state.seconds}
        return fields | timing | {"size_px": state.size_px}

    def score(self) -> dict[str, float]:
        """Measure the held-out zero-shot score with the weights that would be written now."""
        if self.scorer is None or not self.group.is_first:
            return {}
        with self.state.as_finished() as student:
            scores = self.scorer.scores(student, self.state.size_px, self.autocast())
        self.last_scores = scores
        step, size_px = self.state.step, self.state.size_px
        self.log.record(event="score", step=step, size_px=size_px, **scores)
        shown = " · ".join(f"{name} {value:.1%}" for name, value in scores.items())
        self.log.say(f"step {step}: zero-shot top-1: {shown}")
        return scores


class _Timer:
    """Knows how long steps take and what is due by the minute."""

    def __init__(self) -> None:
        self._lap = time.monotonic()
        self._since = {"score": self._lap, "checkpoint": self._lap}
        self._pictures = 0
        self._seconds = 0.0

    def lap(self, pictures: int) -> float:
        """Return the seconds since the lap began."""
        took = time.monotonic() - self._lap
        self._pictures += pictures
        self._seconds += took
        return took

    def restart_lap(self) -> None:
        """Begin a lap, so that scoring and saving do not count as training."""
        self._lap = time.monotonic()

    def rate(self) -> float:
        """Return pictures a second since the last call."""
        rate = self._pictures / max(self._seconds, 1e-9)
        self._pictures, self._seconds = 0, 0.0
        return rate

    def is_due(self, what: str, minutes: float) -> bool:
        """Tell whether so many minutes have passed since this was last due."""
        now = time.monotonic()
        if now - self._since[what] < 60 * minutes:
            return False
        self._since[what] = now
        return True
