"""The README: every command that it shows runs, and answers in the form that it shows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from clipcli.weights import builtin_model_folder

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def shown_runs() -> list[tuple[str, list[str]]]:
    """Return (command, output lines) of each run in a console block."""
    runs: list[tuple[str, list[str]]] = []
    for block in BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8")):
        for line in block.splitlines():
            if line.startswith("$ "):
                runs.append((line[2:], []))
            elif runs[-1][0].endswith("\\"):
                runs[-1] = (f"{runs[-1][0][:-1]} {line.strip()}", [])
            else:
                runs[-1][1].append(line)
    return runs


@pytest.mark.skipif(os.name == "nt", reason="the README's examples are for a POSIX shell")
@pytest.mark.skipif(not builtin_model_folder().exists(), reason="needs the bundled model")
@pytest.mark.parametrize(("command", "shown"), shown_runs())
def test_a_command_of_the_readme_prints_what_it_shows(
    command: str, shown: list[str], tmp_path: Path
) -> None:
    if "jq" in command and shutil.which("jq") is None:
        pytest.skip("jq is not installed")
    shim = tmp_path / "clipcli"
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m clipcli "$@"\n', encoding="utf-8")
    shim.chmod(0o755)
    path = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}

    done = subprocess.run(
        ["sh", "-c", command], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )

    # Digits differ between processors, and with them, where it is close, the label: the form
    # of each line and the pictures in their order are what can be promised everywhere.
    lines = done.stdout.rstrip("\n").splitlines()
    assert [_form(line) for line in lines] == [_form(line) for line in shown]


def test_the_readme_shows_runs() -> None:
    assert len(shown_runs()) >= 5


def _form(line: str) -> str:
    """Keep of a line the picture's name and the number of its columns."""
    names = re.findall(r"[\w/-]+\.(?:jpg|png|webp)", line)
    return f"{names} {line.count(chr(9))}"
