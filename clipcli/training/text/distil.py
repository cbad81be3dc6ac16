"""Distilling a text tower: texts in, the vectors of a teacher as targets.

The teacher may be anything that gave a vector to each text of a corpus; it is not needed here.
"""

from __future__ import annotations

import math
import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from clipcli.encoder.torch.text import TextTower
from clipcli.errors import ModelError, OutputError
from clipcli.models.config import Activation, TextTransformer
from clipcli.models.tokenizer.clip import Tokenizer
from clipcli.training.checkpoint import checkpoint_paths, read_checkpoint, write_checkpoint
from clipcli.training.config import OptimiserConfig
from clipcli.training.log import Advance, RunLog, Say
from clipcli.training.loop import DivergedError
from clipcli.training.objectives import pad_tokens
from clipcli.training.parameter_groups import parameter_groups
from clipcli.training.schedule import Budget, learning_rate, short_warmup
from clipcli.training.signals import StopSignal
from clipcli.training.text.corpus import Corpus
from clipcli.training.text.init import fit_token_vectors, start_as_sum

NAMES = ("name", "compound")  # kinds of texts that are put into templates; sentences are not
BATCHES_AT_ONCE = 16  # drawn together and sorted by length, so that rows need little padding


@dataclass(frozen=True, slots=True)
class DistilConfig:
    """Everything that decides what a distillation does, apart from corpus and vocabulary."""

    text: TextTransformer
    templates: tuple[str, ...]
    activation: Activation = "quick_gelu"
    seed: int = 0
    minutes: float | None = None  # one of the two says how long
    steps: int | None = None
    batch_size: int = 256
    scale: float = 15.0  # of the similarities within a batch
    cosine: float = 1.0  # weight of one minus the cosine beside the similarities' cross-entropy
    held_out: int = 2000  # texts that are never trained on
    checkpoint_minutes: float = 5.0
    precision: str = "fp32"  # or bf16
    optimiser: OptimiserConfig = field(
        default_factory=lambda: OptimiserConfig(lr=1e-3, weight_decay=0.05, warmup_steps=200)
    )


def distillation_loss(student: Tensor, teacher: Tensor, scale: float, cosine: float) -> Tensor:
    """Pull each row to its own target, and keep how similar it is to the targets of the others.

    Both are unit rows (n, d). The second term is the cross-entropy between the similarities of
    the teacher's rows to each other and those of the student's rows to the teacher's: near
    synonyms in a batch are then no contradiction (Tian et al. 2020, arXiv:1910.10699, soft form).
    """
    wanted = (scale * teacher @ teacher.T).softmax(dim=1)  # (n, n)
    found = (scale * student @ teacher.T).log_softmax(dim=1)  # (n, n)
    relation = -(wanted * found).sum(dim=1).mean() + (wanted * wanted.log()).sum(dim=1).mean()
    return relation + cosine * (1 - (student * teacher).sum(dim=1).mean())


