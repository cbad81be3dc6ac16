"""This file knows about the two towers as an objective sees them: whole batches in one space.

Whether a batch is encoded at once, in chunks or by several processes is settled here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor

from clipcli.training.chunks import encode_in_chunks
from clipcli.training.group import ALONE, Group
from clipcli.training.student import Student

Forward: TypeAlias = Callable[[Tensor], tuple[Tensor, Tensor | None]]


@dataclass(frozen=True, slots=True)
class Towers:
    """Encodes this process's part of a batch and returns the whole batch's rows."""

    student: Student
    forward: Forward  # the student, maybe compiled
    chunk_size: int = 0  # 0: all at once
    group: Group = ALONE

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
