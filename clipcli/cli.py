"""This file knows about the command line as a whole: the commands, and how a run ends.

It is the one place that prints errors and decides the exit code. Command modules import nothing
heavy at their top, so that ``--help`` answers at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from clipcli.commands import classify, doctor, embed, labels, models, train
from clipcli.errors import ClipcliError, ExitCode

# Typer carries its own copy of click since 0.26; its usage errors share this ancestor.
_ClickError: type[Exception] = next(
    cls for cls in typer.BadParameter.__mro__ if cls.__name__ == "ClickException"
)

app = typer.Typer(
    name="clipcli",
    no_args_is_help=True,
    rich_markup_mode=None,  # rich is not worth its import for a help text
    pretty_exceptions_enable=False,  # tracebacks of bugs stay whole
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Say which words fit which pictures: zero-shot image classification with CLIP.",
)
app.command()(classify.classify)
app.command()(embed.embed)
app.add_typer(labels.app, name="labels")
app.add_typer(models.app, name="models")
app.command()(doctor.doctor)
app.command()(train.train)


def _print_versions(is_asked: bool) -> None:
    if not is_asked:
        return
    from clipcli.provenance import versions

    for name, version in versions().items():
        typer.echo(f"{name} {version}")
    raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
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
        outcome = app(args=arguments, prog_name="clipcli", standalone_mode=False)
        sys.stdout.flush()
    except ClipcliError as error:
        return _tell(error.message, error.hint, error.exit_code)
    except _ClickError as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "clipcli"
        return _tell(
            str(getattr(error, "format_message", error.__str__)()),
            f"see {path} --help",
            ExitCode.USAGE,
        )
    except (KeyboardInterrupt, typer.Abort):
        return _tell("interrupted", None, ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has enough; the interpreter must not complain on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.DONE
    return int(outcome or ExitCode.DONE)


def _tell(message: str, hint: str | None, exit_code: ExitCode) -> int:
    from clipcli.render.text import visible

    print(f"clipcli: {visible(message)}", file=sys.stderr)  # noqa: T201 - errors are said here
    if hint:
        print(f"  hint: {visible(hint)}", file=sys.stderr)  # noqa: T201 - errors are said here
    return exit_code
