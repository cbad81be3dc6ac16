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
    commands = list(_commands("clipcli", typer.main.get_command(app)))
    contents = [
        f"* [`{path}`](#{path.replace(' ', '-')}): {_paragraphs(command)[0]}"
        for path, command in commands
    ]
    sections = ["\n".join(_section(path, command)) for path, command in commands]
    return "\n".join([HEAD, *contents, "", "\n\n".join(sections)]) + "\n"


def _commands(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Yield the commands that do something: not the groups that hold them."""
    below = getattr(command, "commands", None)
    if below is None:
        yield path, command
        return
    for name, inner in below.items():
        if not inner.hidden:
            yield from _commands(f"{path} {name}", inner)


def _section(path: str, command: Any) -> Iterator[str]:
    parameters = [p for p in command.params if not getattr(p, "hidden", False)]
    arguments = [p for p in parameters if p.param_type_name == "argument"]
    options = [p for p in parameters if p.param_type_name == "option" and p.name != "help"]
    usage = [path, *(["[OPTIONS]"] if options else []), *map(_in_usage, arguments)]
    yield f"## {path}\n"
    for paragraph in _paragraphs(command):
        is_example = paragraph.startswith("clipcli ")
        yield (f"```sh\n{paragraph}\n```" if is_example else paragraph) + "\n"
    yield f"Usage: `{' '.join(usage)}`"
    options.sort(key=lambda option: ORDER.index(_panel(option)))
    for title, panel in groupby([*arguments, *options], _panel):
        yield f"\n**{title}**\n"
        yield from (f"* {_names(p)}: {_text(p)}" for p in panel)


def _paragraphs(command: Any) -> list[str]:
    """Return a help text's paragraphs; the lines of an example stay lines."""
    parts = (command.help or "").replace("\b", "").strip().split("\n\n")
    return [p.strip() if p.startswith("clipcli ") else " ".join(p.split()) for p in parts]


def _panel(parameter: Any) -> str:
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
