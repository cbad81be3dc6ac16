"""``config.json``: what a model folder says about itself, read strictly.

The file mirrors :class:`~clipcli.models.config.ModelConfig` field by field. Nothing is guessed: a
key that is unknown, missing or of the wrong type is an error that names the file and the key.
"""

from __future__ import annotations

import dataclasses
import json
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
from clipcli.strict_json import read_json, short
from clipcli.strict_records import ReadingRules, read_record

FORMAT = 1  # goes up when an older clipcli could misread the file
# What distinguishes records that can stand in the same place; CLIP's own architecture, which was
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
        raise ModelError(f"{source}: expected an object, got {short(data, 40)}")
    if data.get("format") != FORMAT:
        found = short(data.get("format"))
        raise ModelError(
            f"{source}: format {found} is not {FORMAT}, the one this clipcli reads",
            hint="upgrade clipcli, or write the model folder again",
        )
    rest = {key: value for key, value in data.items() if key != "format"}
    rules = ReadingRules(source, ModelError, kinds=KINDS, unnamed=UNNAMED)
    config = read_record(rest, ModelConfig, rules)
    _check_sense(config, source)
    return config


def read_config(path: Path) -> ModelConfig:
    """Read a model folder's ``config.json``."""
    return config_from_dict(read_json(path, ModelError), str(path))


def canonical_numbers(config: ModelConfig) -> bytes:
    """Return the numeric configuration as JSON that is the same bytes for the same numbers."""
    plain = config_to_dict(config)
    numbers = {key: plain[key] for key in NUMERIC_KEYS}
    return json.dumps(numbers, sort_keys=True, separators=(",", ":")).encode("ascii")


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
