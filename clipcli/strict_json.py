"""JSON that somebody else wrote, read strictly and within bounds.

The standard library's reader takes whatever it is given: brackets nested until the stack ends, a
key twice, ``1e999`` as infinity, numbers of thousands of digits, half a character. Each of these
has ended in a traceback somewhere behind it. Here they are errors, all of one class, so that
nobody needs a list of what to catch.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from clipcli.errors import ClipcliError
from clipcli.files import read_regular

_HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")  # may be half of a pair, or alone
_SIGNS = (",", "[", "{")  # one for each item, at least
FREE_BYTES = 10_000
MAX_NUMBER_CHARACTERS = 400  # a float64 written out in full, without an exponent, has up to 309


class JsonError(ValueError):
    """A text that is no JSON, or more than was bargained for; ``line`` is 0 where none is known."""

    def __init__(self, fact: str, line: int = 0) -> None:
        super().__init__(fact)
        self.fact, self.line = fact, line


class Bounds(NamedTuple):
    """How much JSON is plausible in one place."""

    n_bytes: int = 16 * 1024**2
    depth: int = 32
    items: int = 500_000  # values of any kind; an empty list of Python's takes 56 bytes
    bytes_a_container: int = 1  # at least, on average: an empty list takes 30 times its two bytes
    digits: int = 40  # of a whole number: some systems number files with 128 bits
    # A path that is not UTF-8 stands in JSON as Python's surrogates U+DC80 to U+DCFF.
    with_path_bytes: bool = False


SMALL = Bounds(n_bytes=1024**2, items=50_000)  # settings, and what clipcli notes for itself
LINE = Bounds(n_bytes=4 * 1024**2, items=200_000)  # of a file with one record a line


def parse_json(text: str | bytes, bounds: Bounds = SMALL) -> Any:
    """Read JSON; what breaks its rules or the bounds is a :class:`JsonError`.

    Examples
    --------
    >>> parse_json('{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    >>> parse_json('{"a": 1, "a": 2}')
    Traceback (most recent call last):
        ...
    clipcli.strict_json.JsonError: key "a" appears twice
    """
    if len(text) > bounds.n_bytes:
        raise JsonError(f"is larger than {_size(bounds.n_bytes)}")
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise JsonError("not UTF-8 text") from error
    if sum(map(text.count, _SIGNS)) > bounds.items:
        raise JsonError(f"holds more than {bounds.items:,} items")
    if (text.count("[") + text.count("{")) * bounds.bytes_a_container > len(text) + FREE_BYTES:
        raise JsonError("consists of empty lists")
    try:
        value = _decoder(bounds).decode(text)
    except json.JSONDecodeError as error:
        raise JsonError(f"not JSON: {error.msg}", error.lineno) from error
    except RecursionError as error:
        raise _too_deep(bounds) from error
    _check_depth(value, bounds)
    if _HALF_CHARACTER.search(text):
        _check_characters(value, bounds)
    return value


def read_json(path: Path, error: type[ClipcliError], bounds: Bounds = SMALL) -> Any:
    """Read a regular file of JSON.

    Raises
    ------
    ClipcliError
        Of the class ``error``: the file cannot be read, or is not what it should be.
    """
    try:
        return parse_json(read_regular(path, error, bounds.n_bytes), bounds)
    except JsonError as fault:
        where = f"{path}:{fault.line}" if fault.line else str(path)
        raise error(f"{where}: {fault.fact}") from fault


def short(value: object, length: int = 60) -> str:
    """Show a value in a message: as JSON, and not at length."""
    shown = json.dumps(value, ensure_ascii=True, default=str)
    return shown if len(shown) <= length else shown[: length - 3] + "..."


def _decoder(bounds: Bounds) -> json.JSONDecoder:
    def whole(digits: str) -> int:
        if len(digits.lstrip("-")) > bounds.digits:
            raise JsonError(f"holds a number of {len(digits.lstrip('-')):,} digits")
        return int(digits)

    return json.JSONDecoder(
        object_pairs_hook=_object,
        parse_int=whole,
        parse_float=_number,
        parse_constant=_constant,
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise JsonError(f"key {short(_first_twice(key for key, _ in pairs))} appears twice")
    return found


def _first_twice(keys: Iterable[str]) -> str:
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            return key
        seen.add(key)
    raise AssertionError("one of them is there twice")


def _number(digits: str) -> float:
    if len(digits) > MAX_NUMBER_CHARACTERS:
        raise JsonError(f"holds a number of {len(digits):,} characters")
    value = float(digits)
    if math.isinf(value):
        raise JsonError(f"{digits} is beyond all numbers")
    return value


def _constant(word: str) -> float:
    raise JsonError(f"{word} is not a number of JSON's")


def _check_depth(value: object, bounds: Bounds) -> None:
    level = _containers([value])
    for _ in range(bounds.depth):
        if not level:
            return
        level = [
            inner
            for outer in level
            for inner in _containers(outer.values() if isinstance(outer, dict) else outer)
        ]
    if level:
        raise _too_deep(bounds)


def _containers(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if isinstance(value, dict | list)]


def _too_deep(bounds: Bounds) -> JsonError:
    return JsonError(f"is nested more than {bounds.depth} levels deep")


def _check_characters(value: object, bounds: Bounds) -> None:
    errors = "surrogateescape" if bounds.with_path_bytes else "strict"
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8", errors)
    except UnicodeEncodeError as error:
        raise JsonError("holds half of a character (a lone surrogate)") from error


def _size(n_bytes: int) -> str:
    return f"{n_bytes // 1024**2} MB" if n_bytes >= 1024**2 else f"{n_bytes // 1024} kB"
