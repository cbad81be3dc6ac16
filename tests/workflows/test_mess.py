"""The whole tidying of a mess, killed at random moments and taken back: nothing is lost.

``sort --move``, ``tag`` and ``dedup --trash`` one after the other, each killed at moments of its
own, and then their undos in turn. After every kill all that there was is somewhere; after the undo
it is where it was: names, bytes, times and permissions.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections import Counter
from functools import partial
from hashlib import sha256
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from tests.workflows.mess import N_FILES, make_mess
from tests.workflows.mess_child import start
from tests.workflows.sorting.conftest import quick_folder
from tests.workflows.sorting.trees import Entry, names, snapshot

__all__ = ["quick_folder"]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGKILL is a signal of POSIX")
LABELS = ("--labels", "red,green,blue", "--templates", "plain")


class Tidying:
    """A mess in a folder, and the commands that tidy it, each with journals of its own."""

    def __init__(self, folder: Path, *, share: int = 1) -> None:
        self.base = folder / "home"
        self.photos, self.sorted = self.base / "photos", self.base / "sorted"
        self._folder = folder
        make_mess(self.photos, share=share)
        where = ("--into", self.sorted, "--by", "year/label", "--unsure", "unsure")
        self.commands: dict[str, tuple[object, ...]] = {
            "sort": ("sort", self.photos, *LABELS, *where, "--move", "--yes"),
            "tag": ("tag", self.sorted, *LABELS, "--yes"),
            "dedup": ("dedup", self.sorted, "--trash", "--yes"),
        }

    def start(self, stage: str, *arguments: object) -> BaseProcess:
        state = {"CLIPCLI_STATE": str(self.state(stage)), "XDG_DATA_HOME": str(self.base / "data")}
        return start(arguments, os.environ | state, self._folder / "log")

    def state(self, stage: str) -> Path:
        return self._folder / "state" / stage

    def run(self, stage: str, *arguments: object) -> None:
        """Let a command end."""
        child = self.start(stage, *arguments)
        child.join()
        assert child.exitcode in (0, 5), self.log()

    def do(self, stage: str) -> None:
        shutil.rmtree(self.state(stage), ignore_errors=True)
        self.run(stage, *self.commands[stage])

    def undo(self, stage: str) -> None:
        if not self.is_untouched(stage):
            self.run(stage, "undo", "--yes")

    def log(self) -> str:
        return (self._folder / "log").read_text("utf-8", "replace")[-3000:]

    def everything(self) -> dict[str, Entry]:
        """Return all there is; of the trash, whose own folders stay, the files alone."""
        found = snapshot(self.base)
        return {
            path: entry
            for path, entry in found.items()
            if path != "." and not (entry.kind == "folder" and path.startswith("data"))
        }

    def contents(self) -> Counter[str]:
        """Return how often each content lies anywhere; journals keep what was rewritten."""
        files = [path for path in self.base.rglob("*") if path.is_file()]
        kept = (self._folder / "state").rglob("*")
        files += [path for path in kept if path.is_file() and path.name.isdecimal()]
        return Counter(sha256(path.read_bytes()).hexdigest() for path in files)

    def journal_size(self, stage: str) -> int:
        sizes = [path.stat().st_size for path in self.state(stage).glob("sorts/*.jsonl")]
        return max(sizes, default=-1)

    def n_steps(self, stage: str) -> int:
        found = self.state(stage).glob("sorts/*.jsonl")
        return max((path.read_bytes().count(b'"step":') for path in found), default=0)

    def is_undone(self, stage: str) -> bool:
        """Tell whether its journal says that all of it was taken back."""
        found = list(self.state(stage).glob("sorts/*.jsonl"))
        return any(b'{"undone"' in path.read_bytes() for path in found)

    def is_untouched(self, stage: str) -> bool:
        """Tell whether a command was killed before it had said what it is about to do."""
        found = list(self.state(stage).glob("sorts/*.jsonl"))
        return not found or b"\n" not in found[-1].read_bytes()


def test_a_mess_is_what_it_says(tmp_path: Path) -> None:
    make_mess(tmp_path)

    assert len(names(tmp_path)) == N_FILES


def test_tidying_a_mess_may_be_killed(quick_folder: Path) -> None:
    kill_and_undo(Tidying(quick_folder, share=8), doing=1, undoing=1)


@pytest.mark.soak
def test_tidying_a_mess_may_be_killed_at_two_hundred_moments(quick_folder: Path) -> None:
    tidying = Tidying(quick_folder)
    n_stages = len(tidying.commands)

    kill_and_undo(tidying, doing=150 // n_stages, undoing=50 // n_stages + 1)


def kill_and_undo(tidying: Tidying, *, doing: int, undoing: int) -> None:
    """Kill each command, and its undo, so many times; compare after each, and once more at last."""
    chance, began = random.Random(doing), time.monotonic()
    before: dict[str, dict[str, Entry]] = {}
    caught: dict[str, int] = {}
    for stage in tidying.commands:
        before[stage], contents = tidying.everything(), tidying.contents()
        tidying.do(stage)
        assert tidying.everything() != before[stage]
        whole = tidying.journal_size(stage)
        for name, kill, n in (
            (f"undo {stage}", kill_while_undoing, undoing),
            (stage, partial(kill_while_doing, whole), doing),
        ):
            caught[name] = 0
            for i in range(n):
                caught[name] += kill(tidying, stage, chance)
                assert not contents - tidying.contents(), f"lost in {name}, round {i}"
                if i % 2 and not tidying.is_untouched(stage):  # and once more on the way back
                    kill_after(chance.uniform(0, 0.4), tidying.start(stage, "undo", "--yes"))
                    assert not contents - tidying.contents(), f"lost in {name}, round {i}"
                tidying.undo(stage)
                assert tidying.everything() == before[stage], f"{name}, round {i}"
        tidying.do(stage)
    for stage in reversed(tidying.commands):
        tidying.undo(stage)
        assert tidying.everything() == before[stage]
    n_kills, seconds = len(caught) // 2 * (doing + undoing), time.monotonic() - began
    print(f"{n_kills} kills, at work: {caught}, {seconds:.0f} s")  # noqa: T201 - for who watches
    # Or else it was not killing that was tested; of a few, most may come too late.
    assert sum(caught.values()) > (n_kills * 0.6 if n_kills > 20 else 0)


def kill_while_doing(whole: int, tidying: Tidying, stage: str, chance: random.Random) -> bool:
    """Kill a command a moment after its journal has got so long."""
    shutil.rmtree(tidying.state(stage))
    child = tidying.start(stage, *tidying.commands[stage])
    n_bytes = chance.uniform(0, whole)
    while tidying.journal_size(stage) < n_bytes and child.is_alive():
        time.sleep(0.0002)
    return kill_after(chance.uniform(0, 0.003), child)


def kill_while_undoing(tidying: Tidying, stage: str, chance: random.Random) -> bool:
    """Kill an undo after it has begun; a file takes it half a millisecond or more."""
    if tidying.is_undone(stage):
        tidying.do(stage)
    whole = tidying.journal_size(stage)
    child = tidying.start(stage, "undo", "--yes")
    while tidying.journal_size(stage) == whole and child.is_alive():
        time.sleep(0.0002)
    return kill_after(chance.uniform(0, 0.0005 * tidying.n_steps(stage)), child)


def kill_after(seconds: float, child: BaseProcess) -> bool:
    """Kill a process after a while; tell whether it was still at work."""
    time.sleep(seconds)
    child.kill()
    child.join()
    return child.exitcode == -signal.SIGKILL
