"""``clipcli models``: which models there are, getting them, removing them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from clipcli.cli import options
from clipcli.cli.option_groups import Command
from clipcli.cli.prompt import ask
from clipcli.errors import ExitCode, ModelError, UsageError

if TYPE_CHECKING:
    from clipcli.models.store import Installed

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="List, get, check and remove models."
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON. Left out: text.")]
Name: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="An installed model.",
        autocompletion=options.completing(options.installed),
    ),
]
ACTIVATIONS = ("quick_gelu", "gelu", "gelu_tanh")


@app.command(name="list", cls=Command)
def list_(as_json: AsJson = False) -> ExitCode:
    """List the models that are here, and those that can be pulled.

    Columns: name, state, megabytes, input pixels, published ImageNet zero-shot accuracy (of models
    that locate, the average precision on LVIS and COCO), licence.
    """
    from clipcli.cli import models_table as models
    from clipcli.models.resolve import chosen_model
    from clipcli.models.store import find_installed, installed_models
    from clipcli.output import text as rows

    default = find_installed(chosen_model().spec)
    lines = models.model_lines(installed_models().values(), default.name if default else None)
    if as_json:
        rows.print_json(models.list_data(lines))
    else:
        header = [models.HEADER] if sys.stdout.isatty() else []
        rows.print_rows([*header, *models.list_rows(lines)])
    return ExitCode.DONE


@app.command(cls=Command)
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Any name that a model has.")],
    path: Annotated[
        bool,
        typer.Option("--path", help="Print only where its files lie. Left out: all about it."),
    ] = False,
    as_json: AsJson = False,
) -> ExitCode:
    """Show what is known about a model, installed or not."""
    from clipcli.cli import models_table as models
    from clipcli.models.catalog.catalog import find_entry
    from clipcli.models.catalog.locators import find_locator_entry
    from clipcli.models.locators.source import open_installed
    from clipcli.models.store import find_installed
    from clipcli.output import text as rows

    installed, entry = find_installed(name), find_entry(name)
    located = find_locator_entry(name)
    if installed is None and ((entry is None and located is None) or path):
        installed = _installed(name)
    if installed is not None and path:
        rows.print_line(str(installed.find_path()))
        return ExitCode.DONE
    source = open_installed(installed) if installed else None
    if installed is not None and source is not None:
        data = models.installed_locator_data(installed, source)
    elif installed is not None:
        data = models.installed_data(installed, installed.open())
    elif located is not None:
        data = models.locator_data(located)
    else:
        assert entry is not None
        data = models.available_data(entry)
    if as_json:
        rows.print_json(data)
    else:
        rows.print_rows(models.detail_rows(data))
    return ExitCode.DONE


@app.command(cls=Command)
def pull(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A name from the list, such as ViT-B/32, or a repository: OWNER/NAME.",
            autocompletion=options.completing(options.pullable),
        ),
    ],
    quiet: options.Quiet = False,
) -> ExitCode:
    """Download a model from the Hugging Face hub.

    HF_HOME, HF_ENDPOINT, HF_HUB_OFFLINE and HF_TOKEN count. A pull that broke off goes on where it
    stopped.
    """
    from clipcli.cli.progress import Notes
    from clipcli.models.catalog.locators import find_locator_entry
    from clipcli.models.folder import BUILTIN
    from clipcli.models.hub import pull as hub
    from clipcli.models.hub.pull_locator import pull_locator
    from clipcli.models.store import find_installed

    notes = Notes(quiet=quiet)
    if name == BUILTIN:
        notes.say(f"{name} comes with clipcli")
        return ExitCode.DONE
    located = find_locator_entry(name)
    wanted = None if located else hub.find_hub_model(name)
    own_name = located.name if located else wanted.name if wanted else name
    model = find_installed(own_name)
    if model is not None and model.name == own_name and _is_whole(model):
        notes.say(f"{model.name} is installed already")
        return ExitCode.DONE
    if located:
        model = pull_locator(located, say=notes.say, is_quiet=quiet)
        notes.say(f"{model.name} is installed: use it with `clipcli locate --model {model.name}`")
        return ExitCode.DONE
    assert wanted is not None
    model = hub.pull(wanted, say=notes.say, is_quiet=quiet)
    notes.say(
        f"{model.name} is installed: use it with --model {model.name}, or always after "
        f"`clipcli models default {model.name}`"
    )
    return ExitCode.DONE


@app.command(name="import", cls=Command)
def import_(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="A model folder or a checkpoint file.")
    ],
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Letters, digits and ._-. Left out: the folder's or file's own name.",
        ),
    ] = None,
    activation: Annotated[
        str | None,
        typer.Option(
            metavar="ACTIVATION",
            help="quick_gelu, gelu or gelu_tanh, where the files do not say. Left out: what they "
            "say.",
        ),
    ] = None,
    vocab: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A merges file or tokenizer.json. Left out: the one beside the weights.",
        ),
    ] = None,
    preprocessing: Annotated[
        str | None,
        typer.Option(
            metavar="clip|FILE",
            help="'clip', as OpenAI released it, or a preprocessor_config.json. Left out: what "
            "the files say.",
        ),
    ] = None,
    quiet: options.Quiet = False,
) -> ExitCode:
    """Copy a model of any layout into clipcli's own, under a name. Needs no network.

    Hugging Face and OpenCLIP folders, OpenAI's .pt files and plain state dicts are read.
    """
    from clipcli.cli.progress import Notes
    from clipcli.workflows.import_model import import_named

    if activation is not None and activation not in ACTIVATIONS:
        raise UsageError(
            f"activation {activation!r} is not known", hint=f"one of {', '.join(ACTIVATIONS)}"
        )
    model = import_named(
        path, name=name, activation=activation, vocabulary=vocab, preprocessing=preprocessing
    )
    Notes(quiet=quiet).say(f"{model.name} is installed: use it with --model {model.name}")
    return ExitCode.DONE


@app.command(cls=Command)
def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME...", help="Installed models. Left out: all.", show_default=False
        ),
    ] = None,
) -> ExitCode:
    """Hash models' files anew and compare with what was noted. Exit code 4 if any has changed."""
    from clipcli.models.store import installed_models
    from clipcli.output.text import print_line
    from clipcli.workflows.doctor import verify as find_fault

    models = [_installed(name) for name in names or ()] or list(installed_models().values())
    faults = 0
    for model in models:
        fault = find_fault(model)
        print_line(f"{model.name}: {fault or 'ok'}")
        faults += fault is not None
    return ExitCode.MODEL if faults else ExitCode.DONE


