"""Dataclasses read from plain data: every key known, every type right.

Nothing is guessed: a key that is unknown or missing, or a value of another type, is an error that
names the source and the key. A field that has a default may be left out where the caller says so.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from clipcli.errors import ClipcliError
from clipcli.strict_json import short

T = TypeVar("T")

SCALARS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a string",
    Path: "a path",
}


class Between(NamedTuple):
    """Bounds of a number, both included; stands in ``Annotated``."""

    least: float
    most: float

    def __str__(self) -> str:
        if self.least == 1:
            return "a positive whole number"
        return f"a number from {self.least:,} to {self.most:,}"


@dataclass(frozen=True, slots=True)
class ReadingRules:
    """Whose data it is, and how strictly it is to be read.

    Parameters
    ----------
    source
        Names the file in errors.
    error
        The class of errors.
    has_defaults
        A field with a default may be left out.
    is_yaml
        The data were YAML: objects are called mappings, and ``1e-3`` is a number.
    kinds
        Records that a key ``kind`` tells apart where several can stand in one place.
    unnamed
        The one of them that goes without a name.
    """

    source: str
    error: type[ClipcliError]
    has_defaults: bool = False
    is_yaml: bool = False
    kinds: Mapping[str, type] = dataclasses.field(default_factory=dict)
    unnamed: type | None = None


def read_record(data: object, record: type[T], rules: ReadingRules) -> T:
    """Return plain data as a dataclass, read against the types of its fields.

    Fields may be ``str``, ``Path``, ``int``, ``float``, ``bool``, ``Literal``, ``X | None``,
    dataclasses, ``tuple[X, ...]``, tuples of fixed length, ``dict[str, X]``, ``Any``, and numbers
    with :class:`Between`.

    Raises
    ------
    ClipcliError
        Of the rules' class, naming source and key.
    """
    value = _RecordReader(rules).record(data, record, "")
    assert isinstance(value, record)
    return value


def read_value(value: object, kind: Any, key: str, rules: ReadingRules) -> Any:
    """Return one value, read against a type, as :func:`read_record` does."""
    return _RecordReader(rules).value(value, kind, key)


class _RecordReader:
    def __init__(self, rules: ReadingRules) -> None:
        self._rules = rules
        self._readers: dict[Any, Callable[[object, tuple[Any, ...], str], Any]] = {
            typing.Annotated: self._bounded,
            types.UnionType: self._union,
            typing.Union: self._union,
            typing.Literal: self._one_of,
            tuple: self._tuple,
            dict: self._mapping,
        }

    def value(self, value: object, kind: Any, key: str) -> Any:
        if kind is Any:
            return value
        read = self._readers.get(typing.get_origin(kind))
        if read is not None:
            return read(value, typing.get_args(kind), key)
        if kind in self._rules.kinds.values():
            return self._tagged(value, (kind,), key)
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            return self.record(value, kind, key)
        return self._scalar(value, kind, key)

    def _one_of(self, value: object, words: tuple[Any, ...], key: str) -> Any:
        # Subtle: 1, 1.0 and True are equal in Python.
        if not any(value == word and type(value) is type(word) for word in words):
            raise self._wrong(key, " or ".join(map(repr, words)), value)
        return value

    def record(self, data: object, record: type, key: str) -> Any:
        if not isinstance(data, Mapping):
            raise self._wrong(key, "an object", data)
        kinds = typing.get_type_hints(record, include_extras=True)
        for name in data:
            if name not in kinds:
                raise self._error(_join(key, str(name)), "unknown key", _meant(str(name), kinds))
        for field in dataclasses.fields(record):
            if field.name not in data and not (self._rules.has_defaults and _has_default(field)):
                raise self._error(_join(key, field.name), "missing key")
        values = {
            name: self.value(data[name], kinds[name], _join(key, name))
            for name in kinds
            if name in data
        }
        return record(**values)

    def _union(self, value: object, arguments: tuple[Any, ...], key: str) -> Any:
        if type(None) in arguments:
            if value is None:
                return None
            arguments = tuple(one for one in arguments if one is not type(None))
        return (
            self.value(value, arguments[0], key)
            if len(arguments) == 1
            else self._tagged(value, arguments, key)
        )

    def _tagged(self, value: object, records: tuple[type, ...], key: str) -> Any:
        """Read one of several records, distinguished by ``kind``."""
        if not isinstance(value, dict):
            raise self._wrong(key, "an object", value)
        unnamed = self._rules.unnamed
        if "kind" not in value and unnamed is not None and unnamed in records:
            return self.record(value, unnamed, key)
        choices = {tag: one for tag, one in self._rules.kinds.items() if one in records}
        tag = value.get("kind")
        if not isinstance(tag, str) or tag not in choices:
            raise self._wrong(_join(key, "kind"), " or ".join(map(repr, choices)), tag)
        rest = {name: item for name, item in value.items() if name != "kind"}
        return self.record(rest, choices[tag], key)

    def _tuple(self, value: object, kinds: tuple[Any, ...], key: str) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise self._wrong(key, "a list", value)
        if kinds[-1] is ...:
            kinds = kinds[:1] * len(value)
        if len(value) != len(kinds):
            raise self._wrong(key, f"a list of {len(kinds)}", value)
        pairs = zip(value, kinds, strict=True)
        return tuple(self.value(item, kind, _join(key, i)) for i, (item, kind) in enumerate(pairs))

    def _mapping(self, value: object, kinds: tuple[Any, ...], key: str) -> dict[str, Any]:
        kind = kinds[1]
        if not isinstance(value, dict):
            raise self._wrong(key, "an object", value)
        return {str(k): self.value(v, kind, _join(key, str(k))) for k, v in value.items()}

    def _bounded(self, value: object, arguments: tuple[Any, ...], key: str) -> Any:
        kind, bounds = arguments
        assert isinstance(bounds, Between)
        is_number = isinstance(value, int if kind is int else int | float)
        if isinstance(value, bool) or not is_number:
            raise self._wrong(key, str(bounds), value)
        read = self._scalar(value, kind, key)
        if not bounds.least <= read <= bounds.most:
            expected = f"{bounds.most:,.0f} at most" if read > bounds.most else str(bounds)
            raise self._wrong(key, expected, value)
        return read

    def _scalar(self, value: object, kind: type, key: str) -> Any:
        if kind is float and isinstance(value, str) and self._rules.is_yaml:
            # YAML 1.1 takes 1e-3 for a string: it wants 1.0e-3.
            with contextlib.suppress(ValueError):
                value = float(value)
        if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
            try:
                number = float(value)
            except OverflowError:
                number = math.inf
            if not math.isfinite(number):
                raise self._wrong(key, "a number", value)
            return number
        if kind is Path and isinstance(value, str) and value and "\0" not in value:
            return Path(value)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self._wrong(key, SCALARS[kind], value)
        return value

    def _wrong(self, key: str, expected: str, value: object) -> ClipcliError:
        if self._rules.is_yaml and expected == "an object":
            expected = "a mapping"
        return self._error(key, f"expected {expected}, got {short(value, 40)}")

    def _error(self, key: str, fact: str, hint: str | None = None) -> ClipcliError:
        where = f"{self._rules.source}: {key}" if key else self._rules.source
        return self._rules.error(f"{where}: {fact}", hint=hint)


def _has_default(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is not missing or field.default_factory is not missing


def _meant(name: str, known: Mapping[str, Any]) -> str:
    import difflib

    close = difflib.get_close_matches(name[:100], known, n=1)
    return f"did you mean {close[0]}?" if close else f"keys are {', '.join(known)}"


def _join(key: str, name: str | int) -> str:
    return f"{key}.{name}" if key else str(name)
