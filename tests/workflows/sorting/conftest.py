"""Journals of a test's own, and runs of a sort without a model."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clipcli.workflows.journal.journal import journals, new_journal, open_journal
from clipcli.workflows.journal.judging import Undone
from clipcli.workflows.journal.records import Action
from clipcli.workflows.journal.undo import undo
from clipcli.workflows.sorting.execute import Outcome, carry_out, source_folders
from clipcli.workflows.sorting.plan import Plan

SHARED_MEMORY = Path("/dev/shm")

Sort = Callable[[Plan, Action], list[Outcome]]
Undo = Callable[[], list[Undone]]


@pytest.fixture
def sort() -> Sort:
    """Return a function that carries a plan out."""

    def run(plan: Plan, action: Action = "move") -> list[Outcome]:
        with new_journal(plan.places, action, source_folders(plan)) as journal:
            return list(carry_out(plan, action, journal))

    return run


@pytest.fixture
def take_back() -> Undo:
    """Return a function that undoes the newest sort."""

    def run() -> list[Undone]:
        with open_journal(journals()[-1]) as journal:
            return list(undo(journal.read(), journal))

    return run


@pytest.fixture
def quick_folder(tmp_path: Path) -> Iterator[Path]:
    """Return a folder where an fsync is no wait: what a kill leaves behind is the same there."""
    if not SHARED_MEMORY.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as folder:
        yield Path(folder)


@pytest.fixture(autouse=True)
def quick_journals(quick_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep journals in such a folder."""
    monkeypatch.setenv("CLIPCLI_STATE", str(quick_folder / "state"))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return an empty folder to be sorted."""
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder
