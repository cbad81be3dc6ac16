"""``clipcli cache``: what is kept of earlier runs, and throwing it out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clipcli.cli.option_groups import Command
from clipcli.cli.prompt import ask
from clipcli.errors import ExitCode, UsageError

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="See and throw out what is kept of earlier runs.",
)


@app.command(cls=Command)
def path() -> ExitCode:
    """Print the folder of the cache."""
    from clipcli.output.text import print_line

    print_line(str(_folder()))
    return ExitCode.DONE


@app.command(cls=Command)
def info(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON. Left out: text.")] = False,
) -> ExitCode:
    """Tell what is kept, by model, and the limit."""
    from clipcli.cache.image_cache import limit_bytes
    from clipcli.cache.upkeep import look
    from clipcli.cli import cache_table as cache
    from clipcli.output import text as rows

    folder, limit = _folder(), limit_bytes()
    contents = look(folder)
    if as_json:
        rows.print_json(cache.data(folder, contents, limit))
    else:
        rows.print_rows(cache.table(folder, contents, limit))
    return ExitCode.DONE


@app.command(cls=Command)
def clear(
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask. Left out: ask on a terminal.")
    ] = False,
) -> ExitCode:
    """Throw out everything; the next runs compute it again."""
    from clipcli.cache.upkeep import clear as clear_all

    folder = _folder()
    ask(f"throw out all that is cached in {folder}?", is_agreed=yes)
    _tell(clear_all(folder))
    return ExitCode.DONE


@app.command(cls=Command)
def prune(
    max_size: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Keep so much, such as 500MB, of what was used last. Left out, as are the "
            "others: the limit, $CLIPCLI_CACHE_LIMIT or 2 GB.",
            show_default=False,
        ),
    ] = None,
    older_than: Annotated[
        float | None,
        typer.Option(
            metavar="DAYS",
            min=0.0,
            help="Throw out what was not used for so long. Left out: whatever its age.",
            show_default=False,
        ),
    ] = None,
    gone_models: Annotated[
        bool,
        typer.Option(
            "--gone-models",
            help="Throw out the pictures of models that are not installed. Left out: of none.",
        ),
    ] = False,
) -> ExitCode:
    """Throw out what is too much, too old, or of models that are gone."""
    from clipcli.cache import upkeep as cachecare
    from clipcli.cache.image_cache import limit_bytes, parse_size

    limit = None if max_size is None else parse_size(max_size, "--max-size")
    if max_size is None and older_than is None and not gone_models:
        limit = limit_bytes()
    models = _fingerprints() if gone_models else None
    n_gone = cachecare.prune(
        _folder(), most_bytes=limit, older_than_days=older_than, keep_models=models
    )
    _tell(n_gone)
    return ExitCode.DONE


def _folder() -> Path:
    from clipcli.cache.text_cache import default_folder

    folder = default_folder()
    if folder is None:
        raise UsageError(
            "there is no place for a cache: the user has no home folder",
            hint="set CLIPCLI_CACHE to a folder",
        )
    return folder


def _fingerprints() -> set[str]:
    """Return the fingerprints of the models that are installed, as far as they can be opened."""
    from clipcli.errors import ModelError
    from clipcli.models.locators.source import open_installed
    from clipcli.models.store import installed_models

    found = set()
    for model in installed_models().values():
        try:
            located = open_installed(model)
            found.add(located.fingerprint if located else model.open().config.fingerprint)
        except ModelError:
            continue
    return found


def _tell(n_gone: int) -> None:
    from clipcli.cli.progress import Notes

    Notes().say(f"{n_gone:,} {'entry' if n_gone == 1 else 'entries'} thrown out")
