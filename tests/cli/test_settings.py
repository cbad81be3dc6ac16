"""clipcli.toml and CLIPCLI_ variables stand in for options, and agree to nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clipcli.cli.app import run
from clipcli.cli.settings import NEVER, config_files, read_settings

CLASSIFY = ["classify", "red.png", "--no-cache"]
SETS = '[labels]\ncolours = ["red", "green", "blue"]\n'


@pytest.fixture
def project(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Write the project's clipcli.toml, in the folder with the pictures."""
    monkeypatch.chdir(pictures)
    monkeypatch.delenv("CLIPCLI_CONFIG")

    def write(text: str) -> Path:
        path = pictures / "clipcli.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.usefixtures("use_tiny_model")
def test_the_command_line_wins_over_variables_those_over_the_project_that_over_the_user(
    project: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    user = tmp_path / "user"
    user.mkdir()
    monkeypatch.setattr("platformdirs.user_config_path", lambda *_, **__: user)
    (user / "clipcli.toml").write_text(f'[defaults]\nformat = "json"\ntop-k = 1\n{SETS}', "utf-8")

    def n_listed(*options: str) -> int:
        assert run([*CLASSIFY, "--labels", "colours", *options]) == 0
        return len(json.loads(capsys.readouterr().out)["results"][0]["top"])

    from_user = n_listed()
    project("[defaults]\ntop-k = 2\n")
    from_project = n_listed()
    project("[defaults.classify]\ntop-k = 3\n[defaults]\n")
    from_command = n_listed()
    monkeypatch.setenv("CLIPCLI_TOP_K", "2")
    from_variable = n_listed()

    assert (from_user, from_project, from_command, from_variable) == (1, 2, 3, 2)
    assert n_listed("--top-k", "1") == 1


@pytest.mark.usefixtures("use_tiny_model")
def test_what_is_said_of_one_command_wins_wherever_it_stands(
    project: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    project(f'[defaults.classify]\nformat = "jsonl"\n{SETS}')
    text = Path("clipcli.toml").read_text("utf-8")
    project('defaults.classify.format = "jsonl"\ndefaults.format = "csv"\n' + SETS)

    assert run([*CLASSIFY, "--labels", "colours"]) == 0

    assert capsys.readouterr().out.startswith('{"path"')
    assert "jsonl" in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour = 1\n", "clipcli.toml:1: unknown key 'colour'"),
        ("\n[defaults]\ntopk = 1\n", "clipcli.toml:3: clipcli has no option 'topk'"),
        ("[defaults.classify]\nshots = 1\n", "clipcli.toml:2: classify has no option 'shots'"),
        ('[defaults]\ntop-k = "three"\n', "clipcli.toml:2: top-k = 'three': takes a whole number"),
        ("[defaults]\nquiet = 1\n", "clipcli.toml:2: quiet = 1: takes true or false"),
        ("[defaults]\nlabels = 5\n", "clipcli.toml:2: labels = 5: takes a text"),
        ("[defaults]\ntop-k = 0\n", "settings: Invalid value for '--top-k'"),
        ("[defaults\n", "clipcli.toml: is not TOML"),
        ("defaults = 3\n", "[defaults] is a table"),
        ('[labels]\nmine = ["a, b", "c"]\n', "clipcli.toml:2: mine is neither a label file nor"),
        ("labels = 3\n", "clipcli.toml:1: labels is neither"),
        ("x = " + "[" * 10_000 + "\n", "clipcli.toml: is not TOML"),
    ],
)
def test_a_mistake_in_the_file_is_one_line_that_names_it(
    text: str, message: str, project: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    project(text)

    code = run(CLASSIFY)

    assert code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("option", sorted(NEVER - {"config", "help", "out"}))
def test_a_file_agrees_to_nothing(
    option: str, project: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    project(f"[defaults]\n{option} = true\n")

    code = run(CLASSIFY)

    assert code == 2
    assert f"'{option}' cannot stand in a file" in capsys.readouterr().err


def test_what_changes_writes_and_runs_is_among_it() -> None:
    changing = ("apply", "rejected", "remove", "embed", "calibrate", "save")
    writing = ("coco", "confusion", "crops", "voc", "yolo")

    assert NEVER.issuperset([*changing, *writing, "exec", "ray"])


def test_a_file_does_not_name_the_program_that_watch_runs(
    project: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project(f"[defaults.watch]\nexec = 'touch {tmp_path / 'ran'}'\n")

    code = run(["watch", "pictures", "--labels", "cat,dog", "--once", "--settle", "0"])

    assert code == 2
    assert not (tmp_path / "ran").exists()
    assert "'exec' cannot stand in a file" in capsys.readouterr().err


def test_a_variable_agrees_to_nothing_and_others_programs_variables_do_not_matter() -> None:
    environment = {"CLIPCLI_CONFIG": "", "CLIPCLI_YES": "1", "CLIPCLI_CACHE": "x"}

    assert read_settings(environment | {"TOP_K": "1"}).settings == ()


def test_config_does_not_show_the_token_of_serve(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLIPCLI_TOKEN", "a-secret")

    codes = [run(["config", "show"]), run(["config", "show", "--json"])]

    assert codes == [0, 0]
    assert "a-secret" not in capsys.readouterr().out


def test_clipcli_runs_within_a_program_that_watch_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("PATH", "/photos/a.jpg"), ("LABEL", "cat"), ("PROBABILITY", "0.9")):
        monkeypatch.setenv(f"CLIPCLI_{name}", value)

    code = run(["models", "show", "mini"])  # has an option --path

    assert (code, capsys.readouterr().err) == (0, "")


def test_help_and_config_work_where_the_file_is_broken(
    project: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = project("[defaults\n")

    codes = [run(["classify", "--help"]), run(["config", "path"]), run(["config", "show"])]

    assert codes == [0, 0, 2]
    assert str(path) in capsys.readouterr().out


def test_the_search_for_a_project_ends_at_its_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clipcli.toml").touch()
    inner = tmp_path / "repository" / "deep"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)

    above = config_files({})
    (tmp_path / "repository" / ".git").mkdir()

    assert above == [tmp_path / "clipcli.toml"]
    assert config_files({}) == []


def test_config_show_says_where_each_value_comes_from(
    project: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    project(f"[defaults]\ntop-k = 3\n{SETS}")
    monkeypatch.setenv("CLIPCLI_FORMAT", "csv")
    from clipcli.cli.config import app

    shown = json.loads(CliRunner().invoke(app, ["show", "--json"]).stdout)

    assert [(s["option"], s["source"].rpartition("/")[2]) for s in shown["settings"]] == [
        ("top-k", "clipcli.toml:2"),
        ("format", "$CLIPCLI_FORMAT"),
        ("labels", "[labels]"),
    ]