@app.command(cls=Command)
def rm(
    name: Name,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask. Left out: ask on a terminal.")
    ] = False,
) -> ExitCode:
    """Remove a model.

    What clipcli wrote goes; a download stays in the hub's cache.
    """
    from clipcli.cli.progress import Notes
    from clipcli.models.resolve import read_default_model, write_default_model
    from clipcli.models.store import remove

    model = _installed(name)
    ask(f"remove {model.name} ({model.folder})?", is_agreed=yes)
    rest = _left_in_hub(model)
    remove(model)
    notes = Notes()
    if read_default_model() == model.name:
        write_default_model(None)
        rest += "; there is no default model any more"
    notes.say(f"{model.name} is removed{rest}")
    return ExitCode.DONE


@app.command(cls=Command)
def default(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="An installed model, or a path. Left out: print the present one.",
            show_default=False,
        ),
    ] = None,
) -> ExitCode:
    """Choose the model that serves by default.

    It serves where neither --model nor CLIPCLI_MODEL says one.
    """
    from clipcli.models.resolve import chosen_model, find_model, write_default_model
    from clipcli.models.store import Installed
    from clipcli.output.text import print_line

    if name is None:
        print_line(chosen_model().spec)
        return ExitCode.DONE
    _check_not_empty(name)
    found = find_model(name)
    write_default_model(found.name if isinstance(found, Installed) else str(found.absolute()))
    return ExitCode.DONE


def _installed(name: str) -> Installed:
    """Return an installed model, or raise the error that says what is near."""
    from clipcli.models.resolve import find_model
    from clipcli.models.store import Installed, find_installed

    _check_not_empty(name)
    found = find_installed(name) or find_model(name)
    if not isinstance(found, Installed):
        raise ModelError(f"{name}: is not the name of an installed model")
    return found


def _check_not_empty(name: str) -> None:
    """Raise a UsageError for no name at all, which elsewhere means the default model."""
    if not name:
        raise UsageError("NAME: is empty", hint="see `clipcli models list`")


def _is_whole(model: Installed) -> bool:
    """Tell whether a model's files are all there, in their sizes."""
    if not model.is_pulled:
        return True
    try:
        pointer = model.pointer()
        sizes = [(pointer.path / file.name).stat().st_size for file in pointer.files]
    except (ModelError, OSError):
        return False
    return sizes == [file.n_bytes for file in pointer.files]


def _left_in_hub(model: Installed) -> str:
    try:
        pointer = model.pointer() if model.is_pulled else None
    except ModelError:
        return ""
    return f"; the download stays in the hub's cache: {pointer.path}" if pointer else ""
