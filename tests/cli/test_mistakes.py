"""Forty common mistakes: each gets one clear line, perhaps a hint, and the documented code."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from clipcli.cli import app
from clipcli.cli.app import run

# What somebody types, in a folder with pictures/ and some files; the exit code; what is said.
MISTAKES = (
    ("classify", 2, "--labels"),
    ("classify pictures", 2, "--labels"),
    ("classify --labels a,b", 2, "no pictures were given"),
    ("classify pictures --labels", 2, "--labels"),
    ("classify pictures --labels animls", 2, "animals"),
    ("classify pictures --labels cat", 2, "cat"),
    ("classify pictures --labels a,a", 2, "a"),
    ("classify pictures --labels none.txt", 2, "none.txt"),
    ("classify pictures --label a,b", 2, "--labels"),
    ("classify gone.jpg --labels a,b", 3, "no picture could be read"),
    ("classify empty --labels a,b", 3, "no pictures found"),
    ("classify notes.txt --labels a,b", 3, "no picture could be read"),
    ("classify 'no*.png' --labels a,b", 3, "no picture could be read"),
    ("classify pictures --labels a,b -o out.xlsx", 2, "'.xlsx'"),
    ("classify pictures --labels a,b -o here.csv", 2, "here.csv"),
    ("classify pictures --labels a,b -o none/x.csv", 3, "none"),
    ("classify pictures --labels a,b -o x.csv -o x.csv", 2, "named twice"),
    ("classify pictures --labels a,b -f yaml", 2, "unknown format"),
    ("classify pictures --labels a,b --json -f csv", 2, "choose one"),
    ("classify pictures --labels a,b --json --paths-only", 2, "choose one"),
    ("classify pictures --labels a,b -k 0", 2, "greater than or equal to 1"),
    ("classify pictures --labels a,b --min-prob 60", 2, "less than or equal to 1"),
    ("classify pictures --labels a,b --min-prob high", 2, "a valid number"),
    ("classify pictures --labels a,b --from-file gone.lst", 2, "gone.lst"),
    ("clasify pictures --labels a,b", 2, "clasify"),
    ("--labels a,b pictures", 2, "--labels"),
    ("search pictures", 2, "what to look for is missing"),
    ("search 'a red car'", 2, "where to search is missing"),
    ("search pictures a red car", 2, "no such file or folder"),
    ("search pictures 'sea - '", 2, "sign"),
    ("search pictures --like gone.jpg", 2, "no such picture"),
    ("sort pictures --labels a,b", 2, "--into"),
    ("sort gone --labels a,b --into out", 3, "no such folder"),
    ("sort pictures --labels a,b --into out --move --copy", 2, "only one of them"),
    ("watch pictures --labels a,b", 2, "one of them is needed"),
    ("watch pictures --labels a,b --exec gone-program", 2, "no such program"),
    ("undo", 3, "no journal"),
    ("undo notes.txt", 3, "not a journal"),
    ("eval empty", 3, "empty"),
    ("labels show animls", 2, "animals"),
    ("models rm gone", 4, "neither a known name nor a path"),
    ("diff here.csv gone.csv", 3, "gone.csv: no such file"),
    ("sort '' --labels cat,dog --into sorted --move --yes", 2, "SOURCE: is empty"),
    ("sort pictures --labels cat,dog --into '' --copy", 2, "--into: is empty"),
    ("dedup pictures --move '' --yes", 2, "--move: is empty"),
    ("dedup pictures --prefer pictures --prefer ''", 2, "--prefer: is empty"),
    ("diff here.csv here.csv", 3, "no result of clipcli classify"),
)


@pytest.fixture
def place(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = pictures.parent
    (folder / "empty").mkdir()
    (folder / "notes.txt").write_text("a\nb\n", encoding="utf-8")
    (folder / "here.csv").write_text("mine\n", encoding="utf-8")
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.usefixtures("place", "fake_model")
def test_each_mistake_gets_one_clear_line(
    subtests: pytest.Subtests, capfd: pytest.CaptureFixture[str]
) -> None:
    for typed, code, fact in MISTAKES:
        with subtests.test(typed):
            told = run(shlex.split(typed)), capfd.readouterr().err

            lines = [line for line in told[1].splitlines() if not line.startswith("  hint: ")]
            assert told[0] == code, told
            assert fact in told[1]
            # What was skipped is told before.
            assert all(line.startswith("clipcli: ") for line in lines), told
            assert all(line.startswith("clipcli: skipped ") for line in lines[:-1]), told
    assert len(MISTAKES) >= 40


def help_texts(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, below in getattr(command, "commands", {}).items():
        yield from help_texts(below, (*path, name))


def test_help_fits_80_columns_and_cuts_nothing(
    subtests: pytest.Subtests, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for path in help_texts(typer.main.get_command(app.app)):
        with subtests.test(" ".join(path)):
            code, out = run([*path, "--help"]), capfd.readouterr().out

            lines = out.splitlines()
            assert code == 0
            assert [line for line in lines if len(line) > 80] == []
            assert [line for line in lines[1:] if line.endswith("...")] == []  # after "Usage:"


@pytest.mark.skipif(os.name == "nt", reason="a folder in use cannot be removed")
@pytest.mark.parametrize("command", [("classify", "x.csv"), ("embed", "x.npz")])
def test_a_current_folder_that_is_gone_is_a_line(
    command: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    name, out = command
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    labels = ["--labels", "cat, dog"] if name == "classify" else []

    code = run([name, "cat.jpg", *labels, "-o", out])

    assert code == 3
    assert "clipcli: the current folder is gone\n" in capfd.readouterr().err
