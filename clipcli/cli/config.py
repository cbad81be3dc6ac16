"""``clipcli config``: which settings hold, and where each comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from clipcli.cli.option_groups import Command
from clipcli.errors import ExitCode

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Show the settings in force, and where each comes from.",
)


@app.command(cls=Command)
def show(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON. Left out: text.")] = False,
) -> ExitCode:
    """Print every setting and where it comes from.

    The command that it holds for stands beside it. The strongest comes last:
    your own clipcli.toml, the project's, CLIPCLI_ variables.
    """
    from clipcli.cli.settings import config_files, read_settings
    from clipcli.output.text import print_json, print_rows

    settings = read_settings()
    rows = [(s.option, s.command or "all commands", s.value, s.source) for s in settings.settings]
    rows += [("labels", "all commands", f"{k} = {v}", "[labels]") for k, v in _sets(settings)]
    if as_json:
        keys = ("option", "command", "value", "source")
        files = [str(path) for path in config_files()]
        data = {"files": files, "settings": [dict(zip(keys, row, strict=True)) for row in rows]}
        print_json(data)
    elif rows:
        print_rows([tuple(map(str, row)) for row in rows])
    return ExitCode.DONE


def _sets(settings: Any) -> list[tuple[str, str]]:
    return sorted(settings.label_sets.items())


@app.command(cls=Command)
def path() -> ExitCode:
    """Print the files that are read, the weaker first.

    Your own is named even where there is none yet.
    """
    from clipcli.cli.settings import config_files, user_file
    from clipcli.output.text import print_line

    files: list[Path] = config_files()
    for file in files if user_file() in files else [user_file(), *files]:
        print_line(str(file))
    return ExitCode.DONE
