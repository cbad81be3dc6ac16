"""torchvision for a torch that it was not built for.

Only its transforms are needed, and they are Python. Where its compiled part does not fit the torch
that is installed (a build for CUDA beside a torch for the CPU), importing it fails because
operators for detection do not exist; they are declared here, and never called.
"""

from __future__ import annotations

from importlib.util import find_spec

import torch

OPERATORS = ("nms", "qnms", "roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool", "deform_conv2d")


def prepare() -> None:
    """Make ``import torchvision`` work, if it is installed."""
    if find_spec("torchvision") is None:
        return
    try:
        import torchvision  # noqa: F401
    except (RuntimeError, OSError):
        _declare_operators()


def _declare_operators() -> None:
    library = torch.library.Library("torchvision", "DEF")
    for name in OPERATORS:
        library.define(f"{name}(Tensor x) -> Tensor")
        library.define(f"_{name}_backward(Tensor x) -> Tensor")
    _kept.append(library)  # its declarations end with it


_kept: list[torch.library.Library] = []
