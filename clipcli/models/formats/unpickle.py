"""Reading a pickle without running it.

A pickle is a program: it may call whatever its reader looks up for it. This reader knows tensors,
plain containers and, for TorchScript, empty shells of modules; any other name ends the reading
before anything has been called. It knows no torch: a tensor comes out as a note of where its
numbers lie. The standard library takes the program apart (``pickletools``), but no part of it runs
one: what each operation may cost is bounded here, so that a few bytes cannot ask for gigabytes.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, BinaryIO

from clipcli.errors import ModelError
from clipcli.models.formats.pickled import (
    FUNCTIONS,
    SCRIPT_WRAPPERS,
    STORAGE_TYPES,
    DamagedPickleError,
    ModuleKind,
    Shell,
    Storage,
    checked_key,
    first,
    is_count,
)

SAVE_WEIGHTS_ONLY = "save the weights alone: torch.save(model.state_dict(), …), or as safetensors"
MAX_BYTES = 16 * 1024**2  # names and shapes; the numbers lie elsewhere
MAX_OPERATIONS = 500_000  # the largest published CLIP takes 30,000
MAX_NUMBER = 2**80  # a file's magic number has 77 bits, everything else 63


def unpickle(file: BinaryIO | bytes, source: str, *, is_script: bool = False) -> Any:
    """Read one pickle and leave ``file`` behind it; ``is_script`` lets shells of modules pass.

    Raises
    ------
    ModelError
        If it asks for anything but tensors and plain containers, or is damaged.
    """
    stream = io.BytesIO(file) if isinstance(file, bytes) else file
    machine = _Machine(source, is_script=is_script)
    try:
        return machine.run(_Bounded(stream))
    # Whatever is wrong with an operation's argument is a ValueError of pickletools', and what is
    # wrong with the stack one of the others.
    except (ValueError, IndexError, TypeError) as error:
        raise ModelError(f"{source}: damaged: its pickle makes no sense") from error


class _Bounded:
    """What pickletools reads from: never more than there is, and not more than is plausible."""

    def __init__(self, stream: BinaryIO) -> None:
        begin = stream.tell()
        end = stream.seek(0, io.SEEK_END)
        stream.seek(begin)
        self._stream = stream
        self._left = min(end - begin, MAX_BYTES)

    def read(self, n_bytes: int) -> bytes:
        if not 0 <= n_bytes <= self._left:
            raise DamagedPickleError("reads beyond the end")
        self._left -= n_bytes
        return self._stream.read(n_bytes)

    def readline(self) -> bytes:
        line = self._stream.readline(self._left)
        self._left -= len(line)
        return line

    def tell(self) -> int:
        return self._stream.tell()


class _Machine:
    """Carries a program's operations out, on plain data alone."""

    def __init__(self, source: str, *, is_script: bool) -> None:
        self._source, self._is_script = source, is_script
        self._stack: list[Any] = []
        self._marks: list[int] = []  # where in the stack
        self._memo: dict[int, Any] = {}
        self._left = MAX_OPERATIONS

    def run(self, stream: _Bounded) -> Any:
        import pickletools  # of no use to those who read safetensors

        for operation, argument, _ in pickletools.genops(stream):  # type: ignore[arg-type]
            self._charge(1)
            if operation.name == "STOP":
                return self._stack.pop()
            if operation.name in _PUSHES:
                self._stack.append(_plain(argument))
            elif operation.name in _CONSTANTS:
                self._stack.append(_CONSTANTS[operation.name])
            elif operation.name in _STEPS:
                _STEPS[operation.name](self, argument)
            else:
                raise DamagedPickleError(operation.name)
        raise DamagedPickleError("has no end")

    def _charge(self, n: int) -> None:
        self._left -= n
        if self._left < 0:
            raise DamagedPickleError("has no end")

    def _since_mark(self) -> list[Any]:
        place = self._marks.pop()
        items = self._stack[place:]
        del self._stack[place:]
        return items

    # --- the stack and the memo

    def mark(self, _: Any) -> None:
        self._marks.append(len(self._stack))

    def drop(self, _: Any) -> None:
        self._stack.pop()

    def drop_to_mark(self, _: Any) -> None:
        self._since_mark()

    def repeat(self, _: Any) -> None:
        self._stack.append(self._stack[-1])

    def put(self, number: int) -> None:
        self._memo[number] = self._stack[-1]

    def memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def get(self, number: int) -> None:
        if number not in self._memo:
            raise DamagedPickleError("remembers what it never saw")
        self._stack.append(self._memo[number])

    def nothing(self, _: Any) -> None:
        """Frames and protocol numbers change nothing."""

    # --- containers

    def empty_list(self, _: Any) -> None:
        self._stack.append([])

    def empty_dict(self, _: Any) -> None:
        self._stack.append({})

    def tuple_of(self, n: int) -> None:
        if len(self._stack) < n:
            raise DamagedPickleError("takes more than there is")
        items = self._stack[len(self._stack) - n :]
        del self._stack[len(self._stack) - n :]
        self._stack.append(tuple(items))

    def tuple_since_mark(self, _: Any) -> None:
        self._stack.append(tuple(self._since_mark()))

    def list_since_mark(self, _: Any) -> None:
        self._stack.append(self._since_mark())

    def dict_since_mark(self, _: Any) -> None:
        items = self._since_mark()
        self._stack.append({})
        self._set(items)

    def append(self, _: Any) -> None:
        self._extend([self._stack.pop()])

    def append_all(self, _: Any) -> None:
        self._extend(self._since_mark())

    def _extend(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, list):
            raise DamagedPickleError("appends to what is no list")
        target.extend(items)

    def set_item(self, _: Any) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._set([key, value])

    def set_items(self, _: Any) -> None:
        self._set(self._since_mark())

    def _set(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise DamagedPickleError("sets items of what is no mapping")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[checked_key(key)] = value

    # --- names

    def look_up(self, names: str) -> None:
        module, _, name = names.partition(" ")
        self._stack.append(self._found(module, name))

    def look_up_on_stack(self, _: Any) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise DamagedPickleError("a name that is no text")
        self._stack.append(self._found(module, name))

    def make(self, names: str) -> None:
        self._since_mark()
        self.look_up(names)
        raise DamagedPickleError("makes an instance the oldest way")

    def _found(self, module: str, name: str) -> Any:
        found = FUNCTIONS.get((module, name))
        if found is not None:
            return found
        if module == "torch" and name in STORAGE_TYPES:
            return STORAGE_TYPES[name]
        if self._is_script and module == "torch.jit._pickle" and name in SCRIPT_WRAPPERS:
            return first
        if self._is_script and (module == "__torch__" or module.startswith("__torch__.")):
            return ModuleKind(f"{module}.{name}")
        raise ModelError(
            f"{self._source}: refused: its pickle asks for {_printable(module, name)}, which is "
            "neither a tensor nor a plain container; nothing in it was run",
            hint=SAVE_WEIGHTS_ONLY,
        )

    def extension(self, code: int) -> None:
        raise ModelError(f"{self._source}: refused: its pickle asks for extension {code}")

    def call(self, _: Any) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        if not callable(function) or not isinstance(arguments, tuple):
            raise DamagedPickleError("calls what is no function")
        self._charge(sum(len(one) for one in arguments if isinstance(one, list | tuple)))
        self._stack.append(function(*arguments))

    def new(self, _: Any) -> None:
        arguments, kind = self._stack.pop(), self._stack.pop()
        if not isinstance(kind, ModuleKind) or arguments != ():
            raise DamagedPickleError("makes what is no module")
        self._stack.append(Shell(kind.name))

    def build(self, _: Any) -> None:
        """Give a module its parts; a state dict's own attributes (``_metadata``) are left aside."""
        state, target = self._stack.pop(), self._stack[-1]
        if not isinstance(state, dict):
            raise DamagedPickleError("a module without named parts")
        if isinstance(target, Shell):
            target.attributes = MappingProxyType(state)
        elif not isinstance(target, dict):
            raise DamagedPickleError("changes what is no module")

    def storage(self, _: Any) -> None:
        kind, dtype, key, _, n_items, *_ = self._stack.pop()
        if kind != "storage" or dtype not in STORAGE_TYPES.values() or not is_count(n_items):
            raise DamagedPickleError("a storage of an unknown kind")
        self._stack.append(Storage(str(checked_key(key)), dtype, n_items))


def _plain(value: Any) -> Any:
    if isinstance(value, int) and abs(value) > MAX_NUMBER:
        raise DamagedPickleError("a number of too many digits")
    return value


def _printable(module: str, name: str) -> str:
    return ascii(f"{module}.{name}"[:80])


# Operations whose argument is the value itself.
_PUSHES = frozenset(
    (
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
        *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BYTEARRAY8"),
    )
)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": _Machine.nothing,
    "FRAME": _Machine.nothing,
    "MARK": _Machine.mark,
    "POP": _Machine.drop,
    "POP_MARK": _Machine.drop_to_mark,
    "DUP": _Machine.repeat,
    "PUT": _Machine.put,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "MEMOIZE": _Machine.memoize,
    "GET": _Machine.get,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "EMPTY_LIST": _Machine.empty_list,
    "EMPTY_DICT": _Machine.empty_dict,
    "EMPTY_SET": _Machine.empty_list,  # its items are kept in order, and never hashed
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "TUPLE": _Machine.tuple_since_mark,
    "LIST": _Machine.list_since_mark,
    "DICT": _Machine.dict_since_mark,
    "FROZENSET": _Machine.tuple_since_mark,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.append_all,
    "ADDITEMS": _Machine.append_all,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "GLOBAL": _Machine.look_up,
    "STACK_GLOBAL": _Machine.look_up_on_stack,
    "INST": _Machine.make,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.new,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.storage,
    "EXT1": _Machine.extension,
    "EXT2": _Machine.extension,
    "EXT4": _Machine.extension,
}