class Draws:
    """Batches of prompts and targets; each is a function of (seed, step)."""

    def __init__(self, corpus: Corpus, config: DistilConfig, tokenizer: Tokenizer) -> None:
        self._corpus, self._config, self._tokenizer = corpus, config, tokenizer
        order = np.random.default_rng(config.seed).permutation(len(corpus.texts))
        self.held_out = order[: config.held_out]
        weights = corpus.weights.copy()
        weights[self.held_out] = 0
        self._bounds = np.cumsum(weights) / weights.sum()  # (n,)
        self._group = -1
        self._batches: list[tuple[Tensor, Tensor]] = []

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Return tokens int64 (b, l) and targets (b, d)."""
        group, place = divmod(step, BATCHES_AT_ONCE)
        if group != self._group:
            self._group, self._batches = group, self._draw(group)
        return self._batches[place]

    def _draw(self, group: int) -> list[tuple[Tensor, Tensor]]:
        draw = np.random.default_rng((self._config.seed, group))
        size = self._config.batch_size
        rows = np.searchsorted(self._bounds, draw.random(size * BATCHES_AT_ONCE), side="right")
        tokenized = [(self._tokenizer.tokenize(self.prompt(row, draw)).ids, row) for row in rows]
        tokenized.sort(key=lambda pair: len(pair[0]))
        batches = []
        for i in draw.permutation(BATCHES_AT_ONCE):
            part = tokenized[i * size : (i + 1) * size]
            targets = self._corpus.vectors[[row for _, row in part]]  # (b, d)
            batches.append((pad_tokens([ids for ids, _ in part]), targets))
        return batches

    def prompt(self, row: int, draw: np.random.Generator) -> str:
        """Return the text, in a template if it is a name."""
        text = self._corpus.texts[row]
        if self._corpus.kinds[row] not in NAMES:
            return text
        templates = self._config.templates
        return templates[draw.integers(len(templates))].replace("{}", text)

    def held_out_batch(self) -> tuple[Tensor, Tensor]:
        """Return the held-out texts without templates, and their targets."""
        ids = [self._tokenizer.tokenize(self._corpus.texts[row]).ids for row in self.held_out]
        return pad_tokens(ids), self._corpus.vectors[self.held_out]


class Distillation:
    """A text tower, its optimiser, and how far it is."""

    def __init__(
        self, corpus: Corpus, tokenizer: Tokenizer, config: DistilConfig, *, start: bool = True
    ) -> None:
        torch.manual_seed(config.seed)
        self.budget = Budget(config.steps, None if config.minutes is None else 60 * config.minutes)
        self.config = replace(config, optimiser=short_warmup(config.optimiser, self.budget))
        self.draws = Draws(corpus, config, tokenizer)
        self.tower = TextTower(config.text, corpus.vectors.shape[1], config.activation)
        if start:
            start_as_sum(self.tower, token_vectors(corpus, self.draws, tokenizer, config.seed))
        settings = config.optimiser
        self.optimiser = torch.optim.AdamW(
            parameter_groups(self.tower, settings.weight_decay),
            lr=settings.lr,
            betas=(settings.beta1, settings.beta2),
            eps=settings.epsilon,
            fused=True,
        )
        self.step, self.seconds = 0, 0.0

    def encode(self, tokens: Tensor) -> Tensor:
        """Return unit rows (n, d)."""
        is_bf16 = self.config.precision == "bf16"
        # On a CPU, the backward pass of torch's fused attention takes more than half of a step
        # for texts as short as these; plain matrix products take a tenth of that.
        with (
            torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_bf16),
            sdpa_kernel(SDPBackend.MATH),
        ):
            rows = self.tower.encode_text(tokens)
        return F.normalize(rows.float(), dim=1)

    def train_step(self, progress: float) -> float:
        """Take a step and return its loss."""
        tokens, targets = self.draws.batch(self.step)
        loss = distillation_loss(
            self.encode(tokens), targets, self.config.scale, self.config.cosine
        )
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_(self.tower.parameters(), self.config.optimiser.clip_norm)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.config.optimiser, self.step, progress)
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.step += 1
        return loss.item()

    @torch.no_grad()
    def score(self) -> dict[str, float]:
        """Return the cosine to the teacher on held-out texts, and how often it is the nearest."""
        tokens, targets = self.draws.held_out_batch()
        rows = torch.cat([self.encode(part) for part in torch.split(tokens, 256)])  # (m, d)
        nearest = (rows @ targets.T).argmax(dim=1) == torch.arange(len(rows))
        return {
            "cosine": (rows * targets).sum(dim=1).mean().item(),
            "nearest": nearest.float().mean().item(),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return all that going on needs."""
        return {
            "tower": self.tower.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }

    def load_dict(self, state: dict[str, Any], name: str = "") -> None:
        """Become what :meth:`to_dict` returned; ``name`` is the checkpoint, for messages."""
        try:
            self.tower.load_state_dict(state["tower"])
            self.optimiser.load_state_dict(state["optimiser"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise ModelError(
                f"{name}: a checkpoint of another tower",
                hint="train into another folder, or remove this one",
            ) from error
        self.step, self.seconds = state["step"], state["seconds"]


def token_vectors(corpus: Corpus, draws: Draws, tokenizer: Tokenizer, seed: int) -> Tensor:
    """Return the tokens' vectors whose sums are nearest to the teacher: (v, d).

    Each text counts as it is and once in a template, whose words so learn to say nothing.
    """
    draw = np.random.default_rng(seed)
    rows = np.setdiff1d(np.arange(len(corpus.texts)), draws.held_out)
    texts = [corpus.texts[row] for row in rows] + [draws.prompt(row, draw) for row in rows]
    both = np.concatenate([rows, rows])
    return fit_token_vectors(
        [tokenizer.encode(text) for text in texts],
        corpus.vectors[both],
        torch.from_numpy(corpus.weights[both]),
        tokenizer.vocab_size,
    )


def distil(
    corpus: Corpus,
    tokenizer: Tokenizer,
    config: DistilConfig,
    out: Path,
    say: Say = print,
    advance: Advance | None = None,
) -> TextTower:
    """Distil a tower, or go on from ``out/checkpoints``; Ctrl-C keeps the state."""
    folder = out / "checkpoints"
    paths = checkpoint_paths(folder)
    with closing(RunLog(out / "log.jsonl", say, advance=advance)) as log:
        run = Distillation(corpus, tokenizer, config, start=not paths)
        if paths:
            run.load_dict(read_checkpoint(paths[-1]), str(paths[-1]))
            log.record(event="resume", step=run.step)
            say(f"going on from {paths[-1]}")
        else:
            _score(run, log)
        _run(run, folder, log)
    return run.tower


def _run(run: Distillation, folder: Path, log: RunLog) -> None:
    config = run.config
    budget = run.budget
    saved_s = time.monotonic()
    with StopSignal() as stop:
        while (progress := budget.progress(run.step, run.seconds)) < 1:
            began_s = time.monotonic()
            loss = run.train_step(progress)
            run.seconds += time.monotonic() - began_s
            if not math.isfinite(loss):
                raise _diverged(run, folder, loss)
            figures = {"step": run.step, "loss": loss, "seconds": run.seconds}
            done = budget.progress(run.step, run.seconds)
            log.step(done, figures.copy)
            is_due = time.monotonic() - saved_s > 60 * config.checkpoint_minutes
            if stop.is_set or done >= 1 or is_due:
                _save(run, folder)
                _score(run, log)
                saved_s = time.monotonic()
            stop.raise_if_set()


def _save(run: Distillation, folder: Path) -> None:
    try:
        write_checkpoint(folder, run.step, run.to_dict(), keep=2)
    except OSError as error:
        reason = f"{folder}: no checkpoint at step {run.step}: {error.strerror or error}"
        raise OutputError(reason, hint="free some space and run it again") from error


def _score(run: Distillation, log: RunLog) -> None:
    if not len(run.draws.held_out):
        return
    scores = run.score()
    log.record(event="score", step=run.step, **scores)
    log.say(
        f"step {run.step}: held-out texts: cosine to the teacher {scores['cosine']:.3f}, "
        f"nearest {scores['nearest']:.1%}"
    )


def _diverged(run: Distillation, folder: Path, loss: float) -> DivergedError:
    latest = checkpoint_paths(folder)[-1:]
    kept = f"the last good state is {latest[0]}" if latest else "there is no checkpoint yet"
    return DivergedError(
        f"step {run.step - 1}: the training has diverged to {loss}; {kept}",
        hint="lower --lr and run the same command again to go on from there",
    )
