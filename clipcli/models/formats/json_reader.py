"""Other libraries' JSON: read field by field, with the place in errors."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from clipcli.errors import ModelError

MAX_BYTES = 64 * 1024**2  # a tokenizer.json of 256,000 tokens has 34 MB


class Told:
    """An object in a JSON file; every question names the key, and what to take if it is absent."""

    def __init__(self, values: dict[str, Any], path: Path, prefix: str = "") -> None:
        self.values = values
        self.path = path
        self._prefix = prefix

    def section(self, key: str) -> Told:
        """Return an object within this one; an absent one is empty."""
        value = self.values.get(key)
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise self.wrong(key, "an object")
        return Told(value, self.path, f"{self._prefix}{key}.")

    def whole(self, key: str, default: int | None = None) -> int:
        """Return a positive whole number."""
        value = self._value(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self.wrong(key, "a positive whole number")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """Return a number."""
        value = self._value(key, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.wrong(key, "a number")
        return float(value)

    def text(self, key: str, default: str | None = None) -> str:
        """Return a string."""
        value = self._value(key, default)
        if not isinstance(value, str):
            raise self.wrong(key, "a string")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """Return true or false."""
        value = self._value(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def triple(self, key: str) -> tuple[float, float, float]:
        """Return one number for each of red, green and blue."""
        value = self._value(key, None)
        if not isinstance(value, list) or len(value) != 3:
            raise self.wrong(key, "three numbers")
        if not all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in value):
            raise self.wrong(key, "three numbers")
        red, green, blue = map(float, value)
        return red, green, blue

    def must_be(self, key: str, expected: object, why: str) -> None:
        """Refuse any value but ``expected``; an absent key, or null, is as good."""
        value = self.values.get(key)
        if value is not None and value != expected:
            raise ModelError(f"{self.path}: {self._prefix}{key} is {_short(value)}: {why}")

    def knows_only(self, keys: Iterable[str], why: str) -> None:
        """Refuse keys that are not among ``keys``, unless they say nothing."""
        known = set(keys)
        for key, value in self.values.items():
            if key not in known and value is not None and value is not False:
                raise ModelError(f"{self.path}: {self._prefix}{key} is {_short(value)}: {why}")

    def wrong(self, key: str, expected: str) -> ModelError:
        """Return the error for a value that is not what it should be."""
        found = _short(self.values[key]) if key in self.values else "nothing"
        return ModelError(f"{self.path}: {self._prefix}{key}: expected {expected}, got {found}")

    def _value(self, key: str, default: object) -> Any:
        value = self.values.get(key)
        return default if value is None else value


def read_told(path: Path) -> Told:
    """Read a JSON file that holds an object.

    Raises
    ------
    ModelError
        If it cannot be read, or is no such file.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error
    if len(raw) > MAX_BYTES:
        raise ModelError(f"{path}: is larger than {MAX_BYTES // 1024**2} MB")
    try:
        values = json.loads(raw.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise ModelError(f"{path}:{error.lineno}: not JSON: {error.msg}") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise ModelError(f"{path}: not JSON") from error
    if not isinstance(values, dict):
        raise ModelError(f"{path}: expected an object, got {_short(values)}")
    return Told(values, path)


def _short(value: object) -> str:
    told = json.dumps(value, ensure_ascii=True, default=str)
    return told if len(told) <= 60 else told[:57] + "..."
