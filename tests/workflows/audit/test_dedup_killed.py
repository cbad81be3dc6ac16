"""Putting copies away may be killed at any moment: names, bytes and times can be had back."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.workflows.sorting.conftest import SHARED_MEMORY
from tests.workflows.sorting.test_killed import (
    clear_journals,
    is_untouched,
    journal_size,
    kill,
    kill_at,
)
from tests.workflows.sorting.trees import snapshot

pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGKILL is a signal of POSIX")
ACTIONS = ("trash", "hardlink", "move")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder where an fsync is no wait, with journals and trash in it."""
    folder = SHARED_MEMORY if SHARED_MEMORY.is_dir() else tmp_path
    folder = folder / f"clipcli-killed-{os.getpid()}"
    folder.mkdir()
    monkeypatch.setenv("CLIPCLI_STATE", str(folder / "state"))
    monkeypatch.setenv("XDG_DATA_HOME", str(folder / "data"))
    yield folder
    shutil.rmtree(folder)


def test_killed_copies_are_taken_back(folder: Path) -> None:
    kill_and_undo(folder, "trash", n_kills=2, n_files=60, seed=1)


@pytest.mark.soak
@pytest.mark.parametrize("action", ACTIONS)
def test_copies_killed_at_two_hundred_moments_are_taken_back(folder: Path, action: str) -> None:
    kill_and_undo(folder, action, n_kills=200, n_files=318, seed=2)


def kill_and_undo(folder: Path, action: str, *, n_kills: int, n_files: int, seed: int) -> None:
    source, chance = folder / "photos", random.Random(seed)
    make_copies(source, n_files, chance)
    command = ("dedup", source, folder / "spare", action)
    before = snapshot(source)
    run(*command)
    whole = journal_size()
    assert snapshot(source) != before
    run("undo")
    assert snapshot(source) == before
    n_caught = n_undos = 0
    for i in range(n_kills):
        clear_journals()
        n_caught += kill_at(start(*command), chance.uniform(0, whole), chance)
        if i % 2 and not is_untouched():
            child = start("undo")
            time.sleep(chance.uniform(0, 0.2))
            n_undos += kill(child)
        if not is_untouched():
            run("undo")

        assert snapshot(source) == before, f"round {i}"
        links = [p for p in source.rglob("*") if p.is_file() and p.stat().st_nlink > 1]
        assert links == [], f"round {i}"
        left = {path.name for path in folder.iterdir()} - {"photos", "state"}
        assert left == set(), f"round {i}"
    assert n_caught > n_kills * 0.6  # or else it was not killing that was tested
    print(f"{n_files} files, {action}: {n_caught} runs and {n_undos} undos killed at work")  # noqa: T201


def make_copies(source: Path, n_files: int, chance: random.Random) -> None:
    """Fill a folder with files of which two in three are copies, some with a sidecar."""
    contents = [chance.randbytes(chance.choice([1, 700, 30_000])) for _ in range(n_files // 3)]
    for i in range(n_files):
        path = source / chance.choice(["a", "b/c", "d e"]) / f"IMG_{i}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents[i % len(contents)])
        path.chmod(chance.choice([0o644, 0o600, 0o444]))
        if i % 7 == 0:
            path.with_suffix(".xmp").write_bytes(b"<x/>")
        when = chance.randrange(10**18, 17 * 10**17)
        os.utime(path, ns=(when, when))
    for parent in {path.parent for path in source.rglob("*")}:
        os.utime(parent, ns=(10**18, 10**18))


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.workflows.audit.dedup_child", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def run(*arguments: object) -> None:
    child = start(*arguments)
    child.communicate()
    assert child.returncode == 0
