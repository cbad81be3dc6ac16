"""Other libraries' JSON: read field by field, with the place in errors."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from clipcli.errors import ModelError
from clipcli.models.config import MAX_LAYERS, MAX_SIZE
from clipcli.strict_json import SMALL, Bounds, read_json, short


class JsonObject:
    """An object in a JSON file; every question names the key, and what to take if it is absent."""

    def __init__(self, values: dict[str, Any], path: Path, prefix: str = "") -> None:
        self.values = values
        self.path = path
        self._prefix = prefix

    def section(self, key: str) -> JsonObject:
        """Return an object within this one; an absent one is empty."""
        value = self.values.get(key)
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise self.wrong(key, "an object")
        return JsonObject(value, self.path, f"{self._prefix}{key}.")

    def whole(self, key: str, default: int | None = None, most: int = MAX_SIZE) -> int:
        """Return a positive whole number, within what a model can count."""
        value = self._value(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self.wrong(key, "a positive whole number")
        if value > most:
            raise self.wrong(key, f"{most:,} at most")
        return value

    def layers(self, key: str, default: int) -> int:
        """Return how many layers a tower has."""
        return self.whole(key, default, MAX_LAYERS)

    def number(self, key: str, default: float | None = None) -> float:
        """Return a number."""
        value = self._value(key, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.wrong(key, "a number")
        return _as_float(value)

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
        red, green, blue = map(_as_float, value)
        return red, green, blue

    def must_be(self, key: str, expected: object, why: str) -> None:
        """Refuse any value but ``expected``; an absent key, or null, is as good."""
        value = self.values.get(key)
        if value is not None and value != expected:
            raise ModelError(f"{self.path}: {self._prefix}{key} is {short(value)}: {why}")

    def knows_only(self, keys: Iterable[str], why: str) -> None:
        """Refuse keys that are not among ``keys``, unless they say nothing."""
        known = set(keys)
        for key, value in self.values.items():
            if key not in known and value is not None and value is not False:
                raise ModelError(f"{self.path}: {self._prefix}{key} is {short(value)}: {why}")

    def wrong(self, key: str, expected: str) -> ModelError:
        """Return the error for a value that is not what it should be."""
        found = short(self.values[key]) if key in self.values else "nothing"
        return ModelError(f"{self.path}: {self._prefix}{key}: expected {expected}, got {found}")

    def _value(self, key: str, default: object) -> Any:
        value = self.values.get(key)
        return default if value is None else value


def read_object(path: Path, bounds: Bounds = SMALL) -> JsonObject:
    """Read a JSON file that holds an object.

    Raises
    ------
    ModelError
        If it cannot be read, or is no such file.
    """
    values = read_json(path, ModelError, bounds)
    if not isinstance(values, dict):
        raise ModelError(f"{path}: expected an object, got {short(values)}")
    return JsonObject(values, path)


def _as_float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:  # a whole number of hundreds of digits
        return math.inf
