"""Examples that are not run as they stand: their options exist, and the Python among them works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from clipcli.cli.app import app
from tests.docs.blocks import ROOT, environment, pages

SHELL = re.compile(r"^```(?:sh|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CALL = re.compile(r"(?:^|[\s(\"|])clipcli ([^#|;&)>\n]*)")
OPTION = re.compile(r"(?<![\w-])(--?[a-zA-Z0-9][\w-]*)")
OF_OTHERS = {  # options of uv, pipx, docker and the like, in running text
    "--requeue",
    "--row-bytes",
    "--pip-args",
    "--torch-backend",
    "--index",
    "--index-strategy",
    "--default-index",
    "--with",
    "--dev",
}


def calls() -> list[tuple[str, str]]:
    """Return page and arguments of every call of clipcli in a block of shell commands."""
    return [
        (page.name, call.strip())
        for page in pages()
        for block in SHELL.findall(page.read_text(encoding="utf-8"))
        for call in CALL.findall(re.sub(r"\\\n\s*", " ", block))
    ]


@cache
def root() -> Any:
    """Return the command that holds all others."""
    return typer.main.get_command(app)


def command_of(arguments: str) -> Any:
    """Return the command that arguments begin with."""
    command = root()
    for word in arguments.split():
        below = getattr(command, "commands", {})
        if word not in below:
            break
        command = below[word]
    return command


def options_of(command: Any) -> set[str]:
    own = {name for p in command.params for name in (*p.opts, *p.secondary_opts)}
    return own | {"--help", "-h"}


def all_options(command: Any) -> set[str]:
    below = getattr(command, "commands", {}).values()
    return options_of(command).union(*map(all_options, below))


def test_examples_name_options_that_their_commands_have() -> None:
    wrong = [
        f"{page}: clipcli {arguments}: {option}"
        for page, arguments in calls()
        for option in OPTION.findall(re.sub(r"'[^']*'|\"[^\"]*\"", "", arguments))
        if option not in options_of(command_of(arguments))
    ]

    assert len(calls()) > 60
    assert not wrong


def test_options_in_running_text_exist() -> None:
    known = all_options(root()) | OF_OTHERS
    wrong = []

    for page in pages():
        text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        for code in re.findall(r"`(-[^`]+)`", text):
            wrong += [f"{page.name}: {o}" for o in OPTION.findall(code) if o not in known]

    assert not wrong


@pytest.mark.skipif(os.name == "nt", reason="lays out a home with symbolic links")
def test_the_python_of_the_documentation_runs(tmp_path: Path) -> None:
    blocks = [b for page in pages() for b in PYTHON.findall(page.read_text(encoding="utf-8"))]
    variables = environment(tmp_path, tmp_path / "cache")
    work = tmp_path / "work"
    (work / "photos").symlink_to(ROOT / "examples" / "photos")
    vectors = "import numpy as np\nnp.savez('vectors.npz', paths=[''], vectors=np.ones((1, 2)))\n"
    script = work / "script.py"
    script.write_text(vectors + "\n".join(blocks), encoding="utf-8")

    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=work,
        env=variables,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )

    assert len(blocks) >= 4
    assert done.returncode == 0, done.stderr
    assert "examples/photos/cat.jpg cat" in done.stdout
