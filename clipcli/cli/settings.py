"""Settings of the user: clipcli.toml and environment variables, as defaults of options.

The command line wins over ``CLIPCLI_<OPTION>``, that over the project's ``clipcli.toml`` (in this
folder or the nearest one above it), that over the user's. Nothing in a file can agree to anything:
what moves, replaces or writes files has to be said on the command line.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any, get_args

from clipcli.errors import UsageError

FILE_NAME = "clipcli.toml"
FILE_VARIABLE = "CLIPCLI_CONFIG"  # names a file in the place of both, or nothing: no file
PREFIX = "CLIPCLI_"
# A folder that somebody sends must not be able to agree to something in the user's name: to change,
# move or write files, to run a program, or to send work to another machine.
NEVER = frozenset(
    [
        *("apply", "rejected", "remove", "embed"),  # change and move what is there
        *("calibrate", "save"),  # change later answers
        *("coco", "confusion", "crops", "voc", "yolo"),  # write files
        *("exec", "ray"),  # run programs, here and elsewhere
        "yes",
        "overwrite",
        "move",
        "copy",
        "link",
        "hardlink",
        "trash",
        "near",
        "dry-run",
        "output",
        "into",
        "from-file",
        "config",
        "out",
        "help",
    ]
)
LIMIT_BYTES = 1_000_000
# Variables that are no options, and CLIPCLI_MODEL, which is read where models are chosen.
OWN_VARIABLES = (
    *("model", "models", "cache", "cache-limit", "state"),
    "token",  # of serve: a secret
    *("path", "label", "probability"),  # what `watch --exec` tells the program that it runs
)


@dataclass(frozen=True, slots=True)
class Setting:
    """One value and where it comes from."""

    command: str  # "classify", "probe fit"; "" for every command that has the option
    option: str  # "top-k"
    value: Any
    source: str  # "clipcli.toml:3", "$CLIPCLI_TOP_K"


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, the weakest first, and the label sets that files name."""

    settings: tuple[Setting, ...] = ()
    label_sets: Mapping[str, str] = field(default_factory=dict)

    @property
    def from_files(self) -> list[Setting]:
        """Those that files hold; variables of other names than options' are somebody else's."""
        return [setting for setting in self.settings if not setting.source.startswith("$")]

    def defaults(self, command: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return defaults for a command's parameters, by parameter name.

        Parameters
        ----------
        command
            As it is typed, such as ``"probe fit"``.
        parameters
            The command's options by their long name without dashes.

        Raises
        ------
        UsageError
            If a value is not of the option's type.
        """
        found = {}
        for setting in self.settings:
            parameter = parameters.get(setting.option)
            if setting.command not in ("", command) or parameter is None:
                continue
            found[parameter.name] = _checked(setting, parameter)
        return found

    def check_options(self, command: str, options: set[str]) -> None:
        """Refuse options that the command does not have.

        Raises
        ------
        UsageError
        """
        for setting in self.from_files:
            if setting.command == command and setting.option not in options:
                near = difflib.get_close_matches(setting.option, options, n=1)
                raise UsageError(
                    f"{setting.source}: {command or 'clipcli'} has no option {setting.option!r}",
                    hint=f"did you mean {near[0]!r}?" if near else f"clipcli {command} --help",
                )


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the files and variables that there are.

    Raises
    ------
    UsageError
        If a file is not readable as settings; it is named with the line.
    """
    settings: list[Setting] = []
    label_sets: dict[str, str] = {}
    for path in config_files(environment):
        settings += _read_file(path, label_sets)
    settings += _from_environment(environment)
    return Settings(tuple(settings), label_sets)


def config_files(environment: Mapping[str, str] = os.environ) -> list[Path]:
    """Return the configuration files that there are, the weaker first."""
    chosen = environment.get(FILE_VARIABLE)
    if chosen is not None:
        return [Path(chosen)] if chosen else []
    return [path for path in (user_file(environment), project_file()) if path and path.is_file()]


def user_file(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the user's own file is, or would be."""
    import platformdirs

    return platformdirs.user_config_path("clipcli", appauthor=False) / FILE_NAME


def project_file() -> Path | None:
    """Return the nearest file in this folder or one above it."""
    try:
        here = Path.cwd()
    except OSError:  # the folder was removed
        return None
    for folder in (here, *here.parents):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
        if (folder / ".git").exists():
            return None
    return None


def _read_file(path: Path, label_sets: dict[str, str]) -> list[Setting]:
    import tomllib

    from clipcli.files import read_text

    text = read_text(path, UsageError)
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise UsageError(f"{path}: is not TOML: {error}") from error
    for key in data.keys() - {"model", "defaults", "labels"}:
        raise UsageError(
            f"{path}:{_line(text, key)}: unknown key {key!r}",
            hint="there are: model, [defaults], [defaults.COMMAND], [labels]",
        )
    label_sets |= dict(_label_sets(path, text, data.get("labels", {})))
    top = {"model": data["model"]} if "model" in data else {}
    return [*_defaults(path, text, top), *_defaults(path, text, data.get("defaults", {}))]


def _defaults(path: Path, text: str, table: Any, command: str = "") -> Iterator[Setting]:
    if not isinstance(table, dict):
        raise UsageError(f"{path}:{_line(text, 'defaults')}: [defaults] is a table of options")
    # What is said of one command is stronger, wherever it stands.
    for key, value in sorted(table.items(), key=lambda item: isinstance(item[1], dict)):
        option, source = key.replace("_", "-"), f"{path}:{_line(text, key)}"
        if isinstance(value, dict):
            yield from _defaults(path, text, value, f"{command} {key}".strip())
        elif option in NEVER:
            raise UsageError(
                f"{source}: {key!r} cannot stand in a file",
                hint=f"say --{option} on the command line, where you mean it",
            )
        else:
            yield Setting(command, option, value, source)


def _label_sets(path: Path, text: str, table: Any) -> Iterator[tuple[str, str]]:
    """Yield names and what --labels is to take for them; files are relative to this one."""
    for name, value in table.items() if isinstance(table, dict) else [("labels", None)]:
        if isinstance(value, str):
            yield name, str(path.parent / Path(value).expanduser())
        elif isinstance(value, list) and len(value) > 1 and all(_is_plain(x) for x in value):
            yield name, ", ".join(value)
        else:
            raise UsageError(
                f"{path}:{_line(text, name)}: {name} is neither a label file nor a list of labels",
                hint='pets = "pets.txt" or pets = ["cat", "dog"]',
            )


def _is_plain(label: Any) -> bool:
    return isinstance(label, str) and "," not in label


def _line(text: str, key: str) -> int:
    """Return the line on which a key first stands, 1 where it is not found."""
    found = re.search(rf"^[ \t]*(?:\[[^\]]*)?[\"']?{re.escape(key)}\b", text, re.MULTILINE)
    return text.count("\n", 0, found.start()) + 1 if found else 1


def _from_environment(environment: Mapping[str, str]) -> Iterator[Setting]:
    for name, value in sorted(environment.items()):
        option = name.removeprefix(PREFIX).lower().replace("_", "-")
        if name.startswith(PREFIX) and option not in (*NEVER, *OWN_VARIABLES):
            yield Setting("", option, value, f"${name}")


def _checked(setting: Setting, parameter: Any) -> Any:
    """Return a value as the command line would give it."""
    kind, value = parameter.type_descriptor.annotation, setting.value
    if isinstance(kind, UnionType):
        kind = next(one for one in get_args(kind) if one is not type(None))
    is_from_environment = setting.source.startswith("$")
    if kind is bool and is_from_environment:
        value = {"1": True, "true": True, "0": False, "false": False}.get(value.lower(), value)
    if parameter.multiple and not isinstance(value, list):
        value = [value]
    if not _fits(kind, value) and not (is_from_environment and kind is not bool):
        shown = repr(setting.value)
        raise UsageError(
            f"{setting.source}: {setting.option} = {shown}: takes {_in_words(kind)}",
            hint="see --help of the command",
        )
    return str(value) if kind in (int, float) else value  # a text is checked for its range


def _fits(kind: Any, value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(one, str) for one in value)
    if kind in (int, float):
        return isinstance(value, int | kind) and not isinstance(value, bool)
    return isinstance(value, bool if kind is bool else str)


def _in_words(kind: Any) -> str:
    return {bool: "true or false", int: "a whole number", float: "a number"}.get(kind, "a text")
