"""Encoding a large batch in a small memory, part by part.

Gao et al. 2021 (arXiv:2101.06983): a contrastive loss needs the embeddings of the whole batch, but
not what the towers computed on the way. Each chunk is encoded, only its embeddings are kept, and
the backward pass encodes it once more. Gradients are those of the whole batch; time is a third
more. What is drawn inside a tower is drawn the same the second time.

Subtle: a batch norm sees one chunk at a time, so with one that is trained the function itself is
another, namely that of batches as small as a chunk. Its statistics move in the first pass alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from clipcli.training.distributed.group import ALONE, ProcessGroup
from clipcli.training.student import Student


def encode_in_chunks(
    encode: Callable[[Tensor], tuple[Tensor, Tensor | None]], model: nn.Module, x: Tensor, size: int
) -> tuple[Tensor, Tensor | None]:
    """Return what ``encode`` does, with only ``size`` of the inputs in memory; 0: all at once.

    ``model`` is where its batch norms are found.
    """
    if not 0 < size < len(x):
        return encode(x)

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _still_statistics(model)

    parts = [
        checkpoint(encode, part, use_reentrant=False, context_fn=contexts)
        for part in torch.split(x, size)
    ]
    embeddings = torch.cat([own for own, _ in parts])  # (n, d)
    logits = [more for _, more in parts if more is not None]
    return embeddings, torch.cat(logits) if logits else None  # (n, classes)


@contextmanager
def _still_statistics(model: nn.Module) -> Iterator[None]:
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum


Forward: TypeAlias = Callable[[Tensor], tuple[Tensor, Tensor | None]]


@dataclass(frozen=True, slots=True)
class Towers:
    """Encodes this process's part of a batch and returns the whole batch's rows."""

    student: Student
    forward: Forward  # the student, maybe compiled
    chunk_size: int = 0  # 0: all at once
    group: ProcessGroup = ALONE

    @property
    def scale(self) -> Tensor:
        """What cosines are multiplied by."""
        return self.student.clip.logit_scale.exp()

    @property
    def bias(self) -> Tensor:
        """What is then added, for the sigmoid loss."""
        assert self.student.clip.logit_bias is not None
        return self.student.clip.logit_bias

    def images(self, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """Embed and classify: (n / processes, 3, h, w) -> (n, d), (n, classes)."""
        own, logits = encode_in_chunks(self.forward, self.student, pixels, self.chunk_size)
        gather = self.group.gather
        return gather(own), None if logits is None else gather(logits)

    def texts(self, tokens: Tensor) -> Tensor:
        """Embed: int64 (n / processes, l) -> (n, d)."""

        def encode(part: Tensor) -> tuple[Tensor, None]:
            return self.student.clip.encode_text(part), None

        own, _ = encode_in_chunks(encode, self.student, tokens, self.chunk_size)
        return self.group.gather(own)
