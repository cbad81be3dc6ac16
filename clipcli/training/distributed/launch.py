"""Joining the processes that torchrun has started.

torchrun tells each process its number and where the others are by four variables of the
environment. Without them a process trains alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist

from clipcli.encoder.torch.device import resolve_device
from clipcli.errors import UsageError
from clipcli.training.distributed.group import ALONE, ProcessGroup

NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
HINT = (
    "torchrun --nproc-per-node 2 -m clipcli train ...; or unset RANK and WORLD_SIZE to train alone"
)
# Others wait while the first packs pictures or scores; one that dies is noticed at once.
PATIENCE = timedelta(days=7)
GREETING = timedelta(minutes=5)


@contextmanager
def joined() -> Iterator[ProcessGroup]:
    """Join the processes that this one was started with, and leave them at the end.

    Raises
    ------
    UsageError
        If the environment speaks of several processes, but not as torchrun does.
    """
    if os.environ.get("WORLD_SIZE", "1") == "1" and os.environ.get("RANK", "0") == "0":
        yield ALONE
        return
    rank, size, local_rank = _numbers(os.environ)
    handle = _meet(os.environ, rank, size)
    try:
        yield ProcessGroup(rank, size, local_rank, handle)
    finally:
        dist.destroy_process_group()


def _numbers(variables: Mapping[str, str]) -> tuple[int, int, int]:
    missing = [name for name in NEEDED if not variables.get(name)]
    if missing:
        known = next(name for name in NEEDED if variables.get(name))
        raise UsageError(
            f"{known} is set, but {missing[0]} is not: several processes are started by torchrun",
            hint=HINT,
        )
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_PORT")
    try:
        rank, size, local_rank, _ = (
            int(variables.get(name) or variables["RANK"]) for name in names
        )
    except ValueError:
        wrong = next(name for name in names if not variables.get(name, "0").isdecimal())
        raise UsageError(f"{wrong}={variables[wrong]}: not a whole number", hint=HINT) from None
    if not 0 <= rank < size:
        raise UsageError(f"RANK={rank}: not below WORLD_SIZE={size}", hint=HINT)
    return rank, size, local_rank


def _meet(variables: Mapping[str, str], rank: int, size: int) -> object:
    if not dist.is_available():
        raise UsageError("this build of torch trains in one process only", hint="unset WORLD_SIZE")
    where = f"{variables['MASTER_ADDR']}:{variables['MASTER_PORT']}"
    # Numbers of ours travel by gloo also where the network itself is on GPUs.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        dist.init_process_group(
            backend, init_method="env://", rank=rank, world_size=size, timeout=GREETING
        )
        return dist.new_group(timeout=PATIENCE)
    except (RuntimeError, ValueError, OSError) as error:
        raise UsageError(
            f"process {rank} of {size} cannot meet the others at {where} "
            f"({str(error).splitlines()[0]})",
            hint=HINT,
        ) from error


def device_of(name: str, group: ProcessGroup) -> torch.device:
    """Return the device that a name means for this process: a GPU each."""
    device = resolve_device(name)
    if group.size == 1 or device.type != "cuda":
        return device
    if group.local_rank >= (n := torch.cuda.device_count()):
        raise UsageError(
            f"process {group.local_rank + 1} of this machine has no GPU: there are {n}",
            hint=f"torchrun --nproc-per-node {n}, or --device cpu",
        )
    torch.cuda.set_device(group.local_rank)
    return torch.device("cuda", group.local_rank)
