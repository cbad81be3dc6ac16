"""The command line as a whole: the commands, and how a run ends.

It is the one place that prints errors and decides the exit code. Command modules import nothing
heavy at their top, so that ``--help`` answers at once.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from clipcli.cli import options
from clipcli.cli.option_groups import Command, grouped
from clipcli.cli.typer_patch import take_as_they_are
from clipcli.errors import ClipcliError, ExitCode

if TYPE_CHECKING:
    from clipcli.cli.settings import Settings

# Typer carries its own copy of click since 0.26; its usage errors share this ancestor.
_ClickError: type[Exception] = next(
    cls for cls in typer.BadParameter.__mro__ if cls.__name__ == "ClickException"
)

# In the order of the help text. A command is a module and a function of its name; only the one that
# is called is imported.
COMMANDS = (
    *(
        "classify",
        "review",
        "explain",
        "locate",
        "ask",
        "describe",
        "embed",
        "search",
        "diff",
        "sort",
        "watch",
        "tag",
        "undo",
        "eval",
        "audit",
    ),
    *("dedup", "serve", "batch", "probe", "labels", "cache", "config", "models", "doctor"),
    *("train", "train-text", "train-locator"),
)
GROUPS = {"batch", "probe", "labels", "cache", "config", "models"}  # have commands of their own
PLAIN = {"undo", "doctor"}  # take no groups of options


def __getattr__(name: str) -> Any:
    """Make ``app``, the app with all commands, when it is asked for."""
    if name == "app":
        return _app(COMMANDS)
    raise AttributeError(name)


def _empty_app() -> typer.Typer:
    made = typer.Typer(
        name="clipcli",
        no_args_is_help=True,
        rich_markup_mode=None,  # rich is not worth its import for a help text
        pretty_exceptions_enable=False,  # tracebacks of bugs stay whole
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Say which words fit which pictures: zero-shot image classification with CLIP.",
    )
    made.callback()(_main)
    return made


@cache
def _listing() -> typer.Typer:
    """Return the app with commands that have a name and a help text, for their list.

    Making the options of all of them would take as long as all the rest of ``--help``.
    """
    made = _empty_app()
    for name in sorted(COMMANDS, key=GROUPS.__contains__):  # groups come last, as Typer has them
        module = import_module(f"clipcli.cli.{name.replace('-', '_')}")
        text = module.app.info.help if name in GROUPS else _function(name, module).__doc__
        made.command(name=name, help=text)(_main)
    return made


def _function(name: str, module: ModuleType) -> Callable[..., Any]:
    plain_name = name.replace("-", "_")
    # A function cannot be called as a built-in of Python's.
    function: Callable[..., Any] = getattr(
        module, f"{plain_name}_" if name == "eval" else plain_name
    )
    return function


@cache
def _app(names: tuple[str, ...]) -> typer.Typer:
    """Return the app with some of the commands."""
    made = _empty_app()
    for name in names:
        module = import_module(f"clipcli.cli.{name.replace('-', '_')}")
        if name in GROUPS:
            made.add_typer(module.app, name=name)
            continue
        function = _function(name, module)
        made.command(name=name, cls=Command)(function if name in PLAIN else grouped(function))
    return made


def _print_versions(is_asked: bool) -> None:
    if not is_asked:
        return
    from clipcli.pipeline.provenance import versions

    for name, version in versions().items():
        typer.echo(f"{name} {version}")
    raise typer.Exit


def _main(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            "-V",
            callback=_print_versions,
            is_eager=True,
            help="Print the versions that matter, and leave.",
        ),
    ] = False,
) -> None:
    """Take the options that stand before the command."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; nothing expected leaves as an exception."""
    try:
        outcome = _invoke(sys.argv[1:] if arguments is None else list(arguments))
        sys.stdout.flush()
    except ClipcliError as error:
        return _tell(error.message, error.hint, error.exit_code)
    except _ClickError as error:
        return _tell_usage(error)
    except (KeyboardInterrupt, typer.Abort):
        return _tell("interrupted", None, ExitCode.INTERRUPTED)
    except BrokenPipeError:
        _silence(sys.stdout, sys.stderr)
        return ExitCode.DONE
    except OSError as error:
        # Other writes are wrapped where they happen; this is help text and the like.
        if error.errno != errno.ENOSPC:
            raise
        _silence(sys.stdout)
        return _tell("standard output: no space left", None, ExitCode.NOTHING_USABLE)
    return int(outcome or ExitCode.DONE)


