"""PyTorch's files: archives, TorchScript, and what came before archives.

An archive is a zip whose members are stored, not packed: ``data.pkl`` tells the tensors, and each
member of ``data/`` is one storage. So every tensor's bytes lie somewhere in the file itself, and a
table of places can be made without torch, without unpacking, and without running anything.
Before version 1.6 a file was a row of pickles, and the storages one after the other behind them.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from clipcli.errors import ModelError
from clipcli.files import open_regular
from clipcli.models.formats.archive import open_archive, read_member
from clipcli.models.formats.pickled import PickledTensor, Shell, Storage
from clipcli.models.formats.safetensors import AGAIN, ITEM_BYTES, TensorPlace
from clipcli.models.formats.unpickle import MAX_BYTES, SAVE_WEIGHTS_ONLY, unpickle

ARCHIVE_START = b"PK\x03\x04"
PICKLE_START = b"\x80"
PICKLE_NAME = "/data.pkl"
MAX_ORDER_BYTES = 64  # of the word "little"
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
MEMBER_HEADER = struct.Struct("<26xHH")  # lengths of the name and of what is added to it
# Where training scripts keep the weights, beside optimiser and epoch.
NESTS = ("state_dict", "model_state_dict", "model", "module")
MAX_DEPTH = 64  # of modules within modules
NAMED_AT_MOST = 3


@dataclass(frozen=True, slots=True)
class TorchFile:
    """A file's tensors, and of a TorchScript archive also the kinds of its modules."""

    table: dict[str, TensorPlace]
    module_kinds: frozenset[str] | None = None  # None: not TorchScript


def read_torch_file(path: Path) -> TorchFile:
    """Read where a PyTorch file's tensors lie; nothing in the file is run.

    Raises
    ------
    ModelError
        If the file cannot be read, is damaged, or holds more than tensors and plain containers.
    """
    try:
        with open_regular(path) as file:
            if file.read(len(ARCHIVE_START)) == ARCHIVE_START:
                return _read_archive(path, file)
            file.seek(0)
            return _read_legacy(path, file)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error


def _read_archive(path: Path, file: BinaryIO) -> TorchFile:
    with open_archive(path, file) as archive:
        members = {info.filename: info for info in archive.infolist()}
        pickles = [name for name in members if name.endswith(PICKLE_NAME) and name.count("/") == 1]
        if len(pickles) != 1:
            raise ModelError(f"{path}: is a zip file, but not PyTorch's: it has no data.pkl")
        root = pickles[0].removesuffix(PICKLE_NAME)
        if order := members.get(f"{root}/byteorder"):
            _check_byte_order(path, read_member(archive, order, MAX_ORDER_BYTES))
        program = read_member(archive, members[pickles[0]], MAX_BYTES)
    is_script = f"{root}/constants.pkl" in members
    content = unpickle(program, str(path), is_script=is_script)
    places = _ArchivePlaces(path, file, members, root)
    if is_script:
        kinds: set[str] = set()
        tensors = dict(_walk(content, "", kinds, path, set()))
        return TorchFile(places.of_all(tensors), frozenset(kinds))
    return TorchFile(places.of_all(_find_state(content, path)))


def _check_byte_order(path: Path, order: bytes) -> None:
    if order.strip() != b"little":
        raise ModelError(f"{path}: was written on a big-endian machine, which is not supported")


class _ArchivePlaces:
    """Turns storages into places in the archive's own file."""

    def __init__(
        self, path: Path, file: BinaryIO, members: Mapping[str, zipfile.ZipInfo], root: str
    ) -> None:
        self._path, self._file, self._members, self._root = path, file, members, root
        self._size = path.stat().st_size
        self._begins: dict[str, int] = {}

    def of_all(self, tensors: Mapping[str, PickledTensor]) -> dict[str, TensorPlace]:
        return {name: _place(tensor, self._begin(tensor)) for name, tensor in tensors.items()}

    def _begin(self, tensor: PickledTensor) -> int:
        key = tensor.storage.key
        if key not in self._begins:
            self._begins[key] = self._find(tensor.storage)
        return self._begins[key]

    def _find(self, storage: Storage) -> int:
        info = self._members.get(f"{self._root}/data/{storage.key}")
        n_bytes = storage.n_items * ITEM_BYTES[storage.dtype]
        if info is None or info.file_size < n_bytes:
            raise ModelError(f"{self._path}: damaged: storage {storage.key} is not whole")
        if info.compress_type != zipfile.ZIP_STORED:
            raise ModelError(f"{self._path}: its tensors are packed, which PyTorch never does")
        if not 0 <= info.header_offset < self._size:
            raise ModelError(f"{self._path}: damaged: storage {storage.key} is not whole")
        self._file.seek(info.header_offset)
        header = self._file.read(MEMBER_HEADER.size)
        if len(header) < MEMBER_HEADER.size:
            raise ModelError(f"{self._path}: truncated", hint=AGAIN)
        name_length, extra_length = MEMBER_HEADER.unpack(header)
        begin: int = info.header_offset + MEMBER_HEADER.size + name_length + extra_length
        if begin + n_bytes > self._size:
            raise ModelError(f"{self._path}: truncated", hint=AGAIN)
        return begin


