"""Reading a training configuration strictly, without importing torch."""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from clipcli.errors import UsageError
from clipcli.training.config import Loss, Precision, Tower, TrainingConfig
from clipcli.training.text.config import TextConfig, check_text_config

Settings = TypeVar("Settings", TrainingConfig, TextConfig)

LENGTHS = ("epochs", "steps", "minutes")


def read_config(path: Path | None) -> TrainingConfig:
    """Read a YAML file whose keys are the fields of :class:`TrainingConfig`; None: defaults.

    ``base: FILE`` puts its keys over those of another file.
    """
    config = _read_file(path, TrainingConfig)
    assert isinstance(config, TrainingConfig)
    return check_config(config)


def read_text_config(path: Path | None, **options: Any) -> TextConfig:
    """Read the settings of a text tower's run; options win where they are given."""
    config = _read_file(path, TextConfig)
    assert isinstance(config, TextConfig)
    return check_text_config(_with(config, options))


def _read_file(path: Path | None, record: type) -> Any:
    if path is None:
        return record()
    return _record(_load(path), record, str(path), "")


def _load(path: Path, above: tuple[Path, ...] = ()) -> Any:
    """Read plain data, on top of that of the file that ``base`` names, beside this one."""
    if path.resolve() in above:
        raise UsageError(f"{path}: builds on itself", hint="take `base` out of one of the files")
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise UsageError(f"{path}{line}: not YAML: {getattr(error, 'problem', error)}") from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UsageError(f"{path}: {reason}") from error
    data = {} if data is None else data
    if not isinstance(data, dict) or "base" not in data:
        return data
    base = data.pop("base")
    if not isinstance(base, str):
        raise _wrong(str(path), "base", base, "the name of a file")
    return _merged(_load(path.parent / base, (*above, path.resolve())), data)


def _merged(base: Any, data: Any) -> Any:
    """Put sections over sections, key by key; anything else takes the other's place."""
    if not isinstance(base, dict) or not isinstance(data, dict):
        return data
    return base | {key: _merged(base.get(key), value) for key, value in data.items()}


def config_from_dict(data: object, source: str) -> TrainingConfig:
    """Read plain data; ``source`` names the file in errors."""
    config = _record(data, TrainingConfig, source, "")
    assert isinstance(config, TrainingConfig)
    return check_config(config)


def with_options(config: TrainingConfig, **options: Any) -> TrainingConfig:
    """Put options of the command line, where given, over the configuration."""
    given = {name: value for name, value in options.items() if value is not None}
    for name, kind in (("loss", Loss), ("freeze", Tower), ("precision", Precision)):
        if name in given:
            _read(given[name], kind, "command line", name)
    if "loss" in given:
        contrastive = dataclasses.replace(config.contrastive, loss=given.pop("loss"))
        config = dataclasses.replace(config, contrastive=contrastive)
    if freeze := given.pop("freeze", None):
        config = dataclasses.replace(config, frozen=(*config.frozen, freeze))
    if weights := given.pop("weight", None):
        config = dataclasses.replace(config, sources=config.sources | _weights(weights))
    return check_config(_with(config, given))


def _with(config: Settings, options: Mapping[str, Any]) -> Settings:
    """Put what both kinds of runs have over a configuration."""
    given = {name: value for name, value in options.items() if value is not None}
    if any(name in given for name in LENGTHS):
        config = dataclasses.replace(config, epochs=None, steps=None, minutes=None)
    if "lr" in given:
        optimiser = dataclasses.replace(config.optimiser, lr=given.pop("lr"))
        config = dataclasses.replace(config, optimiser=optimiser)
    return dataclasses.replace(config, **given)


def _weights(texts: Sequence[str]) -> dict[str, float]:
    """Read ``name=number``; a name may have an ``=`` of its own."""
    weights = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        try:
            weights[name] = float(number)
        except ValueError:
            name = ""
        if not name:
            raise UsageError(f"--weight {text!r}: expected NAME=X, such as photos=2")
    return weights


