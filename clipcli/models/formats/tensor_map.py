"""Tensors wherever they lie: which file, which bytes, what they make up.

Every checkpoint format comes down to a table of names and places, and every foreign layout to the
same few changes: another name, a matrix on its side, several matrices in one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

from clipcli.errors import ModelError
from clipcli.files import open_regular
from clipcli.models.formats.safetensors import TensorPlace, read_tensor_table
from clipcli.strict_json import Bounds, read_json, short

# What published files carry beside their weights: counters, masks and sizes that are known anyway.
WEIGHTLESS = (
    "attn_mask",
    "context_length",
    "input_resolution",
    "num_batches_tracked",
    "position_ids",
    "vocab_size",
)
# What data parallelism, compilation and people's own wrappers put before every name.
WRAPPERS = ("module.", "_orig_mod.", "model.", "clip.", "clip_model.")
NAMED_AT_MOST = 3  # of each kind of misfit, so that the error stays a line
NAME_CHARACTERS = 80  # shown of each
MAX_SHARDS = 1000
SAFETENSORS_START = b"\0\0\0\0\0{"  # from the fourth byte on: a header of less than 16 MB


class StoredTensor(NamedTuple):
    """A tensor in a file."""

    path: Path
    place: TensorPlace


Table: TypeAlias = Mapping[str, StoredTensor]


class JoinedTensor(NamedTuple):
    """One of our tensors, made of stored ones: ``parts`` joined along their first axis."""

    names: tuple[str, ...]  # the parts' names in the file, for errors
    parts: tuple[StoredTensor, ...]
    is_transposed: bool = False
    is_flat: bool = False  # axes of length one in front are dropped: (1, 1, d) -> (d,), (1,) -> ()


TensorPlan: TypeAlias = Mapping[str, JoinedTensor]  # our names


class TensorSpec(NamedTuple):
    """What one of our tensors is made of in a foreign layout, whether it is there or not."""

    names: tuple[str, ...]
    is_transposed: bool = False
    is_flat: bool = False


class WeightsFile(NamedTuple):
    """The tensors of one file, or of the shards that an index joins."""

    path: Path
    table: dict[str, StoredTensor]
    module_kinds: frozenset[str] | None = None  # of a TorchScript archive

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The tensors' shapes by name."""
        return {name: stored.place.shape for name, stored in self.table.items()}


def read_weights(path: Path) -> WeightsFile:
    """Read which tensors a checkpoint file holds: safetensors, any of PyTorch's, or an index.

    Weightless buffers are left aside, and wrappers' prefixes taken off.

    Raises
    ------
    ModelError
        If the file is not whole, is something else, or its pickle wants more than tensors.
    """
    if path.suffix == ".json":
        table, kinds = _read_shards(path), None
    else:
        table, kinds = _read_file(path)
    table = {name: stored for name, stored in table.items() if not is_weightless(name)}
    return WeightsFile(path, _unwrapped(table), kinds)


def as_they_are(table: Table) -> dict[str, JoinedTensor]:
    """Return the plan of a file that is in our own layout."""
    return {name: JoinedTensor((name,), (stored,)) for name, stored in table.items()}


def make_plan(wanted: Mapping[str, TensorSpec], file: WeightsFile) -> dict[str, JoinedTensor]:
    """Find what is wanted; everything must be there, and nothing else.

    Raises
    ------
    ModelError
        Naming keys that are missing or unexpected.
    """
    names = {name for want in wanted.values() for name in want.names}
    missing = [name for want in wanted.values() for name in want.names if name not in file.table]
    unexpected = [name for name in file.table if name not in names]
    complain(file.path, {"missing": missing, "unexpected": unexpected})
    return {
        ours: JoinedTensor(
            want.names,
            tuple(file.table[name] for name in want.names),
            want.is_transposed,
            want.is_flat,
        )
        for ours, want in wanted.items()
    }


def complain(source: object, faults: Mapping[str, list[str]]) -> None:
    """Raise if there are misfits of any kind, naming the first of each."""
    lists = [_list(kind, names) for kind, names in faults.items() if names]
    if lists:
        raise ModelError(f"{source}: does not fit the architecture: {'; '.join(lists)}")


def is_weightless(name: str) -> bool:
    """Tell whether a tensor of this name is a buffer that says nothing about the model."""
    return name.rpartition(".")[2] in WEIGHTLESS


def scalar(file: WeightsFile, name: str) -> float:
    """Read a tensor of one number."""
    from clipcli.models.formats.safetensors import read_number

    stored = file.table[name]
    if math.prod(stored.place.shape) != 1:
        raise ModelError(f"{file.path}: {name} is {list(stored.place.shape)}, not one number")
    return read_number(stored.path, stored.place)


def _read_file(path: Path) -> tuple[dict[str, StoredTensor], frozenset[str] | None]:
    from clipcli.models.formats.torch_file import ARCHIVE_START, PICKLE_START, read_torch_file

    try:
        with open_regular(path) as file:
            start = file.read(len(ARCHIVE_START))
            is_safetensors = start[3:] + file.read(9 - len(start)) == SAFETENSORS_START
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error
    # Subtle: a safetensors file may begin with any byte, but then its header's brace follows.
    is_torch = start == ARCHIVE_START or start.startswith(PICKLE_START)
    if is_torch and not is_safetensors:
        torch_file = read_torch_file(path)
        places, kinds = torch_file.table, torch_file.module_kinds
    else:
        places, kinds = read_tensor_table(path), None
    return {name: StoredTensor(path, place) for name, place in places.items()}, kinds


def read_shard_index(index: Path) -> dict[str, str]:
    """Read which file beside an index of shards holds each tensor.

    Raises
    ------
    ModelError
        If it is no such index, or names files elsewhere.
    """
    shards = read_json(index, ModelError, Bounds()) if index.exists() else None
    shards = shards.get("weight_map") if isinstance(shards, dict) else None
    if not isinstance(shards, dict) or not shards:
        raise ModelError(f"{index}: is not an index of shards")
    names = set()
    for name in shards.values():
        if not isinstance(name, str) or name in ("", ".", "..") or set(name) & set("/\\:\0"):
            raise ModelError(f"{index}: shard name {short(name)} leaves the folder")
        names.add(name)
    if len(names) > MAX_SHARDS:
        raise ModelError(f"{index}: names {len(names):,} shards, more than any model has")
    return shards


def _read_shards(index: Path) -> dict[str, StoredTensor]:
    shards = read_shard_index(index)
    table: dict[str, StoredTensor] = {}
    for name in sorted(set(shards.values())):
        found, _ = _read_file(index.with_name(name))
        table |= found
    complain(
        index,
        {
            "missing": [name for name in shards if name not in table],
            "unexpected": [name for name in table if name not in shards],
        },
    )
    return table


def _unwrapped(table: dict[str, StoredTensor]) -> dict[str, StoredTensor]:
    while table:
        prefix = next((w for w in WRAPPERS if all(name.startswith(w) for name in table)), None)
        if prefix is None:
            break
        table = {name.removeprefix(prefix): stored for name, stored in table.items()}
    return table


def _list(kind: str, names: Iterable[str]) -> str:
    names = list(names)
    shown = [name if name.isprintable() else ascii(name) for name in names[:NAMED_AT_MOST]]
    shown = [name[:NAME_CHARACTERS] for name in shown]
    more = [f"and {len(names) - NAMED_AT_MOST} more"] if len(names) > NAMED_AT_MOST else []
    return f"{len(names)} {kind} ({', '.join([*shown, *more])})"
