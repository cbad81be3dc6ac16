"""Options' values that are right as they are.

From 0.29 on Typer checks every value with pydantic, also those that nobody gave, and importing
pydantic takes as long as all the rest of ``--help``. A word where a word is wanted, or a default of
the type that is wanted, needs no check; anything else goes Typer's own way. Only an empty word is
refused where a path is wanted: ``Path("")`` is the current folder, not what ``"$UNSET"`` meant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args

import typer.core

from clipcli.errors import UsageError

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
        _refuse_empty_path(value, wanted, param)
        return self.make_own().coerce(value, param=param, ctx=ctx)


def _refuse_empty_path(value: Any, wanted: Any, param: Any) -> None:
    """Raise a UsageError if a path is empty, as in ``--into "$UNSET"``."""
    kinds = {wanted, *get_args(wanted)}  # Path | None, list[Path] | None
    kinds |= {kind for one in kinds for kind in get_args(one)}
    words = value if isinstance(value, tuple | list) else (value,)
    if Path in kinds and "" in words:
        option = max(param.opts, key=len)
        name = option if option.startswith("-") else param.metavar or param.name
        raise UsageError(f"{name}: is empty", hint="write its name, or . for the current folder")


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