def check_config(config: TrainingConfig) -> TrainingConfig:
    """Return the configuration, or raise a UsageError where its values contradict each other."""
    lengths = [n for n in LENGTHS if getattr(config, n) is not None]
    if len(lengths) > 1:
        raise UsageError(f"{' and '.join(lengths)}: give one of them")
    for name in lengths:
        if getattr(config, name) <= 0:
            raise UsageError(f"{name}: must be above zero")
    for name in ("batch_size", "chunk_size"):
        if getattr(config, name) < 0:
            raise UsageError(f"{name}: must not be below zero")
    _check_tokens(config)
    if config.blend is not None and not 0 < config.blend <= 1:
        raise UsageError(f"blend {config.blend:g}: must be above zero and 1 at most")
    for name, weight in config.sources.items():
        if not 0 <= weight < math.inf:
            raise UsageError(f"weight of {name!r}: must not be below zero")
    if config.architecture is not None and not config.vocabulary:
        raise UsageError("vocabulary: missing, and `architecture` needs one")
    if config.objective == "targets":
        for name in ("vectors", "concepts"):
            if not getattr(config.targets, name):
                raise UsageError(f"targets.{name}: missing, and the objective needs it")
    return config


def _check_tokens(config: TrainingConfig) -> None:
    if config.contrastive.loss == "tokens" and config.chunk_size:
        raise UsageError("chunk_size: does not go with the loss 'tokens', which sees all parts")


def _read(value: object, kind: Any, source: str, key: str) -> Any:
    """Check ``value`` against the annotation ``kind`` and return it in that type."""
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) in {types.UnionType, typing.Union}:  # X | None
        return None if value is None else _read(value, arguments[0], source, key)
    if dataclasses.is_dataclass(kind):
        return _record(value, kind, source, key)
    if arguments:
        return _compound(value, typing.get_origin(kind), arguments, source, key)
    return value if kind is Any else _scalar(value, kind, source, key)


def _compound(
    value: object, origin: Any, arguments: tuple[Any, ...], source: str, key: str
) -> object:
    """Read one of several words, a list, or a mapping."""
    if origin is typing.Literal:
        if value not in arguments:
            raise _wrong(source, key, value, " or ".join(map(str, arguments)))
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise _wrong(source, key, value, "a list")
        places = (f"{key}[{i}]" for i in range(len(value)))
        return tuple(
            _read(item, arguments[0], source, place)
            for item, place in zip(value, places, strict=True)
        )
    if not isinstance(value, dict):
        raise _wrong(source, key, value, "a mapping")
    return {str(k): _read(v, arguments[1], source, f"{key}.{k}") for k, v in value.items()}


def _scalar(value: object, kind: Any, source: str, key: str) -> object:
    if kind is float and isinstance(value, str):
        # YAML 1.1 takes 1e-3 for a string: it wants 1.0e-3.
        try:
            return float(value)
        except ValueError:
            raise _wrong(source, key, value, "a number") from None
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        names = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
        raise _wrong(source, key, value, names[kind])
    return value


def _record(data: object, record: Any, source: str, key: str) -> Any:
    if not isinstance(data, Mapping):
        raise _wrong(source, key or "the file", data, "a mapping")
    kinds = typing.get_type_hints(record)
    for name in data:
        if name not in kinds:
            raise UsageError(
                f"{source}: {_join(key, str(name))}: unknown key",
                hint=_suggestion(str(name), list(kinds)),
            )
    values = {name: _read(v, kinds[name], source, _join(key, name)) for name, v in data.items()}
    try:
        return record(**values)
    except TypeError:
        needed = [
            f.name
            for f in dataclasses.fields(record)
            if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        ]
        missing = next(name for name in needed if name not in values)
        raise UsageError(f"{source}: {_join(key, missing)}: missing key") from None


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _suggestion(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"keys are {', '.join(known)}"


def _wrong(source: str, key: str, value: object, expected: str) -> UsageError:
    return UsageError(f"{source}: {key}: expected {expected}, got {value!r}")
