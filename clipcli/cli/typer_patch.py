"""Options' values that are right as they are.

From 0.29 on Typer checks every value with pydantic, also those that nobody gave, and importing
pydantic takes as long as all the rest of ``--help``. A word where a word is wanted, or a default of
the type that is wanted, needs no check; anything else goes Typer's own way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import typer.core

PLAIN = (str, int, float, bool)


@dataclass(frozen=True, slots=True)
class AsItIs:
    """What checks a parameter's value; Typer's own is made only when it is needed."""

    make_own: Callable[[], Any]

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the value, of the type that the command's function expects."""
        wanted = param.type_descriptor.annotation
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        if wanted in PLAIN and type(value) is wanted:
            return value
        is_list = wanted == list[str] and isinstance(value, tuple | list)
        if is_list and all(type(item) is str for item in value):
            return list(value)
        return self.make_own().coerce(value, param=param, ctx=ctx)


@cache
def take_as_they_are() -> None:
    """Spare values that need no check the check.

    Subtle: this reaches into Typer. A version that keeps its checks elsewhere just goes on making
    them; the tests of the start-up imports fail when that happens.
    """
    parameter: Any = getattr(typer.core, "_TyperParameter", None)
    make = getattr(parameter, "get_runtime_param", None)
    if make is not None:
        parameter.get_runtime_param = lambda self: AsItIs(lambda: make(self))
