"""The state of a run between two steps, and its checkpoint."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from clipcli.encoder.torch.resize import resize_positions, resized_architecture
from clipcli.errors import ModelError, UsageError
from clipcli.training.averaging import MovingAverage, between, ema_decay
from clipcli.training.config import TrainingConfig
from clipcli.training.distributed.batch_norm import share_batch_norms
from clipcli.training.distributed.group import ALONE, ProcessGroup
from clipcli.training.parameter_groups import parameter_groups
from clipcli.training.student import Student

TEXT_PREFIXES = (
    "token_embedding",
    "positional_embedding",
    "transformer",
    "ln_final",
    "text_projection",
)
WHOLE = {"image": ("visual.",), "text": TEXT_PREFIXES}  # what `frozen` may call a tower


class TrainingState:
    """Network, optimiser, average and the number of steps: all that a checkpoint holds."""

    def __init__(
        self,
        config: TrainingConfig,
        student: Student,
        device: torch.device,
        precision: str = "fp32",
        group: ProcessGroup = ALONE,
    ) -> None:
        self._config = config
        self._device = device
        self._group = group
        # In fp16 small gradients vanish; a loss that is multiplied keeps them, and a factor that
        # was too large is noticed and halved (Micikevicius et al. 2017, arXiv:1710.03740).
        self.scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")
        self.step = 0
        self.seconds = 0.0
        self.average: MovingAverage | None = None
        self._start = _clip_state(student) if (config.blend or 1) < 1 else None
        self._start_architecture = student.architecture
        self._adopt(student)

    @property
    def size_px(self) -> int:
        """The size of the pictures that the student takes now."""
        size: int = self.student.architecture.image.image_size
        return size

    def _adopt(self, student: Student) -> None:
        """Make a network the one that is trained, with a fresh optimiser."""
        student.to(self._device)
        student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # stub lacks it
        if self._group.size > 1:
            share_batch_norms(student, self._group)
        self.student = student
        self.student.frozen_statistics = bool(self._config.frozen_statistics)
        self._freeze()
        self.student.train()
        self.trained: list[nn.Parameter] = [p for p in student.parameters() if p.requires_grad]
        settings = self._config.optimiser
        self.optimiser = torch.optim.AdamW(
            parameter_groups(self.student, settings.weight_decay, settings.layer_decay),
            lr=settings.lr,
            betas=(settings.beta1, settings.beta2),
            eps=settings.epsilon,
            fused=self._device.type in {"cpu", "cuda"},  # one pass over each weight
        )

    def _freeze(self) -> None:
        names = [name for name, _ in self.student.clip.named_parameters()]
        for prefix in self._config.frozen:
            if prefix not in WHOLE and not any(name.startswith(prefix) for name in names):
                raise UsageError(
                    f"frozen: no parameter's name begins with {prefix!r}",
                    hint=f"'image', 'text', or a name such as {names[-1]}",
                )
        self.student.freeze(frozen_prefixes(self._config))
        if not any(p.requires_grad for p in self.student.parameters()):
            raise UsageError("frozen: nothing is left to train", hint="freeze one tower at most")

    def resize(self, size: int) -> None:
        """Go on with pictures of another size; moments and average come along."""
        old, moments = self.student, self._moments()
        if self.average is not None:
            self.average.state = old.resized_state(self.average.state, size)
        self._adopt(old.resized(size))
        for name, parameter in self.student.named_parameters():
            own = moments.get(name)
            # Positions of a new number start with no memory.
            if own is not None and own["exp_avg"].shape == parameter.shape:
                self.optimiser.state[parameter] = own

    def _moments(self) -> dict[str, Any]:
        state = self.optimiser.state
        return {
            name: state[parameter]
            for name, parameter in self.student.named_parameters()
            if parameter in state
        }

    def backward(self, loss: Tensor) -> Tensor:
        """Fill in the gradients, those of all processes together, clipped; return their norm."""
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self._group.average_gradients(self.trained)
        self.scaler.unscale_(self.optimiser)
        limit = self._config.optimiser.clip_norm or math.inf
        return torch.nn.utils.clip_grad_norm_(self.trained, limit, foreach=True)

    @property
    def may_skip(self) -> bool:
        """Whether gradients that are no numbers only mean that the loss was scaled up too far."""
        return self.scaler.is_enabled() and self.scaler.get_scale() > 1

    def update(self, rate: float) -> None:
        """Take the optimiser's step with the gradients that are there."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["factor"]
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        with torch.no_grad():
            highest = math.log(self._config.contrastive.max_scale)
            self.student.clip.logit_scale.clamp_(0.0, highest)
        self.step += 1

    def update_average(self, progress: float) -> None:
        """Move the average, once its time has come."""
        settings = self._config.ema
        if not settings.decay or progress < settings.start:
            return
        if self.average is None:
            self.average = MovingAverage(self.student.state_dict())
        else:
            decay = ema_decay(settings.decay, self.average.n_updates)
            self.average.update(self.student.state_dict(), decay)

    def finished(self) -> Mapping[str, Tensor]:
        """Return the student's state as it would be written now."""
        trained = self.student.state_dict() if self.average is None else self.average.state
        if self._start is None or self._config.blend is None:
            return trained
        start = resize_positions(self._start, self._start_architecture, self.size_px)
        return {
            name: between(start, name, tensor, self._config.blend)
            for name, tensor in trained.items()
        }

    @contextmanager
    def as_finished(self) -> Iterator[Student]:
        """Lend the student with its averaged weights, in evaluation mode."""
        own = {name: tensor.clone() for name, tensor in self.student.state_dict().items()}
        self.student.load_state_dict(self.finished())
        self.student.eval()
        try:
            yield self.student
        finally:
            self.student.load_state_dict(own)
            self.student.train()

    def to_dict(self) -> dict[str, Any]:
        """Return everything that going on exactly needs."""
        average = self.average
        return {
            "seconds": self.seconds,
            "config": asdict(self._config),
            "architecture": asdict(self.student.architecture),
            "student": self.student.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": None if average is None else average.state,
            "average_updates": 0 if average is None else average.n_updates,
        }

    def load_dict(self, state: Mapping[str, Any], name: str) -> None:
        """Become what :meth:`to_dict` returned; ``name`` is the checkpoint, for messages."""
        size = state["architecture"]["image"]["image_size"]
        expected = asdict(resized_architecture(self.student.architecture, size))
        if differing := _differing(expected, state["architecture"]):
            raise ModelError(
                f"{name}: a checkpoint of another architecture ({differing})",
                hint="train into another folder, or remove this one",
            )
        if size != self.size_px:
            self.resize(size)
        _check_fit(self.student.state_dict(), state["student"], name)
        self.student.load_state_dict(state["student"])
        self._load_optimiser(state["optimiser"], name)
        if self.scaler.is_enabled() and state.get("scaler"):
            self.scaler.load_state_dict(state["scaler"])
        self.step, self.seconds = state["step"], state["seconds"]
        if state["average"] is not None:
            self.average = MovingAverage(state["average"])
            self.average.n_updates = state["average_updates"]

    def _load_optimiser(self, saved: dict[str, Any], name: str) -> None:
        """Take over the moments, not the settings: those are the configuration's."""
        settings = [
            {key: value for key, value in group.items() if key != "params"}
            for group in self.optimiser.param_groups
        ]
        try:
            self.optimiser.load_state_dict(saved)
        except ValueError as error:
            raise ModelError(
                f"{name}: other parameters were trained in it",
                hint="keep `frozen` and `layer_decay` as they were, or train into another folder",
            ) from error
        for group, own in zip(self.optimiser.param_groups, settings, strict=True):
            group.update(own)


