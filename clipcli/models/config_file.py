"""``config.json``: what a model folder says about itself, read strictly.

The file mirrors :class:`~clipcli.models.config.ModelConfig` field by field. Nothing is guessed: a
key that is unknown, missing or of the wrong type is an error that names the file and the key.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from pathlib import Path
from typing import Any

from clipcli.errors import ModelError
from clipcli.models.config import (
    Architecture,
    EfficientNetLite,
    ModelConfig,
    ModifiedResNet,
    SiglipArchitecture,
    TextTransformer,
    VisionTransformer,
)

FORMAT = 1  # goes up when an older clipcli could misread the file
# How records are told apart that can stand in the same place; CLIP's own architecture, which was
# there first, goes without a name.
KINDS: dict[str, type] = {
    "vit": VisionTransformer,
    "resnet": ModifiedResNet,
    "efficientnet": EfficientNetLite,
    "siglip": SiglipArchitecture,
}
UNNAMED: type = Architecture
# What changes vectors or scores; logit scale and bias are not here, because they are weights.
NUMERIC_KEYS = ("architecture", "preprocessing", "scoring")


def config_to_dict(config: ModelConfig) -> dict[str, Any]:
    """Return what ``config.json`` holds, as plain data."""
    return {"format": FORMAT, **_to_plain(config)}


def config_from_dict(data: object, source: str) -> ModelConfig:
    """Read plain data strictly; ``source`` names the file in errors.

    Raises
    ------
    ModelError
        If a key is unknown, missing or of the wrong type, or the parts contradict each other.
    """
    if not isinstance(data, dict):
        raise ModelError(f"{source}: expected an object, got {_describe(data)}")
    if data.get("format") != FORMAT:
        raise ModelError(
            f"{source}: format {data.get('format')!r} is not {FORMAT}, the one this clipcli reads",
            hint="upgrade clipcli, or write the model folder again",
        )
    rest = {key: value for key, value in data.items() if key != "format"}
    config = _read_record(rest, ModelConfig, _Place(source))
    assert isinstance(config, ModelConfig)
    _check_sense(config, source)
    return config


def read_config(path: Path) -> ModelConfig:
    """Read a model folder's ``config.json``."""
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise ModelError(f"{path}:{error.lineno}: not JSON: {error.msg}") from error
    except UnicodeDecodeError as error:
        raise ModelError(f"{path}: not UTF-8 text") from error
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error
    return config_from_dict(data, str(path))


def canonical_numbers(config: ModelConfig) -> bytes:
    """Return the numeric configuration as JSON that is the same bytes for the same numbers."""
    plain = config_to_dict(config)
    numbers = {key: plain[key] for key in NUMERIC_KEYS}
    return json.dumps(numbers, sort_keys=True, separators=(",", ":")).encode("ascii")


@dataclasses.dataclass(frozen=True, slots=True)
class _Place:
    """Where in which file a value stands, for errors."""

    source: str
    key: str = ""

    def at(self, key: str | int) -> _Place:
        return _Place(self.source, f"{self.key}.{key}" if self.key else str(key))

    def wrong(self, expected: str, value: object) -> ModelError:
        return ModelError(f"{self.source}: {self.key}: expected {expected}, got {_describe(value)}")


def _to_plain(value: object) -> Any:
    if isinstance(value, tuple):
        return [_to_plain(item) for item in value]
    if not dataclasses.is_dataclass(value):
        return value
    plain = {
        field.name: _to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)
    }
    kind = next((name for name, record in KINDS.items() if type(value) is record), None)
    return plain if kind is None else {"kind": kind, **plain}


def _read(value: object, kind: Any, place: _Place) -> Any:
    """Check ``value`` against the annotation ``kind`` and return it in that type."""
    if isinstance(kind, types.UnionType):
        return _read_tagged(value, typing.get_args(kind), place)
    if kind in KINDS.values():
        return _read_tagged(value, (kind,), place)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _read_record(value, kind, place)
    if typing.get_origin(kind) is typing.Literal:
        choices = typing.get_args(kind)
        if value not in choices:
            raise place.wrong(" or ".join(map(repr, choices)), value)
        return value
    if typing.get_origin(kind) is tuple:
        return _read_tuple(value, typing.get_args(kind), place)
    return _read_scalar(value, kind, place)


def _read_scalar(value: object, kind: type, place: _Place) -> object:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is float:
        if not is_number or not math.isfinite(typing.cast("float", value)):
            raise place.wrong("a number", value)
        return float(typing.cast("float", value))
    if kind is int:  # all of them are sizes and counts
        if not is_number or not isinstance(value, int) or value < 1:
            raise place.wrong("a positive whole number", value)
        return value
    if not isinstance(value, kind):
        raise place.wrong({str: "a string", bool: "true or false"}[kind], value)
    return value


def _read_tuple(value: object, kinds: tuple[Any, ...], place: _Place) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise place.wrong("a list", value)
    if kinds[-1] is ...:
        kinds = kinds[:1] * len(value)
    if len(value) != len(kinds):
        raise place.wrong(f"a list of {len(kinds)}", value)
    pairs = zip(value, kinds, strict=True)
    return tuple(_read(item, kind, place.at(i)) for i, (item, kind) in enumerate(pairs))


def _read_tagged(value: object, records: tuple[type, ...], place: _Place) -> Any:
    if not isinstance(value, dict):
        raise place.wrong("an object", value)
    if "kind" not in value and UNNAMED in records:
        return _read_record(value, UNNAMED, place)
    choices = {tag: record for tag, record in KINDS.items() if record in records}
    tag = value.get("kind")
    if not isinstance(tag, str) or tag not in choices:
        raise place.at("kind").wrong(" or ".join(map(repr, choices)), tag)
    rest = {key: item for key, item in value.items() if key != "kind"}
    return _read_record(rest, choices[tag], place)


def _read_record(value: object, record: type, place: _Place) -> Any:
    if not isinstance(value, dict):
        raise place.wrong("an object", value)
    kinds = typing.get_type_hints(record)
    for key in value:
        if key not in kinds:
            raise ModelError(f"{place.source}: {place.at(key).key}: unknown key")
    for key in kinds:
        if key not in value:
            raise ModelError(f"{place.source}: {place.at(key).key}: missing key")
    return record(**{key: _read(value[key], kinds[key], place.at(key)) for key in kinds})


def _check_sense(config: ModelConfig, source: str) -> None:
    """Refuse numbers that are each fine but cannot be together."""
    image, text = config.architecture.image, config.architecture.text
    if config.preprocessing.size != image.image_size:
        raise ModelError(
            f"{source}: preprocessing.size {config.preprocessing.size} is not "
            f"architecture.image.image_size {image.image_size}"
        )
    towers: list[tuple[str, VisionTransformer | TextTransformer]] = [("text", text)]
    if isinstance(image, VisionTransformer):
        towers.append(("image", image))
    for name, tower in towers:
        if tower.width % tower.heads:
            raise ModelError(
                f"{source}: architecture.{name}: width {tower.width} is not a multiple of "
                f"heads {tower.heads}"
            )
    architecture = config.architecture
    if isinstance(architecture, SiglipArchitecture) and (
        architecture.embed_dim != architecture.image.width
    ):
        raise ModelError(
            f"{source}: architecture: embed_dim {architecture.embed_dim} is not the image tower's "
            f"width {architecture.image.width}"
        )
    if min(config.preprocessing.std) <= 0:
        raise ModelError(f"{source}: preprocessing.std: must be above zero")


def _describe(value: object) -> str:
    told = json.dumps(value, ensure_ascii=False, default=str)
    return told if len(told) <= 40 else told[:37] + "..."
