"""docs/cli.md, made from the commands' own declarations, which ``--help`` prints too.

No help text is printed for it: that would depend on the terminal's width and Typer's version.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import typer

from clipcli.cli.app import app
from clipcli.cli.option_groups import HEADINGS
from tests.docs.blocks import ROOT

ORDER = (*HEADINGS, "Options")
PAGE = ROOT / "docs" / "cli.md"
HEAD = """# Command line reference

Every command with its arguments and options, as `clipcli COMMAND --help` prints them. This page is
generated: change the help texts in `clipcli/cli/`, then run `make docs`. All commands also take
`--help`; `clipcli --version` prints the versions that matter.
"""


def cli_reference() -> str:
    """Return the text of docs/cli.md."""
    commands = list(commands_below("clipcli", typer.main.get_command(app)))
    contents = [
        f"* [`{path}`](#{path.replace(' ', '-')}): {_paragraphs(command)[0]}"
        for path, command in commands
    ]
    sections = ["\n".join(_section(path, command)) for path, command in commands]
    return "\n".join([HEAD, *contents, "", "\n\n".join(sections)]) + "\n"


def commands_below(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Yield the commands that do something: not the groups that hold them."""
    below = getattr(command, "commands", None)
    if below is None:
        yield path, command
        return
    for name, inner in below.items():
        if not inner.hidden:
            yield from commands_below(f"{path} {name}", inner)


def _section(path: str, command: Any) -> Iterator[str]:
    paragraphs, usage, parameters = parts_of(path, command)
    yield f"## {path}\n"
    for paragraph in paragraphs:
        is_example = paragraph.startswith("clipcli ")
        yield (f"```sh\n{paragraph}\n```" if is_example else paragraph) + "\n"
    yield f"Usage: `{usage}`"
    for title, panel in groupby(parameters, key=lambda entry: panel_of(entry[0])):
        yield f"\n**{title}**\n"
        yield from (f"* {names}: {text}" for _, names, text in panel)


def parts_of(path: str, command: Any) -> tuple[list[str], str, list[tuple[Any, str, str]]]:
    """Return a command's paragraphs, its usage, and its parameters with their names and texts."""
    parameters = [p for p in command.params if not getattr(p, "hidden", False)]
    arguments = [p for p in parameters if p.param_type_name == "argument"]
    options = [p for p in parameters if p.param_type_name == "option" and p.name != "help"]
    usage = " ".join([path, *(["[OPTIONS]"] if options else []), *map(_in_usage, arguments)])
    options.sort(key=lambda option: ORDER.index(panel_of(option)))
    described = [(p, _names(p), _text(p)) for p in (*arguments, *options)]
    return _paragraphs(command), usage, described


def _paragraphs(command: Any) -> list[str]:
    """Return a help text's paragraphs; the lines of an example stay lines."""
    parts = (command.help or "").replace("\b", "").strip().split("\n\n")
    lines = [[line.strip() for line in part.strip().splitlines()] for part in parts]
    return [("\n" if one[0].startswith("clipcli ") else " ").join(one) for one in lines if one]


def panel_of(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return "Arguments"
    return str(getattr(parameter, "rich_help_panel", None) or "Options")


def _in_usage(argument: Any) -> str:
    many = "..." if argument.nargs == -1 and not _value(argument).endswith("...") else ""
    return _value(argument) + many if argument.required else f"[{_value(argument)}{many}]"


def _names(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{_value(parameter)}`"
    names = sorted([*parameter.opts, *parameter.secondary_opts], key=len)
    value = "" if parameter.is_flag or parameter.count else f" {_value(parameter)}"
    return ", ".join(f"`{name}`" for name in names[:-1]) + (
        f"{', ' if names[:-1] else ''}`{names[-1]}{value}`"
    )


def _value(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.rstrip("_").upper())


def _text(parameter: Any) -> str:
    text = " ".join((parameter.help or "").split())
    # What stands between < and > would be taken for HTML.
    text = re.sub(r"<(\w+)>", r"`<\1>`", text)
    if parameter.required:
        return f"{text} Required."
    if isinstance(parameter.default, bool) or parameter.default in (None, (), []):
        return text
    is_shown = parameter.show_default and "Left out:" not in text
    return f"{text} Default: `{parameter.default}`." if is_shown else text
