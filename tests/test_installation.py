"""Hints name the command that reaches this installation."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from clipcli import installation
from clipcli.cli.app import _tell
from clipcli.installation import in_own_way

HINT = 'HEIC needs an extra: pip install "clipcli[heif]"'
TOLD = ['pillow-heif>=0.18; extra == "heif"', "starlette>=0.4; extra == 'serve'", "torch>=2"]


@pytest.fixture
def prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr("importlib.metadata.requires", lambda _: TOLD)
    monkeypatch.setattr(installation, "find_spec", lambda _: object())
    return tmp_path


def test_pip_is_named_where_nothing_else_made_it(prefix: Path) -> None:
    assert in_own_way(HINT) == HINT


def test_pipx_injects_the_packages_behind_an_extra(prefix: Path) -> None:
    (prefix / "pipx_metadata.json").touch()

    assert in_own_way(HINT) == "HEIC needs an extra: pipx inject clipcli pillow-heif"
    assert in_own_way("pip install onnxruntime") == "pipx inject clipcli onnxruntime"


def test_a_tool_of_uv_is_installed_with_them(prefix: Path) -> None:
    (prefix / "uv-receipt.toml").touch()

    assert in_own_way('`pip install "clipcli[serve]"`') == (
        "`uv tool install clipcli --with starlette`"
    )


def test_an_environment_of_uv_has_no_pip(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "find_spec", lambda _: None)
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/uv")

    assert in_own_way(HINT) == f"HEIC needs an extra: uv {HINT.partition(': ')[2]}"


def test_an_extra_that_the_package_does_not_know_keeps_its_name(prefix: Path) -> None:
    (prefix / "pipx_metadata.json").touch()

    assert in_own_way('pip install "clipcli[new]"') == 'pipx inject clipcli "clipcli[new]"'


def test_errors_and_other_text_go_through_it(
    prefix: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (prefix / "pipx_metadata.json").touch()

    _tell("probe fit needs scikit-learn", 'pip install "clipcli[heif]"', 2)

    assert capfd.readouterr().err.endswith("  hint: pipx inject clipcli pillow-heif\n")
    assert in_own_way("pip install torch") == "pip install torch"
