from __future__ import annotations

from pathlib import Path

import pytest

from clipcli.errors import UsageError
from clipcli.training.config import Stage, TrainingConfig
from clipcli.training.config_file import config_from_dict, read_config, with_options


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "t.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_sections_lists_and_numbers(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "batch_size: 64\nminutes: 30\noptimiser: {lr: 1e-3, beta2: 0.95}\n"
        "stages: [{start: 0, size_px: 32}, {start: 0.5, size_px: 64}]\n"
        "sources: {flags: 2}\ncontrastive:\n  templates: ['{}', 'a {}']\n",
    )

    config = read_config(path)

    assert config.batch_size == 64
    assert config.minutes == 30.0
    assert config.optimiser.lr == 0.001  # which YAML 1.1 itself takes for a string
    assert config.optimiser.weight_decay == TrainingConfig().optimiser.weight_decay
    assert config.stages == (Stage(0.0, 32), Stage(0.5, 64))
    assert config.sources == {"flags": 2.0}
    assert config.contrastive.templates == ("{}", "a {}")


def test_empty_file_means_the_defaults(tmp_path: Path) -> None:
    assert read_config(write(tmp_path, "# nothing\n")) == TrainingConfig() == read_config(None)


def test_a_file_builds_on_another_key_by_key(tmp_path: Path) -> None:
    base = "minutes: 30\noptimiser: {lr: 0.1, beta2: 0.9}\nsources: {flags: 2}\n"
    (tmp_path / "base.yaml").write_text(base, encoding="utf-8")
    path = write(tmp_path, "base: base.yaml\noptimiser: {lr: 0.2}\nsources: {maps: 3}\n")

    config = read_config(path)

    assert config.minutes == 30.0
    assert (config.optimiser.lr, config.optimiser.beta2) == (0.2, 0.9)
    assert config.sources == {"flags": 2.0, "maps": 3.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base: t.yaml\n", r"t\.yaml: builds on itself"),
        ("base: 3\n", "base: expected the name of a file, got 3"),
        ("base: none.yaml\n", r"none\.yaml: cannot be read \(No such file"),
        ("base: []\n", "base: expected the name of a file"),
    ],
)
def test_a_base_that_cannot_be_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)

    with pytest.raises(UsageError, match=message):
        read_config(path)


def test_unknown_key_gets_a_suggestion() -> None:
    with pytest.raises(UsageError, match=r"x: optimiser\.weigth_decay: unknown key") as caught:
        config_from_dict({"optimiser": {"weigth_decay": 0.1}}, "x")

    assert caught.value.hint == "did you mean weight_decay?"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"batch_size": "many"}, 'x: batch_size: expected a whole number, got "many"'),
        ({"batch_size": True}, "expected a whole number"),
        ({"compile": 1}, "expected true or false"),
        ({"objective": "clip"}, "expected 'contrastive' or 'targets'"),
        ({"optimiser": 3}, "x: optimiser: expected a mapping"),
        ({"stages": [{"start": 0.5}]}, r"x: stages\.0\.size_px: missing key"),
        ({"stages": {"start": 0}}, "expected a list"),
        ({"optimiser": {"lr": "fast"}}, r"optimiser\.lr: expected a number"),
        ([], "x: expected a mapping"),
        ({"epochs": 1, "steps": 2}, "epochs and steps: give one of them"),
        ({"steps": 0}, "steps: must be above zero"),
        ({"objective": "targets"}, r"targets\.vectors: missing"),
        ({"architecture": {}}, "vocabulary: missing"),
    ],
)
def test_wrong_values_are_named(data: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        config_from_dict(data, "x")


def test_broken_yaml_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"t\.yaml:2: not YAML"):
        read_config(write(tmp_path, "seed: 1\nname: a: b\n"))


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_config(tmp_path / "none.yaml")


def test_options_win_over_the_file() -> None:
    config = config_from_dict({"minutes": 5, "optimiser": {"lr": 1.0, "beta1": 0.5}}, "x")

    config = with_options(config, steps=7, lr=0.25, epochs=None, batch_size=None)

    assert (config.steps, config.minutes, config.batch_size) == (7, None, 0)
    assert (config.optimiser.lr, config.optimiser.beta1) == (0.25, 0.5)
