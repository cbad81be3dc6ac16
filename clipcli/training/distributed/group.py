"""The processes that train one model together, as torchrun starts them.

Each encodes its part of the batch; embeddings are gathered with their gradients, so that every
process computes the loss of the whole batch, and the gradients of all are averaged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from clipcli.errors import ClipcliError, ExitCode

T = TypeVar("T")


class PeerError(ClipcliError):
    """Another process has failed, and says why itself."""


class LostPeerError(ClipcliError):
    """Another process is gone."""

    exit_code = ExitCode.NOTHING_USABLE


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """A process among those that train together; by default it is alone."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0  # among those of this machine
    handle: Any = None  # torch's process group

    @property
    def is_first(self) -> bool:
        """Whether this process writes and speaks for all."""
        return self.rank == 0

    def part(self, n: int) -> slice:
        """Return which of ``n`` rows, a multiple of the size, are this process's."""
        share = n // self.size
        return slice(self.rank * share, (self.rank + 1) * share)

    def gather(self, x: Tensor) -> Tensor:
        """Put the parts of all together, with gradients: (n / size, ...) -> (n, ...)."""
        if self.size == 1:
            return x
        gathered: Tensor = _Gather.apply(x, self)  # type: ignore[no-untyped-call]
        return gathered

    def mean(self, x: Tensor) -> Tensor:
        """Average a tensor over the processes, with gradients."""
        if self.size == 1:
            return x
        averaged: Tensor = _Mean.apply(x, self)  # type: ignore[no-untyped-call]
        return averaged

    def sum_in_place(self, x: Tensor) -> Tensor:
        """Add up a tensor over the processes."""
        if self.size > 1:
            self.guarded(lambda: dist.all_reduce(x, group=self.handle))
        return x

    def average_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replace each gradient by its mean over the processes."""
        if self.size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        # One message for all: there are hundreds, and each costs a round trip.
        flat = self.sum_in_place(torch.cat([g.flatten() for g in gradients])) / self.size
        means = torch.split(flat, [g.numel() for g in gradients])
        for gradient, mean in zip(gradients, means, strict=True):
            gradient.copy_(mean.view_as(gradient))

    def highest(self, *values: float) -> tuple[float, ...]:
        """Return the largest of each value over the processes."""
        if self.size == 1:
            return values
        highest = torch.tensor(values, dtype=torch.float64)
        self.guarded(lambda: dist.all_reduce(highest, dist.ReduceOp.MAX, group=self.handle))
        return tuple(highest.tolist())

    def first_first(self, work: Callable[[], T]) -> T:
        """Do something once the first process has done it; if that failed, so does this.

        Raises
        ------
        PeerError
            If it failed there.
        """
        if self.size == 1:
            return work()
        if not self.is_first:
            if (failed := self._exit_code_of_first(None)) is not None:
                raise peer_error(failed)
            return work()
        try:
            done = work()
        except BaseException as error:
            code = error.exit_code if isinstance(error, ClipcliError) else ExitCode.BUG
            self._exit_code_of_first(int(code))
            raise
        self._exit_code_of_first(None)
        return done

    def _exit_code_of_first(self, code: int | None) -> int | None:
        """Hear from the first process with which exit code it has failed, if it has."""
        codes: list[int | None] = [code]
        self.guarded(lambda: dist.broadcast_object_list(codes, src=0, group=self.handle))
        return codes[0]

    def guarded(self, talk: Callable[[], object]) -> None:
        """Talk to the others; one that is gone is an expected error."""
        try:
            talk()
        except RuntimeError as error:
            self._lost(error)

    def _lost(self, error: RuntimeError) -> NoReturn:
        raise LostPeerError(
            f"process {self.rank}: another of the {self.size} processes is gone "
            f"({str(error).splitlines()[0]})",
            hint="its own message says why; the same command goes on from the last checkpoint",
        ) from error


ALONE = ProcessGroup()


def peer_error(code: int) -> PeerError:
    """Return what ends a process quietly with this exit code."""
    error = PeerError("another process has failed and says why")
    error.exit_code = ExitCode(code)
    return error


class _Gather(torch.autograd.Function):
    """All parts, one after the other; each part's gradient is the sum of what all found."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, group: ProcessGroup) -> Tensor:
        ctx.group = group
        parts = [
            torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(group.size)
        ]
        group.guarded(lambda: dist.all_gather(parts, x.contiguous(), group=group.handle))
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        whole = ctx.group.sum_in_place(gradient.clone(memory_format=torch.contiguous_format))
        return whole[ctx.group.part(len(whole))], None


class _Mean(torch.autograd.Function):
    """The mean over the processes; its gradient is that mean again."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, group: ProcessGroup) -> Tensor:
        ctx.group = group
        return group.sum_in_place(x.clone(memory_format=torch.contiguous_format)) / group.size

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        group = ctx.group
        whole = group.sum_in_place(gradient.clone(memory_format=torch.contiguous_format))
        return whole / group.size, None
