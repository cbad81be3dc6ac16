"""Console blocks of the documentation: read, run in a shell, and rewritten."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# A block, and before it, in a comment that no reader sees, what has to be there for it to run.
BLOCK = re.compile(
    r"(?:^<!-- setup\n(?P<setup>(?:(?!-->).)*)-->\n+)?^```console\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
END = "--- end of run ---"
PATIENCE_S = 300.0


@dataclass(frozen=True)
class Run:
    """One command as it is shown, and the lines that it prints."""

    lines: tuple[str, ...]  # the command's own lines, the first without "$ "
    shown: list[str] = field(default_factory=list)
    setup: str = ""

    @property
    def command(self) -> str:
        return "\n".join(self.lines)


def pages() -> list[Path]:
    """Return README.md and every page of docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def runs_of(text: str) -> list[Run]:
    """Return the runs of all console blocks of a page, in order."""
    return [run for block in BLOCK.finditer(text) for run in _runs_of_block(block)]


def _runs_of_block(block: re.Match[str]) -> Iterator[Run]:
    setup = block["setup"] or ""
    for part in re.split(r"^\$ ", block["body"], flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        n_lines = next(n for n, line in enumerate(lines, 1) if not line.endswith("\\"))
        yield Run(tuple(lines[:n_lines]), lines[n_lines:], setup)
        setup = ""


def with_printed(text: str, printed: list[list[str]]) -> str:
    """Return a page whose runs show what they printed."""
    rest = iter(printed)

    def rewritten(block: re.Match[str]) -> str:
        body = "".join(
            "\n".join([f"$ {run.command}", *next(rest)]) + "\n" for run in _runs_of_block(block)
        )
        before = block[0][: block.start("body") - block.start()]
        return f"{before}{body}```"

    return BLOCK.sub(rewritten, text)


def can_run(run: Run) -> bool:
    """Say whether the programs that a command needs beside clipcli are here."""
    return "jq " not in run.command or shutil.which("jq") is not None


def printed_by(runs: list[Run], cache: Path) -> list[list[str]]:
    """Run a page's commands one after the other in one shell, and return what each printed.

    Everything but the cache is the page's own: the folder it works in, where the repository's
    examples are at hand, the user's settings, and what a command leaves for the next one.

    Raises
    ------
    AssertionError
        If a command ends with an error, and the page does not say so by ``echo $?``.
    """
    with tempfile.TemporaryDirectory(prefix="clipcli-docs-") as folder:
        home = Path(folder)
        variables = environment(home, cache)
        script = home / "script.sh"
        script.write_text(_script(runs), encoding="utf-8")
        done = subprocess.run(
            ["sh", str(script)],
            cwd=home / "work",
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE_S,
            check=False,
        )
    parts = _parts(done.stdout)
    said = _parts(done.stderr)
    assert len(parts) == len(runs), f"the shell gave up: {done.stdout}{done.stderr}"
    for run, following, (code, _), (_, errors) in zip(
        runs, [*runs[1:], None], parts, said, strict=True
    ):
        is_shown = following is not None and following.command.startswith("echo $?")
        assert code == 0 or is_shown, f"exit code {code}: {run.command}\n" + "\n".join(errors)
    return [lines for _, lines in parts]


def _script(runs: list[Run]) -> str:
    """Return a script that marks each run's end and exit code on both streams."""
    lines = []
    for run in runs:
        command = run.command if can_run(run) else ":"
        lines += [run.setup, command]
        lines += [f'c=$?; echo "{END}$c"; echo "{END}$c" >&2; (exit $c)']
    return "\n".join(lines) + "\n"


def _parts(output: str) -> list[tuple[int, list[str]]]:
    """Return exit code and lines of each run."""
    parts = re.findall(rf"(.*?){END}(\d+)\n", output, re.DOTALL)
    return [(int(code), lines.rstrip("\n").splitlines()) for lines, code in parts]


def environment(home: Path, cache: Path) -> dict[str, str]:
    """Lay out a home with a ``clipcli`` on its path, and return the variables that lead there."""
    work, programs = home / "work", home / "bin"
    for folder in (work, programs):
        folder.mkdir()
    for name in ("examples", "label_sets"):
        (work / name).symlink_to(ROOT / name)
    shim = programs / "clipcli"
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m clipcli "$@"\n', encoding="utf-8")
    shim.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLIPCLI_")}
    return kept | {
        "PATH": os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)]),
        "PYTHONPATH": str(ROOT),
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "HF_HOME": str(home / "huggingface"),
        "CLIPCLI_CACHE": str(cache),
        "CLIPCLI_MODELS": str(home / "models"),
        "CLIPCLI_STATE": str(home / "state"),
        "CLIPCLI_MODEL": "mini",
        "COLUMNS": "80",
        "LC_ALL": "C.UTF-8",
    }
