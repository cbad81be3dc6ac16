"""How boxes are called in outputs, by what found them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clipcli.pipeline.locating.run import Located, Method

KINDS: dict[Method, str] = {"coarse": "coarse boxes", "small": "small locator"}
SENTENCES: dict[Method, str] = {
    "coarse": "coarse boxes, from heat maps, not from a locating model",
    "small": "boxes of the model's small locator",
}
ADVICE = (
    "for better ones name a model that locates (OWL-ViT, OWLv2, GLIP or Grounding DINO) "
    "with --model"
)
NOTES: dict[Method, str] = {
    "coarse": f"coarse boxes, from heat maps: {ADVICE}",
    "small": f"boxes of the small locator, which misses small things: {ADVICE}",
}


def counted(entry: Located) -> str:
    """Say how many boxes a picture has, and of which kind."""
    n = len(entry.boxes)
    boxes = f"{n} {'coarse ' if entry.method == 'coarse' else ''}box{'' if n == 1 else 'es'}"
    return f"{boxes}, {KINDS['small']}" if entry.method == "small" else boxes
