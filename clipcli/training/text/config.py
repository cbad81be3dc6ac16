"""The settings of a text tower's training run."""

from __future__ import annotations

from dataclasses import dataclass, field

from clipcli.errors import UsageError
from clipcli.models.config import Activation
from clipcli.training.config import OptimiserConfig


@dataclass(frozen=True, slots=True)
class TextConfig:
    """Everything that decides what a run does; the tower's sizes are mini's."""

    context_length: int = 32  # tokens; longer texts are cut
    width: int = 256
    layers: int = 4
    heads: int = 4
    mlp_width: int = 768
    activation: Activation = "quick_gelu"  # with a model: the model's
    vocabulary: str = ""  # merges file; absent: learned from the corpus
    merges: int = 5300  # of a vocabulary that is learned
    templates: tuple[str, ...] = ("{}",)  # for names and compounds; one is drawn each time
    seed: int = 0
    epochs: float | None = None  # one of the three says how long; default: 20 epochs
    steps: int | None = None
    minutes: float | None = None
    batch_size: int = 256
    held_out: float = 0.02  # share of the texts that is scored and never trained on
    name: str = ""  # of the model; default: the out folder's name
    licence: str = ""
    optimiser: OptimiserConfig = field(
        default_factory=lambda: OptimiserConfig(lr=1e-3, weight_decay=0.02, warmup_steps=200)
    )


def check_text_config(config: TextConfig) -> TextConfig:
    """Return the configuration, or raise a UsageError where its values contradict each other."""
    lengths = [n for n in ("epochs", "steps", "minutes") if getattr(config, n) is not None]
    if len(lengths) > 1:
        raise UsageError(f"{' and '.join(lengths)}: give one of them")
    for name in ("batch_size", "merges", "width", "layers", "heads", "mlp_width", *lengths):
        if getattr(config, name) <= 0:
            raise UsageError(f"{name}: must be above zero")
    if config.width % config.heads:
        raise UsageError(f"width {config.width}: is not a multiple of heads {config.heads}")
    if not 0 <= config.held_out < 1:
        raise UsageError(f"held_out {config.held_out}: expected a share of the texts, 0 to 1")
    return config
