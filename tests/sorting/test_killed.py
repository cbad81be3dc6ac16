"""A sort that is killed at any moment can be taken back: names, bytes and times are as before."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.sorting.trees import make_tree, snapshot

pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGKILL is a signal of POSIX")
SHARED_MEMORY = Path("/dev/shm")
FEW, MANY = (5, 40), (200, 500)  # kills, files


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on another file system than the test's own."""
    if not SHARED_MEMORY.is_dir() or SHARED_MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system to be had")
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as folder:
        yield Path(folder)


@pytest.fixture(autouse=True)
def quick_journals(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep journals where an fsync is no wait: what a kill leaves behind is the same."""
    if not SHARED_MEMORY.is_dir():
        yield
        return
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as folder:
        monkeypatch.setenv("CLIPCLI_STATE", f"{folder}/state")
        yield


def test_a_killed_move_is_taken_back(tmp_path: Path) -> None:
    kill_and_undo(tmp_path, tmp_path / "sorted", *FEW, 1)


def test_a_killed_move_across_file_systems_is_taken_back(tmp_path: Path, elsewhere: Path) -> None:
    kill_and_undo(tmp_path, elsewhere / "sorted", *FEW, 2)


def test_a_killed_copy_is_taken_back(tmp_path: Path) -> None:
    kill_and_undo(tmp_path, tmp_path / "sorted", 2, 40, 3, action="copy")


@pytest.mark.soak
def test_moves_killed_at_two_hundred_moments_are_taken_back(tmp_path: Path) -> None:
    kill_and_undo(tmp_path, tmp_path / "sorted", *MANY, 4)


@pytest.mark.soak
def test_moves_across_file_systems_killed_at_two_hundred_moments_are_taken_back(
    tmp_path: Path, elsewhere: Path
) -> None:
    kill_and_undo(tmp_path, elsewhere / "sorted", *MANY, 5)


@pytest.mark.soak
@pytest.mark.parametrize("action", ["copy", "link", "hardlink"])
def test_others_killed_at_fifty_moments_are_taken_back(tmp_path: Path, action: str) -> None:
    kill_and_undo(tmp_path, tmp_path / "sorted", 50, 200, 6, action=action)


def kill_and_undo(
    folder: Path, into: Path, n_kills: int, n_files: int, seed: int, *, action: str = "move"
) -> None:
    """Sort, kill, undo (killing that as well in every second round), compare; so many times."""
    source = make_tree(folder / "photos", n_files)
    before, chance = snapshot(source), random.Random(seed)
    run("sort", source, into, action)
    whole = journal_size()
    undoing_s = run("undo")
    assert snapshot(source) == before
    n_sorts = n_undos = 0
    for i in range(n_kills):
        clear_journals()
        n_sorts += kill_at(chance.uniform(0, whole), chance, "sort", source, into, action)
        if i % 2 and not is_untouched():
            n_undos += kill_after(chance.uniform(0, undoing_s), "undo")
        if not is_untouched():
            undoing_s = (undoing_s + run("undo")) / 2

        assert snapshot(source) == before, f"round {i}"
        assert not into.exists(), f"round {i}"
    assert n_sorts > n_kills * 0.8  # or else it was not killing that was tested
    print(f"{n_files} files, {action}: {n_sorts} sorts and {n_undos} undos killed at work")  # noqa: T201


def journal() -> Path | None:
    """Return the one journal that there is, if there is one."""
    return next(Path(os.environ["CLIPCLI_STATE"]).glob("sorts/*.jsonl"), None)


def journal_size() -> int:
    path = journal()
    return path.stat().st_size if path else -1


def clear_journals() -> None:
    shutil.rmtree(os.environ["CLIPCLI_STATE"], ignore_errors=True)


def is_untouched() -> bool:
    """Tell whether a child was killed before it had told a journal what it is about to do."""
    path = journal()
    return path is None or b"\n" not in path.read_bytes()


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.sorting.child", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def run(*arguments: object) -> float:
    """Let a child do all of it; returns how long that took, in seconds."""
    child = start(*arguments)
    began = time.perf_counter()
    child.communicate()
    assert child.returncode == 0
    return time.perf_counter() - began


def kill_at(n_bytes: float, chance: random.Random, *arguments: object) -> bool:
    """Kill a child a moment after its journal has got so long; tell whether it was at work."""
    child = start(*arguments)
    while journal_size() < n_bytes and child.poll() is None:
        time.sleep(0.0002)
    time.sleep(chance.uniform(0, 0.003))
    return kill(child)


def kill_after(seconds: float, *arguments: object) -> bool:
    """Kill a child after a while; tell whether it was still at work."""
    child = start(*arguments)
    time.sleep(seconds)
    return kill(child)


def kill(child: subprocess.Popen[str]) -> bool:
    child.send_signal(signal.SIGKILL)
    child.communicate()
    return child.returncode == -signal.SIGKILL
