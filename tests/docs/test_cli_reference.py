"""docs/cli.md says what the commands say of themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.docs.cli_reference import PAGE, cli_reference

if TYPE_CHECKING:
    import pytest


def test_the_reference_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == cli_reference(), "renew it: make docs"


def test_the_reference_does_not_depend_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = cli_reference()

    for columns, force in (("40", "1"), ("200", "")):
        monkeypatch.setenv("COLUMNS", columns)
        monkeypatch.setenv("FORCE_COLOR", force)

        assert cli_reference() == expected


def test_options_and_arguments_are_named_as_they_are_typed() -> None:
    text = cli_reference()

    assert "Usage: `clipcli diff [OPTIONS] BEFORE AFTER`" in text
    assert "* `-k`, `--top-k N`: How many labels to list" in text
    assert "* `--independent`: " in text  # a switch takes no value
