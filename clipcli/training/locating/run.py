"""A run that trains a model that locates: examples in, a model folder out."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clipcli.encoder.torch.device import resolve_device
from clipcli.encoder.torch.locators.glip import Glip
from clipcli.encoder.torch.locators.glip_text import WordPiece
from clipcli.encoder.torch.locators.loading import build_strictly
from clipcli.encoder.torch.tensors import gather
from clipcli.errors import InputError, ModelError, OutputError, OutputExistsError, UsageError
from clipcli.models.locators.glip import GlipArchitecture, write_glip_config
from clipcli.models.locators.source import LocatorSource
from clipcli.training.checkpoint import checkpoint_paths, read_checkpoint, write_checkpoint
from clipcli.training.config import OptimiserConfig
from clipcli.training.locating.draw import Drawer, Drawn
from clipcli.training.locating.examples import Example
from clipcli.training.locating.objective import Losses, losses_of
from clipcli.training.lock import locked
from clipcli.training.log import Advance, RunLog, Say
from clipcli.training.loop import DivergedError
from clipcli.training.schedule import Budget, learning_rate, short_warmup
from clipcli.training.signals import StopSignal

TEXT = "language_backbone."
TEXT_FACTOR = 0.1  # of the learning rate: words are known already
WEIGHTS_NAME = "model.safetensors"


@dataclass(frozen=True, slots=True)
class LocatorTraining:
    """How a model that locates is trained; what was not said is as GLIP was fine-tuned."""

    steps: int | None = None
    minutes: float | None = None
    epochs: float = 10.0  # where neither steps nor minutes are said
    batch_size: int = 4
    lr: float = 1e-4
    weight_decay: float = 0.05
    short_px: int = 800
    seed: int = 0
    device: str = "auto"
    checkpoint_minutes: float = 10.0

    @property
    def long_px(self) -> int:
        """The longest side of a picture: as with GLIP, five thirds of the short one."""
        return math.floor(self.short_px * 5 / 3)

    def budget(self, n_examples: int) -> Budget:
        """Return how long the run is."""
        if self.steps is None and self.minutes is None:
            return Budget(max(1, math.ceil(self.epochs * n_examples / self.batch_size)))
        return Budget(self.steps, None if self.minutes is None else 60 * self.minutes)


class LocatorRun:
    """A network, its optimiser and where it is in its examples."""

    def __init__(
        self, network: Glip, drawer: Drawer, examples: Sequence[Example], settings: LocatorTraining
    ) -> None:
        self.device = resolve_device(settings.device)
        self.network = network.requires_grad_(True).train().to(self.device)
        self.step, self.seconds = 0, 0.0
        self.made_from: dict[str, str] = {}  # the model and the examples, as hashes
        self._drawer, self._examples, self._settings = drawer, examples, settings
        self.budget = settings.budget(len(examples))
        plan = OptimiserConfig(lr=settings.lr, weight_decay=settings.weight_decay)
        self._plan = short_warmup(plan, self.budget)
        self.optimiser = torch.optim.AdamW(_groups(self.network, settings.weight_decay), lr=plan.lr)

    @property
    def progress(self) -> float:
        """The share of the run that is done."""
        return self.budget.progress(self.step, self.seconds)

    def train_step(self) -> dict[str, float]:
        """Take one step and return its figures; pictures of a batch are seen one by one."""
        began, parts = time.monotonic(), []
        size = self._settings.batch_size
        for i in range(size):
            losses = losses_of(self.network, self._drawn(self.step * size + i))
            total = losses.total()
            self._check(total)
            (total / size).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            parts.append(losses)
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self._plan.clip_norm)
        self._check(norm)
        rate = learning_rate(self._plan, self.step, self.progress)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["factor"]
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        self.seconds += time.monotonic() - began
        return _figures(parts) | {"lr": rate}

    def _drawn(self, number: int) -> Drawn:
        """Draw the picture that comes at a place of the run, whatever came before."""
        epoch, place = divmod(number, len(self._examples))
        order = np.random.default_rng((self._settings.seed, epoch)).permutation(len(self._examples))
        rng = np.random.default_rng((self._settings.seed, 1, number))
        drawn = self._drawer.draw(self._examples[int(order[place])], rng)
        return Drawn(
            drawn.pixels.to(self.device),
            drawn.size,
            *(
                each.to(self.device)
                for each in (drawn.tokens, drawn.boxes, drawn.words, drawn.counts)
            ),
        )

    def _check(self, value: Tensor) -> None:
        if not math.isfinite(found := value.item()):
            raise DivergedError(
                f"step {self.step}: the training has diverged to {found}",
                hint="lower --lr and run the same command again to go on from the last checkpoint",
            )

    def to_dict(self) -> dict[str, Any]:
        """Return everything that going on exactly needs."""
        return {
            "seconds": self.seconds,
            "settings": asdict(self._settings),
            "n_examples": len(self._examples),
            **self.made_from,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def load_dict(self, state: Mapping[str, Any], name: str) -> None:
        """Become what :meth:`to_dict` returned; ``name`` is the checkpoint, for messages.

        Raises
        ------
        ModelError
            If it is of another network, or began with another model.
        """
        if state.get("init", own_init := self.made_from.get("init")) != own_init:
            raise ModelError(
                f"{name}: this run began with another --init",
                hint="name that again, or train into another folder",
            )
        own = self.network.state_dict()
        fits = state["network"].keys() == own.keys() and all(
            own[key].shape == tensor.shape for key, tensor in state["network"].items()
        )
        if not fits:
            raise ModelError(
                f"{name}: a checkpoint of another network",
                hint="train into another folder, or remove this one",
            )
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds = state["step"], state["seconds"]


def train_locator(
    source: LocatorSource,
    examples: Sequence[Example],
    out: Path,
    settings: LocatorTraining,
    *,
    say: Say = print,
    advance: Advance | None = None,
) -> Path:
    """Train a GLIP model further and write ``out/model``; go on from checkpoints in ``out``.

    Raises
    ------
    UsageError, ModelError, InputError, DivergedError
    KeyboardInterrupt
        After Ctrl-C or SIGTERM, with the state kept.
    """
    shape = check_beginning(source, out)
    if not examples:
        raise InputError("there is no picture to train on")
    drawer = Drawer(
        WordPiece(source.tokenizer_path, shape.vocab_size), settings.short_px, settings.long_px
    )
    for example in examples:
        drawer.check(example)
    with ExitStack() as stack:
        stack.enter_context(locked(out))
        log = RunLog(out / "log.jsonl", say, 10.0, advance)
        stack.callback(log.close)
        network = build_strictly(lambda: Glip(shape), gather(source.plan), source.path)
        run = LocatorRun(network, drawer, examples, settings)
        run.made_from = {"init": source.fingerprint, "examples": _hash_of(examples)}
        _resume(run, out / "checkpoints", log)
        _go(run, out / "checkpoints", settings, log)
        return write_locator(out / "model", run.network, source, settings)


def check_beginning(source: LocatorSource, out: Path) -> GlipArchitecture:
    """Refuse a model that is not trained here, and to write over one that no run here has made.

    Raises
    ------
    UsageError, OutputExistsError
    """
    shape = source.architecture
    if not isinstance(shape, GlipArchitecture):
        raise UsageError(
            f"{source.path}: is a {source.kind}; GLIP's models are what is trained here",
            hint="--init glip_tiny/, with a released checkpoint in it",
        )
    if (out / "model").exists() and not checkpoint_paths(out / "checkpoints"):
        raise OutputExistsError(
            f"{out / 'model'}: exists, and no checkpoint is there that it could come from",
            hint="choose another --out",
        )
    return shape


def _hash_of(examples: Sequence[Example]) -> str:
    facts = [(str(one.path), *astuple(one)[1:]) for one in examples]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _resume(run: LocatorRun, folder: Path, log: RunLog) -> None:
    paths = checkpoint_paths(folder)
    if paths:
        state = read_checkpoint(paths[-1])
        run.load_dict(state, str(paths[-1]))
        log.say(f"going on from {paths[-1]}")
        if state.get("examples", run.made_from["examples"]) != run.made_from["examples"]:
            log.say("with other pictures or boxes than it was begun with")


def _go(run: LocatorRun, folder: Path, settings: LocatorTraining, log: RunLog) -> None:
    saved = time.monotonic()
    with StopSignal() as stop:
        while run.progress < 1:
            figures = run.train_step()
            log.step(run.progress, lambda told=figures: {"step": run.step, **told})  # type: ignore[misc]
            is_due = time.monotonic() - saved > 60 * settings.checkpoint_minutes
            if is_due or stop.is_set:
                _save(run, folder)
                saved = time.monotonic()
            if stop.is_set:
                raise KeyboardInterrupt
    _save(run, folder)


def _save(run: LocatorRun, folder: Path) -> None:
    try:
        write_checkpoint(folder, run.step, run.to_dict(), keep=2)
    except OSError as error:
        why = error.strerror or error
        raise OutputError(f"{folder}: no checkpoint at step {run.step}: {why}") from error


def write_locator(
    folder: Path, network: Glip, source: LocatorSource, settings: LocatorTraining
) -> Path:
    """Write a model folder that ``--model`` takes: weights, picture size and vocabulary.

    Raises
    ------
    OutputError
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    tensors = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
    temporary = folder / f"{WEIGHTS_NAME}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(tensors, temporary)
        temporary.replace(folder / WEIGHTS_NAME)
        write_glip_config(folder, settings.short_px, settings.long_px)
        shutil.copyfile(source.tokenizer_path, folder / source.tokenizer_path.name)
    except (OSError, SafetensorError) as error:
        why = getattr(error, "strerror", None) or error
        raise OutputError(f"{folder}: could not be written ({why})") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return folder


def _groups(network: Glip, weight_decay: float) -> list[dict[str, Any]]:
    """Return parameters by learning rate and decay: vectors and scalars do not decay."""
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for name, parameter in network.named_parameters():
        factor = TEXT_FACTOR if name.startswith(TEXT) else 1.0
        groups.setdefault((factor, weight_decay if parameter.ndim > 1 else 0.0), []).append(
            parameter
        )
    return [
        {"params": parameters, "factor": factor, "weight_decay": decay}
        for (factor, decay), parameters in groups.items()
    ]


def _figures(parts: Sequence[Losses]) -> dict[str, float]:
    names = ("alignment", "distance", "overlap", "centerness")
    means = {
        f"{name}_loss": sum(getattr(part, name).item() for part in parts) / len(parts)
        for name in names
    }
    return {"loss": sum(means.values())} | means
