"""The journal: cut, damaged, tampered with, or held by somebody else."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from clipcli.errors import InputError, OutputError, UsageError
from clipcli.workflows.journal.journal import journal_folder, journals, new_journal, open_journal
from clipcli.workflows.journal.records import Places
from clipcli.workflows.journal.undo import undo
from clipcli.workflows.sorting.execute import source_folders
from tests.conftest import ROOT
from tests.workflows.sorting.conftest import Sort, Undo
from tests.workflows.sorting.trees import make_plan, make_tree, names, snapshot

POSIX = pytest.mark.skipif(os.name != "posix", reason="permissions as on POSIX")


def test_a_journal_is_its_owners_alone(tree: Path, tmp_path: Path, sort: Sort) -> None:
    (tree / "a.jpg").write_bytes(b"picture")
    sort(make_plan(tree, tmp_path / "sorted"))

    assert stat.S_IMODE(journal_folder().stat().st_mode) == 0o700
    assert stat.S_IMODE(journals()[0].stat().st_mode) == 0o600


def test_journals_are_listed_in_the_order_they_were_made(
    tree: Path, tmp_path: Path, sort: Sort, take_back: Undo
) -> None:
    for i in range(3):
        (tree / f"{i}.jpg").write_bytes(b"picture")
        sort(make_plan(tree, tmp_path / "sorted"))

    take_back()

    assert len(journals()) == 3
    assert names(tree) == ["2.jpg"]


@pytest.mark.parametrize("part", range(12))
def test_a_journal_cut_anywhere_takes_back_what_it_still_tells_of(
    tree: Path, tmp_path: Path, sort: Sort, part: int
) -> None:
    into = tmp_path / "sorted"
    make_tree(tree, 8)
    contents = sorted(file_contents(tree))
    sort(make_plan(tree, into))
    path = journals()[0]
    whole = path.read_bytes()
    n_kept = whole.index(b"\n") + 1 + (len(whole) - whole.index(b"\n")) * part // 12

    path.write_bytes(whole[:n_kept])
    with open_journal(path) as journal:
        log = journal.read()
        undone = list(undo(log, journal))

    moves = [step for step in log.steps if step.action == "move"]
    assert len(undone) == len(moves) == len(names(tree))
    assert not any(entry.refusal for entry in undone)
    assert sorted(file_contents(tree) + file_contents(into)) == contents
    assert path.read_bytes().endswith(b"\n")


def test_a_damaged_line_is_told_of_and_the_others_count(
    tree: Path, tmp_path: Path, sort: Sort
) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tree / name).write_bytes(b"picture")
    sort(make_plan(tree, tmp_path / "sorted"))
    path = journals()[0]
    lines = path.read_bytes().splitlines()
    at = next(i for i, line in enumerate(lines) if b"b.jpg" in line)
    path.write_bytes(b"\n".join([*lines[:at], b"\x00\x00{", *lines[at + 1 :], b""]))

    with open_journal(path) as journal:
        log = journal.read()
        list(undo(log, journal))

    assert log.problems == [f"{path}:{at + 1}: is damaged and was passed over"]
    assert names(tree) == ["a.jpg"]


@pytest.mark.parametrize(
    "change",
    [
        {"from": "../outside.jpg"},
        {"from": "/etc/passwd"},
        {"to": "cat/../../outside.jpg"},
        {"to": "/etc/passwd"},
        {"to": "a\0b"},
        {"sha256": ""},
        {"size": None},
        {"do": "format"},
    ],
)
def test_a_step_that_leads_out_of_the_recorded_folders_is_passed_over(
    tree: Path, tmp_path: Path, sort: Sort, change: dict[str, Any]
) -> None:
    (tree / "a.jpg").write_bytes(b"picture")
    sort(make_plan(tree, tmp_path / "sorted"))
    path = journals()[0]
    records = [json.loads(line) for line in path.read_text("ascii").splitlines()]
    step = next(record for record in records if record.get("do") == "move")
    step.update(change)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "ascii")

    with open_journal(path) as journal:
        log = journal.read()

    assert len(log.problems) == 1
    assert [step.action for step in log.steps] == ["folder", "folder"]


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"[]\n", b'{"journal": 1}\n', b"\xff\xd8\xff\n", b"text\n", b"{}"]
)
def test_what_is_no_journal_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "some.jsonl"
    path.write_bytes(content)

    with open_journal(path) as journal, pytest.raises(InputError, match="not a journal"):
        journal.read()

    assert path.read_bytes() == content


def test_a_journal_of_a_later_clipcli_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    path.write_text('{"journal": "clipcli sort", "version": 3}\n', "ascii")

    with open_journal(path) as journal, pytest.raises(InputError, match="another version"):
        journal.read()


def test_a_folder_or_nothing_is_no_journal(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.jsonl"):
        with pytest.raises(InputError), open_journal(path):
            pass


def test_a_journal_in_use_is_not_opened_a_second_time(tree: Path, tmp_path: Path) -> None:
    (tree / "a.jpg").write_bytes(b"picture")
    plan = make_plan(tree, tmp_path / "sorted")

    with new_journal(plan.places, "move", source_folders(plan)) as journal:
        with pytest.raises(UsageError, match="another clipcli"), open_journal(journal.path):
            pass
        other = subprocess.run(
            [sys.executable, "-m", "clipcli", "undo", "--yes"],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )

    assert (other.returncode, other.stdout) == (2, "")
    assert "another clipcli is at work on this journal" in other.stderr


def test_a_second_undo_of_the_same_journal_does_nothing(
    tree: Path, tmp_path: Path, sort: Sort, take_back: Undo
) -> None:
    make_tree(tree, 8)
    sort(make_plan(tree, tmp_path / "sorted"))
    take_back()
    before = snapshot(tree)

    assert take_back() == []
    assert snapshot(tree) == before


@POSIX
def test_without_a_place_for_journals_nothing_is_begun(
    tree: Path, tmp_path: Path, sort: Sort, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "a.jpg").write_bytes(b"picture")
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("CLIPCLI_STATE", str(tmp_path / "file"))

    with pytest.raises(OutputError, match="journal could not be written"):
        sort(make_plan(tree, tmp_path / "sorted"))

    assert names(tree) == ["a.jpg"]
    assert not (tmp_path / "sorted").exists()


def test_journals_live_in_the_platforms_place_for_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLIPCLI_STATE")
    monkeypatch.setattr("platformdirs.user_state_path", lambda *_, **__: Path("/state/clipcli"))

    assert journal_folder() == Path("/state/clipcli/sorts")


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLIPCLI_STATE")
    monkeypatch.setattr("platformdirs.user_state_path", lambda *_, **__: Path("~/state"))

    with pytest.raises(OutputError, match="no home folder"):
        journal_folder()


@POSIX
def test_the_journal_has_each_step_on_the_disk_before_it_is_taken(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tree(tree, 8)
    plan = make_plan(tree, tmp_path / "sorted")
    with new_journal(plan.places, "move", {}) as journal, watched(monkeypatch) as events:
        from clipcli.workflows.sorting.execute import carry_out

        list(carry_out(plan, "move", journal))

    acts = [i for i, event in enumerate(events) if event in ("mkdir", "replace")]
    assert len(acts) >= 8
    assert all("fsync" in events[:i] and events[i - 1] == "fsync" for i in acts)


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Note the order in which the journal is written out and steps are taken."""
    events: list[str] = []
    with monkeypatch.context() as patched:
        for name in ("fsync", "mkdir", "replace"):
            patched.setattr(os, name, noted(name, getattr(os, name), events))
        yield events


def noted(name: str, function: Any, events: list[str]) -> Any:
    def call(*arguments: Any) -> Any:
        events.append(name)
        return function(*arguments)

    return call


def file_contents(folder: Path) -> list[bytes]:
    if not folder.exists():
        return []
    return [entry.content for entry in snapshot(folder).values() if entry.kind == "file"]


def test_places_are_absolute_in_a_journal(tmp_path: Path) -> None:
    relative = new_journal(Places("relative", "paths"), "move", {})

    with relative as journal, pytest.raises(InputError, match="not a journal"):
        journal.read()
