"""This file knows about who encodes texts, and in which precision: what is worth loading torch.

The work of a label set is its prompts times the weights that each of their tokens is multiplied
with. Both answers depend on that and on the machine alone, never on what a cache holds or whether
torch is there already; so cold, warm and half-warm runs print the same.
"""

from __future__ import annotations

import platform
import shutil
import sys
from pathlib import Path

from clipcli.architecture import TextTransformer

TEXT_PRECISION = "fp32"  # unless a set is huge

# Measured on two cores of a Xeon with AMX (tests/benchmarks/bench_text.py): a prompt has 10 tokens,
# of which other prompts share half; numpy does about 150 billion operations a second on a core.
# Up to here that is half a minute on one core: 2 x 5.5 x 4e11 / 1.5e11 = 29 s. For ViT-B/32, with
# 38 million weights, these are 10,600 prompts, 1,500 labels with the default templates.
BF16_FROM = 4e11  # prompts x weights
# A graphics card saves a second or more from here on, and torch takes two seconds to load.
ACCELERATOR_FROM = 4e10  # prompts x weights: 1,060 prompts of ViT-B/32
FAST_BF16 = {"amx_bf16", "avx512_bf16"}  # flags of the processor, as Linux names them


def text_precision(shape: TextTransformer, n_prompts: int, device: str, precision: str) -> str:
    """Return ``fp32``, or ``bf16`` for a label set so large that it pays.

    ``device`` and ``precision`` are what the user asked for.
    """
    is_huge = n_prompts * n_weights(shape) >= BF16_FROM
    is_allowed = precision in ("auto", "bf16")
    is_here = device == "cpu" or (device == "auto" and not _may_have_accelerator())
    return "bf16" if is_huge and is_allowed and is_here and _has_fast_bf16() else TEXT_PRECISION


def is_for_accelerator(shape: TextTransformer, n_prompts: int, device: str) -> bool:
    """Tell whether texts are so many that a graphics card pays, and there may be one."""
    if device == "cpu" or n_prompts * n_weights(shape) < ACCELERATOR_FROM:
        return False
    return device != "auto" or _may_have_accelerator()


def n_weights(shape: TextTransformer) -> int:
    """Count the weights that every token is multiplied with."""
    attention = 4 * shape.width**2  # queries, keys, values, and the way back
    return shape.layers * (attention + 2 * shape.width * shape.mlp_width)


def _may_have_accelerator() -> bool:
    """Tell, without asking torch, whether it is likely to find a graphics card."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    return any(shutil.which(tool) for tool in ("nvidia-smi", "rocm-smi"))


def _has_fast_bf16() -> bool:
    """Tell, without asking torch, whether the processor multiplies bf16 in hardware."""
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False  # not Linux: fp32 is right anywhere
    flags = next((line for line in told.splitlines() if line.startswith("flags")), "")
    return bool(FAST_BF16 & set(flags.split()))
