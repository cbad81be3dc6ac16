"""Reading a training configuration strictly, without importing torch."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from clipcli.errors import UsageError
from clipcli.files import read_text
from clipcli.strict_json import short
from clipcli.strict_records import ReadingRules, read_record, read_value
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
    return read_record(_load(path), record, _rules(str(path)))


def _load(path: Path, above: tuple[Path, ...] = ()) -> Any:
    """Read plain data, on top of that of the file that ``base`` names, beside this one."""
    if path.resolve() in above:
        raise UsageError(f"{path}: builds on itself", hint="take `base` out of one of the files")
    try:
        data = yaml.safe_load(read_text(path, UsageError))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise UsageError(f"{path}{line}: not YAML: {getattr(error, 'problem', error)}") from error
    except (RecursionError, ValueError) as error:  # brackets without end; a date that is none
        raise UsageError(f"{path}: not YAML that can be read: {error}") from error
    data = {} if data is None else data
    if not isinstance(data, dict) or "base" not in data:
        return data
    base = data.pop("base")
    if not isinstance(base, str):
        raise UsageError(f"{path}: base: expected the name of a file, got {short(base)}")
    return _merged(_load(path.parent / base, (*above, path.resolve())), data)


def _merged(base: Any, data: Any) -> Any:
    """Put sections over sections, key by key; anything else takes the other's place."""
    if not isinstance(base, dict) or not isinstance(data, dict):
        return data
    return base | {key: _merged(base.get(key), value) for key, value in data.items()}


def config_from_dict(data: object, source: str) -> TrainingConfig:
    """Read plain data; ``source`` names the file in errors."""
    return check_config(read_record(data, TrainingConfig, _rules(source)))


def _rules(source: str) -> ReadingRules:
    return ReadingRules(source, UsageError, has_defaults=True, is_yaml=True)


def with_options(config: TrainingConfig, **options: Any) -> TrainingConfig:
    """Put options of the command line, where given, over the configuration."""
    given = {name: value for name, value in options.items() if value is not None}
    for name, kind in (("loss", Loss), ("freeze", Tower), ("precision", Precision)):
        if name in given:
            read_value(given[name], kind, name, _rules("command line"))
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
