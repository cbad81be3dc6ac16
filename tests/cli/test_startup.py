"""What must not be imported is poisoned: help, lists and completion never touch it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from clipcli.cli.app import _app_for, app
from tests.conftest import ROOT

PHOTO = ROOT / "examples" / "photos" / "cat.jpg"
POISONED = (
    "torch",
    "numpy",
    "rich",
    "PIL",
    "ftfy",
    "pyarrow",
    "pydantic",  # new Typers check values with it
    "safetensors",
    "huggingface_hub",
    "jinja2",
    "sklearn",
)


# What a run over files, whose results are text, has no use for. Each takes 1 to 5 ms.
FOR_OTHERS = {
    "clipcli.images.deep",
    "clipcli.images.raw_preview",
    "clipcli.images.taken",
    "clipcli.labels.csv_file",
    "clipcli.labels.schema",
    "clipcli.models.foreign",
    "clipcli.models.formats.openclip",
    "clipcli.models.formats.preprocessor",
    "clipcli.models.store_pointer",
    "clipcli.output.html",
    "clipcli.pipeline.archives",
    "clipcli.pipeline.calibration",
    "clipcli.pipeline.known_answers",
    "clipcli.pipeline.vector_tables",
    "jinja2",
    "pyarrow",
    "rich",
    "torch",
    "yaml",
}


def all_commands() -> list[list[str]]:
    """Return every command as it is typed, groups and what is in them."""
    return [[], *_below(typer.main.get_command(app))]


def _below(group: Any) -> Iterator[list[str]]:
    for name, command in getattr(group, "commands", {}).items():
        yield [name]
        yield from ([name, *rest] for rest in _below(command))


def _names(narrow: typer.Typer) -> list[str]:
    return list(typer.main.get_command(narrow).commands)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def poison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of modules that raise when they are imported."""
    folder = tmp_path_factory.mktemp("poison")
    for name in POISONED:
        text = f"raise RuntimeError('{name} was imported')\n"
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return folder


def python(poison: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python where the poisoned modules come first."""
    search = os.pathsep.join([str(poison), str(ROOT)])
    return subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | {"PYTHONPATH": search} | environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.mark.parametrize("name", ["torch", "numpy", "rich"])
def test_the_poison_works(name: str, poison: Path) -> None:
    finished = python(poison, "-c", f"import {name}")

    assert f"{name} was imported" in finished.stderr


def test_help_version_and_label_lists_import_nothing_heavy(poison: Path) -> None:
    commands = [
        ["--version"],
        *([*command, "--help"] for command in all_commands()),
        ["models", "list"],
        ["cache", "info"],
        ["cache", "path"],
        ["labels", "list"],
        ["labels", "show", "animals"],
        ["labels", "show", "cat,dog", "--prompts"],
    ]
    # One process for all: starting Python is what takes the time.
    program = (
        "from clipcli.cli.app import run\n"
        f"for arguments in {commands!r}:\n"
        "    code = run(arguments)\n"
        "    assert code == 0, (arguments, code)\n"
    )

    finished = python(poison, "-c", program)

    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize("command", ["train", "train-text"])
def test_a_mistake_in_a_training_configuration_costs_no_torch(command: str, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise RuntimeError('torch was imported')\n", "utf-8")
    config = tmp_path / "run.yaml"
    config.write_text("batchsize: 64\n", encoding="utf-8")

    options = ["--out", str(tmp_path / "run"), "--config", str(config)]
    finished = python(tmp_path, "-m", "clipcli", command, "data", *options)

    assert finished.returncode == 2
    assert "batchsize: unknown key" in finished.stderr
    assert "did you mean batch_size?" in finished.stderr


def test_completion_imports_nothing_heavy(poison: Path) -> None:
    words = {"COMP_WORDS": "clipcli classify --labels anim", "COMP_CWORD": "3"}

    finished = python(poison, "-m", "clipcli", _CLIPCLI_COMPLETE="complete_bash", **words)

    assert (finished.stdout.split(), finished.stderr) == (["animals"], "")


@pytest.mark.parametrize(
    ("line", "offers"),
    [
        ("clipcli classify --model mi", ["mini"]),
        ("clipcli models pull ViT-B/3", ["ViT-B/32"]),
        ("clipcli models rm mi", ["mini"]),
        ("clipcli classify --templates sk", ["sketch"]),
        ("clipcli classify --device cu", ["cuda"]),
        ("clipcli classify --format js", ["json", "jsonl"]),
        ("clipcli undo /no", []),
    ],
)
def test_a_shell_is_offered_what_is_meant(line: str, offers: list[str], poison: Path) -> None:
    words = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}

    finished = python(poison, "-m", "clipcli", _CLIPCLI_COMPLETE="complete_bash", **words)

    assert set(offers) <= set(finished.stdout.split())
    assert finished.stderr == ""


def test_import_times_of_help_name_no_heavy_module(poison: Path) -> None:
    finished = python(poison, "-X", "importtime", "-m", "clipcli", "--help")

    imported = {line.rpartition("|")[2].strip() for line in finished.stderr.splitlines()}
    assert "clipcli.cli.app" in imported
    assert not {name.partition(".")[0] for name in imported} & set(POISONED)


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[str]]:
    """Return a function that says which modules a ``classify`` of a photograph has imported.

    Its exit code stands before them; the first call finds no cache.
    """
    folder = tmp_path_factory.mktemp("nothing")
    program = (
        "import sys; from clipcli.cli.app import run\n"
        f"code = run(['classify', {str(PHOTO)!r}, '--labels', 'everyday', *sys.argv[1:]])\n"
        "print(code, *sys.modules, sep=chr(10))\n"
    )

    def imported(*arguments: str) -> list[str]:
        finished = python(folder, "-c", program, *arguments, CLIPCLI_CACHE=str(folder / "cache"))
        return finished.stdout.splitlines()

    return imported


def test_an_engine_that_will_be_needed_is_loading_while_the_rest_is_imported(
    modules: Callable[..., list[str]],
) -> None:
    cold, warm, refused = modules(), modules(), modules("--min-prob", "7")

    later = ("clipcli.output.results", "clipcli.labels.label_set", "PIL.Image")
    assert all(cold.index("onnxruntime") < cold.index(name) for name in later)
    assert "clipcli.output.results" in warm
    assert "onnxruntime" not in warm
    assert refused[0] == "2"  # what is wrong with the options is said all the same
    assert not set(cold) & FOR_OTHERS


def test_only_the_command_that_is_called_is_built_and_all_after_a_slip() -> None:
    names = [command[0] for command in all_commands() if len(command) == 1]

    assert "classify" in names
    assert len(names) == len(app.registered_commands) + len(app.registered_groups)
    assert {name: _names(_app_for([name])) for name in names} == {name: [name] for name in names}
    assert _names(_app_for(["clasify"])) == _names(_app_for([])) == names


def test_the_package_itself_is_light(poison: Path) -> None:
    program = "import clipcli, sys; print(sorted(x for x in sys.modules if 'clipcli' in x))"

    finished = python(poison, "-c", program)

    assert finished.stdout == "['clipcli', 'clipcli.version']\n"