def _clip_state(student: Student) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in student.clip.state_dict().items()}


def frozen_prefixes(config: TrainingConfig) -> tuple[str, ...]:
    """Return which parameters stay as they are: the configured ones and the objective's."""
    prefixes = tuple(prefix for name in config.frozen for prefix in WHOLE.get(name, (name,)))
    if config.objective == "targets":
        return (*prefixes, *TEXT_PREFIXES, "logit_scale", "logit_bias")
    if config.contrastive.scale is not None:
        prefixes = (*prefixes, "logit_scale")
    is_sigmoid = config.contrastive.loss == "sigmoid"
    return prefixes if is_sigmoid else (*prefixes, "logit_bias")


def _differing(expected: Mapping[str, Any], found: Mapping[str, Any], prefix: str = "") -> str:
    """Name the first key whose value differs, with both values; empty where none does."""
    for key in [*expected, *found]:
        ours, theirs = expected.get(key), found.get(key)
        if isinstance(ours, dict) and isinstance(theirs, dict):
            if inner := _differing(ours, theirs, f"{prefix}{key}."):
                return inner
        elif ours != theirs:
            return f"{prefix}{key} is {theirs}, not {ours}"
    return ""


def _check_fit(own: Mapping[str, Tensor], saved: Mapping[str, Tensor], name: str) -> None:
    """Refuse what has the right architecture but, say, a classifier of another data set."""
    for key in [*own, *saved]:
        if key not in own or key not in saved or own[key].shape != saved[key].shape:
            raise ModelError(
                f"{name}: {key} does not fit the network of this run",
                hint="train into another folder, or give the data and targets of that run",
            )
