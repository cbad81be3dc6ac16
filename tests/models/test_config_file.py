"""``config.json`` is read strictly."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from clipcli.errors import ExitCode, ModelError
from clipcli.models.config import ModelConfig, Preprocessing
from clipcli.models.config_file import config_from_dict, config_to_dict, read_config
from clipcli.models.formats.openai import RELEASED


def config(name: str = "ViT-B/32") -> ModelConfig:
    architecture = RELEASED[name]
    return ModelConfig(
        name,
        architecture,
        Preprocessing(architecture.image.image_size),
        logit_scale=100.0,
        templates=("a photo of {}.",),
        licence="MIT",
    )


def paths_to_keys(data: dict[str, Any], before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for key, value in data.items():
        found.append((*before, key))
        if isinstance(value, dict):
            found += paths_to_keys(value, (*before, key))
    return found


def at(data: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    for key in path:
        data = data[key]
    return data


PLAIN = config_to_dict(config())
KEYS = [path for path in paths_to_keys(PLAIN) if path[-1] not in {"format", "kind"}]


@pytest.mark.parametrize("name", RELEASED)
def test_every_released_model_survives_the_way_through_json(name: str) -> None:
    told = json.dumps(config_to_dict(config(name)))

    read = config_from_dict(json.loads(told), "here")

    assert read == config(name)


@pytest.mark.parametrize("path", KEYS, ids=".".join)
def test_names_a_missing_key(path: tuple[str, ...]) -> None:
    data = copy.deepcopy(PLAIN)
    del at(data, path[:-1])[path[-1]]

    with pytest.raises(ModelError) as caught:
        config_from_dict(data, "folder/config.json")

    assert caught.value.message == f"folder/config.json: {'.'.join(path)}: missing key"
    assert caught.value.exit_code == ExitCode.MODEL


@pytest.mark.parametrize("path", KEYS, ids=".".join)
@pytest.mark.parametrize("value", [None, [[]], {"a": 1}], ids=["null", "list", "object"])
def test_names_a_key_of_the_wrong_type(path: tuple[str, ...], value: object) -> None:
    data = copy.deepcopy(PLAIN)
    at(data, path[:-1])[path[-1]] = value

    with pytest.raises(ModelError, match=rf"here: {'.'.join(path)}"):
        config_from_dict(data, "here")


@pytest.mark.parametrize("path", [(), ("architecture",), ("architecture", "image")])
def test_names_an_unknown_key(path: tuple[str, ...]) -> None:
    data = copy.deepcopy(PLAIN)
    at(data, path)["colour"] = "blue"

    with pytest.raises(ModelError, match=r"colour: unknown key"):
        config_from_dict(data, "here")


@pytest.mark.parametrize(
    ("path", "value", "fact"),
    [
        (("architecture", "embed_dim"), True, "embed_dim: expected a positive whole number"),
        (("architecture", "embed_dim"), 512.0, "embed_dim: expected a positive whole number"),
        (("architecture", "embed_dim"), 0, "embed_dim: expected a positive whole number, got 0"),
        (("architecture", "activation"), "relu", "'gelu_tanh', got \"relu\""),
        (("architecture", "logit_bias"), 1, "logit_bias: expected true or false, got 1"),
        (("architecture", "image", "kind"), "mamba", "image.kind: expected 'vit' or 'resnet'"),
        (("architecture", "text", "heads"), 7, "width 512 is not a multiple of heads 7"),
        (("preprocessing", "size"), 256, "preprocessing.size 256 is not"),
        (("preprocessing", "mean"), [0.5, 0.5], "mean: expected a list of 3"),
        (("preprocessing", "std"), [0.5, 0.0, 0.5], "std: must be above zero"),
        (("logit_scale",), float("nan"), "logit_scale: expected a number"),
        (("templates",), "a photo", "templates: expected a list"),
        (("templates",), [1], "templates.0: expected a string, got 1"),
        (("format",), 2, "format 2 is not 1"),
    ],
)
def test_refuses_what_makes_no_sense(path: tuple[str, ...], value: object, fact: str) -> None:
    data = copy.deepcopy(PLAIN)
    at(data, path[:-1])[path[-1]] = value

    with pytest.raises(ModelError) as caught:
        config_from_dict(data, "here")

    assert fact in caught.value.message


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (b"", ":1: not JSON"),
        (b'{\n"name": }', ":2: not JSON"),
        (b"[]", "expected an object"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b"<html>", ":1: not JSON"),
    ],
)
def test_refuses_a_file_that_is_no_configuration(tmp_path: Path, content: bytes, fact: str) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)

    with pytest.raises(ModelError) as caught:
        read_config(path)

    assert caught.value.message.startswith(str(path))
    assert fact in caught.value.message
