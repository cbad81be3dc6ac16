"""A sort, or an undo, that dies before any one of its calls to the system can be taken back.

Where ``test_killed`` throws darts, this tries every moment of a small sort: a forked child dies at
its k-th call, half of it done if it was a write, for every k there is. ``test_every_moment`` runs
it, or you: ``pytest tests/workflows/sorting/every_moment.py``.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from clipcli.workflows.journal.journal import journals, new_journal, open_journal
from clipcli.workflows.journal.judging import Undone
from clipcli.workflows.journal.records import Action
from clipcli.workflows.journal.undo import undo
from clipcli.workflows.sorting.continuous import finish_interrupted
from clipcli.workflows.sorting.execute import carry_out, source_folders
from tests.workflows.sorting.trees import make_plan, names, snapshot

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a fork")
CALLS = ("open", "write", "fsync", "close", "replace", "unlink", "mkdir", "rmdir", "utime")
CALLS += ("chmod", "chown", "link", "symlink", "ftruncate")
DIED = 9


@pytest.fixture(params=["one", "two"])
def n_file_systems(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have renames fail as they do between two file systems, in one half of the tests."""
    if request.param == "two":
        monkeypatch.setattr(os, "replace", across_file_systems)


@pytest.fixture
def source(quick_folder: Path) -> Path:
    """Return a folder with pictures that go to different folders, one with a companion."""
    folder = quick_folder / "photos"
    (folder / "b").mkdir(parents=True)
    for name, content in (("a.jpg", b"x" * 900), ("a.xmp", b"y"), ("b/c.jpg", b"z" * 70)):
        (folder / name).write_bytes(content)
        os.utime(folder / name, ns=(10**18, 10**18 + len(content)))
    for path in (folder / "b", folder):
        os.utime(path, ns=(10**18, 10**18 + 7))
    return folder


@pytest.mark.parametrize("action", ["move", "copy", "link", "hardlink"])
@pytest.mark.usefixtures("n_file_systems")
def test_a_sort_may_die_at_any_moment(source: Path, quick_folder: Path, action: Action) -> None:
    into, before = quick_folder / "sorted", snapshot(source)

    for k in moments(lambda: sort(source, into, action)):
        assert not any(entry.refusal for entry in take_back()), f"call {k}"
        assert snapshot(source) == before, f"call {k}"
        assert not into.exists(), f"call {k}"
        forget()


@pytest.mark.parametrize("action", ["move", "copy"])
@pytest.mark.usefixtures("n_file_systems")
def test_an_undo_may_die_at_any_moment(source: Path, quick_folder: Path, action: Action) -> None:
    into, before = quick_folder / "sorted", snapshot(source)

    def undo_anew() -> None:
        take_back()

    sort(source, into, action)
    for k in moments(undo_anew):
        assert not any(entry.refusal for entry in take_back()), f"call {k}"
        assert snapshot(source) == before, f"call {k}"
        assert not into.exists(), f"call {k}"
        forget()
        sort(source, into, action)


@pytest.mark.usefixtures("n_file_systems")
def test_a_sort_and_then_its_undo_may_die(source: Path, quick_folder: Path) -> None:
    into, before = quick_folder / "sorted", snapshot(source)

    for k in range(11, 60, 12):
        for j in range(1, 40, 4):
            dies_at(k, lambda: sort(source, into, "move"))
            dies_at(j, take_back)
            assert not any(entry.refusal for entry in take_back()), f"calls {k}, {j}"
            assert snapshot(source) == before, f"calls {k}, {j}"
            forget()


@pytest.mark.usefixtures("n_file_systems")
def test_a_group_is_in_one_place_when_a_watch_goes_on(source: Path, quick_folder: Path) -> None:
    into, before = quick_folder / "sorted", snapshot(source)
    group = {"a.jpg": b"x" * 900, "a.xmp": b"y"}
    seen = set()

    for k in moments(lambda: sort(source, into, "move")):
        for path in journals():
            finish_interrupted(path)
        gone = {path.name: path.read_bytes() for path in into.rglob("a.*")}
        assert gone in ({}, group), f"call {k}"
        home = {path.name: path.read_bytes() for path in source.glob("a.*")}
        assert home == ({} if gone else group), f"call {k}"
        seen.add(bool(gone))
        assert not any(entry.refusal for entry in take_back()), f"call {k}"
        assert snapshot(source) == before, f"call {k}"
        forget()
    assert seen == {False, True}


def test_the_child_dies_where_it_is_told_to(source: Path, quick_folder: Path) -> None:
    into = quick_folder / "sorted"

    deaths = list(moments(lambda: sort(source, into, "move"), clean=True))

    assert len(deaths) > 30  # or else the tests above try little
    assert names(source) == []


def moments(act: Callable[[], object], *, clean: bool = False) -> Iterator[int]:
    """Yield after each death of a child, at its first call, its second, until it dies no more."""
    for k in count(1):
        if not dies_at(k, act):
            return
        yield k
        if clean:
            take_back()
            forget()


def dies_at(k: int, act: Callable[[], object]) -> bool:
    """Have a child act, and die at its k-th call; tell whether it came so far."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            die_at(k)
            act()
            code = 0
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, DIED)
    return code == DIED


def die_at(k: int) -> None:
    """Replace the calls of this process by some of which the k-th is its death."""
    n_calls = count(1)

    def mortal(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if next(n_calls) == k:
                if name == "write":
                    function(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
                os._exit(DIED)
            return function(*arguments, **options)

        return call

    for name in CALLS:
        setattr(os, name, mortal(name, getattr(os, name)))


def sort(source: Path, into: Path, action: Action) -> None:
    plan = make_plan(source, into, with_companions=True, keep_folders=True)
    with new_journal(plan.places, action, source_folders(plan)) as journal:
        for _ in carry_out(plan, action, journal):
            pass


def take_back() -> list[Undone]:
    """Undo the sort, if it came to have a journal with a line in it."""
    if not journals() or b"\n" not in journals()[-1].read_bytes():
        return []
    with open_journal(journals()[-1]) as journal:
        return list(undo(journal.read(), journal))


def forget() -> None:
    for path in journals():
        path.unlink()


def across_file_systems(source: str, target: str) -> None:
    raise OSError(errno.EXDEV, "Invalid cross-device link", source, None, target)