def _invoke(arguments: list[str]) -> Any:
    """Run the command; what it raises comes through as it is.

    Subtle: ``app()`` has ideas of its own about Ctrl-C and closed pipes, which differ between
    versions of Typer, so it is only asked to complete words for a shell.
    """
    take_as_they_are()
    if arguments[:1] == ["help"]:  # as `git help commit` does
        arguments = [*arguments[1:], "--help"]
    if "_CLIPCLI_COMPLETE" in os.environ:
        return typer.main.get_command(_app(COMMANDS)).main(arguments, prog_name="clipcli")
    command = typer.main.get_command(_app_for(arguments))
    try:
        settings = _settings_for(arguments)
        defaults = _defaults(command, settings) if settings.settings else None
        with command.make_context("clipcli", arguments, default_map=defaults) as context:
            context.meta[options.LABEL_SETS] = settings.label_sets
            return command.invoke(context)
    except typer.Exit as leave:  # --help and --version
        return leave.exit_code


def _settings_for(arguments: list[str]) -> Settings:
    """Return the user's settings; help and ``config`` have to work where a file is broken."""
    from clipcli.cli.settings import Settings, read_settings

    is_for_help = bool({"--help", "-h", "--version", "-V"} & set(arguments))
    is_needed = _is_called(arguments) and not is_for_help and arguments[:1] != ["config"]
    return read_settings() if is_needed else Settings()


def _defaults(command: Any, settings: Settings, path: str = "") -> dict[str, Any]:
    """Return the settings as defaults of a command's options, or of all commands in a group.

    Raises
    ------
    UsageError
        If an option is unknown, or a value is of another type than its option.
    """
    below = getattr(command, "commands", None)
    if below is not None:
        return {
            name: _defaults(one, settings, f"{path} {name}".strip()) for name, one in below.items()
        }
    parameters = {
        name.lstrip("-"): parameter
        for parameter in command.params
        for name in parameter.opts
        if name.startswith("--")
    }
    settings.check_options(path, set(parameters))
    if any(not s.command and s.option not in parameters for s in settings.from_files):
        settings.check_options("", _all_options(typer.main.get_command(_app(COMMANDS))))
    return settings.defaults(path, parameters)


def _all_options(command: Any) -> set[str]:
    below = getattr(command, "commands", {})
    own = {name.lstrip("-") for parameter in command.params for name in parameter.opts}
    return own.union(*map(_all_options, below.values()))


def _app_for(arguments: list[str]) -> typer.Typer:
    """Return the app with only the command that is called: Typer builds every one that is there.

    Where no argument is one of them (``--help``, a slip), their names will do.
    """
    if arguments and arguments[0] in COMMANDS:
        return _app((arguments[0],))
    return _app(COMMANDS) if _is_called(arguments) else _listing()


def _is_called(arguments: list[str]) -> bool:
    """Tell whether a command may be called, behind options of clipcli itself."""
    return bool(set(arguments) & set(COMMANDS))


def _tell_usage(error: Exception) -> int:
    message = str(getattr(error, "format_message", error.__str__)())
    if type(error).__name__ == "NoArgsIsHelpError":  # the message is the help text
        print(message, file=sys.stderr)  # noqa: T201 - errors are said here
        return ExitCode.USAGE
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "clipcli"
    parameter = getattr(error, "param", None)
    if context and parameter and context.get_parameter_source(parameter.name).name == "DEFAULT_MAP":
        return _tell(f"settings: {message}", "see clipcli config show", ExitCode.USAGE)
    return _tell(message, f"see {path} --help", ExitCode.USAGE)


def _tell(message: str, hint: str | None, exit_code: ExitCode) -> int:
    from clipcli.installation import in_own_way
    from clipcli.output.text import visible

    message, hint = in_own_way(message), in_own_way(hint) if hint else None
    print(f"clipcli: {visible(message)}", file=sys.stderr)  # noqa: T201 - errors are said here
    if hint:
        print(f"  hint: {visible(hint)}", file=sys.stderr)  # noqa: T201 - errors are said here
    return exit_code


def _silence(*streams: IO[str]) -> None:
    """Send streams nowhere, so that the interpreter does not fail to flush them on its way out."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        with contextlib.suppress(OSError, ValueError):  # not a file, or closed
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
