"""This file knows about who encodes texts: numpy, or a graphics card where it is worth its start.

The work of a label set is its prompts times the weights that each of their tokens is multiplied
with. The answer depends on that and on the machine alone, never on whether torch happens to be
there already: so the same question gets the same digits.
"""

from __future__ import annotations

import platform
import shutil
import sys

from clipcli.architecture import TextTransformer

# Measured (tests/benchmarks/bench_text.py): a prompt has 10 tokens, of which other prompts share
# about half, and numpy does some 120 billion operations a second on a core. So this is 2 x 5 x 2e10
# / 1.2e11 = 1.7 s on one core, which is what torch takes to load, and for ViT-B/32, with 38 million
# weights, 530 prompts. On a processor torch is no faster than numpy, however many they are.
CARD_FROM = 2e10  # prompts x weights


def is_for_card(shape: TextTransformer, n_prompts: int, device: str) -> bool:
    """Tell whether prompts are so many that a graphics card pays, and there may be one.

    ``device`` is what the user asked for; "auto" leaves it to torch, which is not asked here.
    """
    if device == "cpu" or n_prompts * n_weights(shape) < CARD_FROM:
        return False
    return device != "auto" or _may_have_card()


def n_weights(shape: TextTransformer) -> int:
    """Count the weights that every token is multiplied with."""
    attention = 4 * shape.width**2  # queries, keys, values, and the way back
    return shape.layers * (attention + 2 * shape.width * shape.mlp_width)


def _may_have_card() -> bool:
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    return any(shutil.which(tool) for tool in ("nvidia-smi", "rocm-smi"))
