"""A run's precision, length, learning rate and picture size over time."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from clipcli.encoder.torch.device import has_fast_bf16, resolve_precision
from clipcli.training.config import OptimiserConfig, Stage

AMPERE = (8, 0)  # the first NVIDIA generation that multiplies bf16


def training_precision(name: str, device: torch.device) -> str:
    """Return bf16, fp16 or fp32; ``auto`` is bf16 where the device multiplies it in hardware.

    Older NVIDIA GPUs take fp16, in which gradients vanish unless the loss is scaled up.
    """
    if name != "auto":
        return resolve_precision(name, device)
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device) >= AMPERE else "fp16"
    return "bf16" if device.type == "cpu" and has_fast_bf16() else "fp32"


@dataclass(frozen=True, slots=True)
class Budget:
    """How long a run is: a number of steps, or of seconds."""

    steps: int | None = None
    seconds: float | None = None

    def progress(self, step: int, seconds: float) -> float:
        """Return the share of the run that is done after ``step`` steps, 0..1."""
        done = step / self.steps if self.steps else 0.0
        if self.seconds:
            done = max(done, seconds / self.seconds)
        return min(done, 1.0)


def short_warmup(config: OptimiserConfig, budget: Budget) -> OptimiserConfig:
    """Let the warm-up take a tenth of the run at most; a short one would be over before it is."""
    if budget.steps is None:
        return config
    return replace(config, warmup_steps=min(config.warmup_steps, max(1, budget.steps // 10)))


def learning_rate(config: OptimiserConfig, step: int, progress: float) -> float:
    """Return the rate of the step numbered ``step`` from 0: linear warm-up, then half a cosine."""
    warmup = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    cosine = 0.5 * (1 + math.cos(math.pi * progress))  # 1 .. 0
    return config.lr * warmup * (config.final_lr + (1 - config.final_lr) * cosine)


def stage_size(stages: tuple[Stage, ...], progress: float, native_px: int) -> int:
    """Return the pictures' size at this point of the run; native where no stage has begun."""
    begun = [stage for stage in stages if stage.start <= progress]
    return max(begun, key=lambda stage: stage.start).size_px if begun else native_px