def _read_legacy(path: Path, file: BinaryIO) -> TorchFile:
    source = str(path)
    # A row of pickles: a magic number, a version, the machine, the content, the storages' keys.
    if unpickle(file, source) != LEGACY_MAGIC:
        raise ModelError(
            f"{path}: is a Python pickle, but not one of PyTorch's", hint=SAVE_WEIGHTS_ONLY
        )
    _, machine, content, keys = (unpickle(file, source) for _ in range(4))
    if not isinstance(machine, dict) or not machine.get("little_endian", False):
        raise ModelError(f"{path}: was written on a big-endian machine, which is not supported")
    tensors = _find_state(content, path)
    storages = {tensor.storage.key: tensor.storage for tensor in _tensors(content)}
    begins = _legacy_begins(path, file, keys, storages)
    return TorchFile(
        {name: _place(tensor, begins[tensor.storage.key]) for name, tensor in tensors.items()}
    )


def _legacy_begins(
    path: Path, file: BinaryIO, keys: object, storages: Mapping[str, Storage]
) -> dict[str, int]:
    """Step over the storages, each of them its length and its numbers; return where those begin."""
    size = path.stat().st_size
    begins = {}
    for key in keys if isinstance(keys, list) else ():
        length = file.read(8)
        if len(length) < 8:
            raise ModelError(f"{path}: truncated", hint=AGAIN)
        is_known = isinstance(key, str) and key in storages
        if not is_known or struct.unpack("<q", length)[0] != storages[key].n_items:
            raise ModelError(f"{path}: damaged: one of its storages makes no sense")
        begins[key] = file.tell()
        end = begins[key] + storages[key].n_items * ITEM_BYTES[storages[key].dtype]
        if end > size:
            raise ModelError(f"{path}: truncated: {size:,} of {end:,} bytes are there", hint=AGAIN)
        file.seek(end)
    if missing := storages.keys() - begins.keys():
        raise ModelError(f"{path}: damaged: storage {min(missing)} is missing")
    return begins


def _tensors(content: Any) -> Iterator[PickledTensor]:
    """Yield the tensors in containers within containers; each container is looked into once."""
    seen: set[int] = set()
    waiting = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, PickledTensor):
            yield value
        elif isinstance(value, dict | list | tuple) and id(value) not in seen:
            seen.add(id(value))
            waiting.extend(value.values() if isinstance(value, dict) else value)


def _place(tensor: PickledTensor, begin: int) -> TensorPlace:
    """Return the bytes from a tensor's first number to its last; strides only where needed."""
    item = ITEM_BYTES[tensor.storage.dtype]
    if 0 in tensor.shape:
        return TensorPlace(tensor.storage.dtype, tensor.shape, begin, begin)
    begin += tensor.offset * item
    pairs = list(zip(tensor.shape, tensor.strides, strict=True))
    dense, is_dense = 1, True
    for axis, step in reversed(pairs):
        is_dense = is_dense and (axis == 1 or step == dense)
        dense *= axis
    extent = 1 + sum((axis - 1) * step for axis, step in pairs)
    strides = None if is_dense else tensor.strides
    return TensorPlace(tensor.storage.dtype, tensor.shape, begin, begin + extent * item, strides)


def _walk(
    shell: object, prefix: str, kinds: set[str], path: Path, seen: set[int]
) -> Iterator[tuple[str, PickledTensor]]:
    """Yield a TorchScript module's tensors by their full names; each module is visited once."""
    if not isinstance(shell, Shell) or prefix.count(".") > MAX_DEPTH:
        raise ModelError(f"{path}: is a TorchScript archive of something that is no module")
    if id(shell) in seen:
        return
    seen.add(id(shell))
    kinds.add(shell.kind)
    for name, value in shell.attributes.items():
        if isinstance(value, PickledTensor):
            yield f"{prefix}{name}", value
        elif isinstance(value, Shell):
            yield from _walk(value, f"{prefix}{name}.", kinds, path, seen)


def _find_state(content: object, path: Path) -> dict[str, PickledTensor]:
    """Return the state dict that a file is, or the one that a training checkpoint holds."""
    if isinstance(content, dict) and not _has_tensors(content):
        content = next((content[key] for key in NESTS if _has_tensors(content.get(key))), content)
    if not isinstance(content, dict) or not _has_tensors(content):
        raise ModelError(
            f"{path}: holds no state dict: no tensors by name, neither at its root nor under "
            f"{', '.join(map(repr, NESTS))}"
        )
    others = [ascii(k) for k, value in content.items() if not isinstance(value, PickledTensor)]
    if others:
        raise ModelError(f"{path}: not all of it is tensors: {', '.join(others[:NAMED_AT_MOST])}")
    return {str(key): value for key, value in content.items()}


def _has_tensors(value: object) -> bool:
    return isinstance(value, dict) and any(isinstance(v, PickledTensor) for v in value.values())
