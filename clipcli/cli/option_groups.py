"""Groups of options: declared once as a dataclass, spread over a command's parameters.

A command takes a group as one argument; Typer sees the group's fields as parameters of their own,
and ``--help`` shows them under the group's heading. A group is made once, by Typer, and nobody
changes it. It is not frozen, because Python takes twice as long to make such a class, and there
are fifty.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import MISSING, fields, is_dataclass
from functools import cached_property
from typing import Annotated, Any, get_args, get_type_hints

import typer.core

HEADINGS = (
    *(
        "Inputs",
        "Query",
        "Labels",
        "Decision",
        "Action",
        "Folders and names",
        "Model",
        "Workers",
        "Budget",
        "Length",
        "Training",
        "Self-training",
        "Output",
        "Messages",
    ),
)


class _Grouped:
    """A command's function, with the fields of its groups in the place of the groups.

    The signature is made when Typer asks for it: of all commands only one runs.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.__name__, self.__doc__ = function.__name__, function.__doc__
        self.__module__ = function.__module__
        self.__annotations__: dict[str, Any] = {}  # Typer reads the signature's

    @cached_property
    def _own(self) -> list[inspect.Parameter]:
        return list(inspect.signature(self._function, eval_str=True).parameters.values())

    @cached_property  # Typer asks twice
    def __signature__(self) -> inspect.Signature:
        """The parameters that Typer is to see; those without a default come first."""
        spread = [new for parameter in self._own for new in _spread(parameter)]
        spread.sort(key=lambda parameter: parameter.default is not parameter.empty)
        return inspect.Signature(spread)

    def __call__(self, **values: Any) -> Any:
        """Gather the values into groups, and run the command."""
        return self._function(
            **{parameter.name: _gather(parameter, values) for parameter in self._own}
        )


def grouped(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what Typer takes for a function that takes groups of options."""
    return _Grouped(function)


def _spread(parameter: inspect.Parameter) -> Iterator[inspect.Parameter]:
    group = parameter.annotation
    if not is_dataclass(group):
        yield parameter.replace(kind=parameter.KEYWORD_ONLY)
        return
    hints = get_type_hints(group, include_extras=True)
    heading: str = getattr(group, "HEADING", "Options")
    for field in fields(group):
        yield inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=_under_heading(hints[field.name], heading),
        )


def _under_heading(annotation: Any, heading: str) -> Any:
    """Return ``Annotated[T, option]`` with the option under a heading of the help."""
    kind, option = get_args(annotation)
    option = copy(option)
    option.rich_help_panel = option.rich_help_panel or heading
    return Annotated[kind, option]


def _gather(parameter: inspect.Parameter, values: dict[str, Any]) -> Any:
    group = parameter.annotation
    if not is_dataclass(group):
        return values[parameter.name]
    return group(**{field.name: values[field.name] for field in fields(group)})  # type: ignore[operator]


def _with_examples(text: str) -> str:
    """Keep the lines of examples: paragraphs after a backspace are not wrapped (click's way)."""
    paragraphs = text.split("\n\n")
    return "\n\n".join(
        f"\b\n{one}" if one.lstrip().startswith("clipcli ") else one for one in paragraphs
    )


class Command(typer.core.TyperCommand):
    """A command whose help has a heading for each group of options, and examples line by line."""

    def __init__(self, *arguments: Any, help: str | None = None, **settings: Any) -> None:  # noqa: A002
        super().__init__(*arguments, help=_with_examples(help or ""), **settings)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then the options by heading, then those without one."""
        arguments, sections = [], {heading: [] for heading in HEADINGS}  # type: ignore[var-annotated]
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            if parameter.param_type_name == "argument":
                # Typer adds the type, such as <list[str]>, which tells people nothing.
                arguments.append((record[0].partition(" <")[0], record[1]))
            else:
                heading = getattr(parameter, "rich_help_panel", None) or "Options"
                sections.setdefault(heading, []).append(record)
        for heading, records in {"Arguments": arguments, **sections}.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)
