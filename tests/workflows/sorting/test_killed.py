"""A sort that is killed at any moment can be taken back: names, bytes and times are as before."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import ROOT, Finished
from tests.workflows.sorting.trees import make_tree, snapshot

pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGKILL is a signal of POSIX")
FEW, MANY = (5, 40), (200, 500)  # kills, files


@pytest.fixture
def elsewhere(tmp_path: Path, quick_folder: Path) -> Path:
    """Return a folder on another file system than the test's own."""
    if quick_folder.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system to be had")
    return quick_folder


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


@pytest.mark.soak
def test_the_whole_command_killed_at_twenty_moments_is_taken_back(
    tmp_path: Path, use_tiny_model: None, clipcli_process: Callable[..., Finished]
) -> None:
    source, into, chance = tmp_path / "photos", tmp_path / "sorted", random.Random(7)
    source.mkdir()
    for i in range(60):
        shade = (i, chance.randrange(256), chance.randrange(256))
        Image.new("RGB", (12, 9), shade).save(source / f"{i}.png")
        os.utime(source / f"{i}.png", ns=(10**18, 10**18 + i))
    before, n_caught = snapshot(source), 0
    command = ["sort", source, "--into", into, "--labels", "cat,dog", "--move", "--yes"]
    assert clipcli_process(*command).returncode == 0
    whole = journal_size()
    assert clipcli_process("undo", "--yes").returncode == 0
    for i in range(20):
        clear_journals()
        child = subprocess.Popen(
            [sys.executable, "-m", "clipcli", *map(str, command)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        )
        n_caught += kill_at(child, chance.uniform(0, whole), chance)
        done = clipcli_process("undo", "--yes")

        assert done.returncode == (3 if is_untouched() else 0), done.stderr
        assert snapshot(source) == before, f"round {i}"
        assert not into.exists(), f"round {i}"
    assert n_caught > 15


def kill_and_undo(
    folder: Path, into: Path, n_kills: int, n_files: int, seed: int, *, action: str = "move"
) -> None:
    """Sort, kill, undo (killing that as well in every second round), compare; so many times."""
    source = make_tree(folder / "photos", n_files, with_companions=True)
    before, chance = snapshot(source), random.Random(seed)
    run("sort", source, into, action)
    whole = journal_size()
    undoing_s = run("undo")
    assert snapshot(source) == before
    n_sorts = n_undos = 0
    for i in range(n_kills):
        clear_journals()
        n_sorts += kill_at(start("sort", source, into, action), chance.uniform(0, whole), chance)
        if i % 2 and not is_untouched():
            n_undos += kill_after(chance.uniform(0, 0.8 * undoing_s), "undo")
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
    command = [sys.executable, "-m", "tests.workflows.sorting.child", *map(str, arguments)]
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


def kill_at(child: subprocess.Popen[Any], n_bytes: float, chance: random.Random) -> bool:
    """Kill a child a moment after its journal has got so long; tell whether it was at work."""
    while journal_size() < n_bytes and child.poll() is None:
        time.sleep(0.0002)
    time.sleep(chance.uniform(0, 0.003))
    return kill(child)


def kill_after(seconds: float, *arguments: object) -> bool:
    """Kill a child after a while; tell whether it was still at work."""
    child = start(*arguments)
    time.sleep(seconds)
    return kill(child)


def kill(child: subprocess.Popen[Any]) -> bool:
    child.send_signal(signal.SIGKILL)
    child.communicate()
    return child.returncode == -signal.SIGKILL
