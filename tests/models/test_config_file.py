"""``config.json`` is read strictly."""

from __future__ import annotations

import copy
import itertools
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

SENSELESS: list[tuple[tuple[str, ...], object, str]] = [
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
]


def refusal(data: dict[str, Any]) -> ModelError:
    with pytest.raises(ModelError) as caught:
        config_from_dict(data, "folder/config.json")
    return caught.value


def plain_but(path: tuple[str, ...], value: object) -> dict[str, Any]:
    data = copy.deepcopy(PLAIN)
    at(data, path[:-1])[path[-1]] = value
    return data


def test_every_released_model_survives_the_way_through_json(subtests: pytest.Subtests) -> None:
    for name in RELEASED:
        with subtests.test(name):
            told = json.dumps(config_to_dict(config(name)))

            assert config_from_dict(json.loads(told), "here") == config(name)


def test_names_a_missing_key(subtests: pytest.Subtests) -> None:
    for path in KEYS:
        name = ".".join(path)
        data = copy.deepcopy(PLAIN)
        del at(data, path[:-1])[path[-1]]

        with subtests.test(name):
            error = refusal(data)

            assert error.message == f"folder/config.json: {name}: missing key"
            assert error.exit_code == ExitCode.MODEL


def test_names_a_key_of_the_wrong_type(subtests: pytest.Subtests) -> None:
    for path, value in itertools.product(KEYS, [None, [[]], {"a": 1}]):
        name = ".".join(path)

        with subtests.test(name, value=value):
            error = refusal(plain_but(path, value))

            assert error.message.startswith(f"folder/config.json: {name}")


def test_names_an_unknown_key(subtests: pytest.Subtests) -> None:
    for path in [("colour",), ("architecture", "colour"), ("architecture", "image", "colour")]:
        with subtests.test(".".join(path)):
            error = refusal(plain_but(path, "blue"))

            assert "colour: unknown key" in error.message


def test_refuses_what_makes_no_sense(subtests: pytest.Subtests) -> None:
    for path, value, fact in SENSELESS:
        with subtests.test(fact):
            assert fact in refusal(plain_but(path, value)).message


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
