"""Sorting and taking it back: what was there is there again, and nothing of others is touched."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from clipcli.errors import OutputError
from clipcli.workflows.journal import transfer
from clipcli.workflows.journal.journal import journals, new_journal, open_journal
from clipcli.workflows.journal.records import Action
from clipcli.workflows.journal.undo import plan_undo, undo
from clipcli.workflows.sorting.execute import Placed, carry_out, source_folders
from clipcli.workflows.sorting.plan import Left
from tests.workflows.sorting.conftest import Sort, Undo
from tests.workflows.sorting.trees import make_plan, make_tree, names, snapshot

ACTIONS = ("move", "copy", "link", "hardlink")
NAMES = ["a\nb.jpg", "qu'o\"te.jpg", "<script>.jpg", "😀.jpg", "-rf.jpg", "tab\t.jpg"]
NAMES += ["x" * 251 + ".jpg", os.fsdecode(b"\xff\xfe.jpg")]
POSIX = pytest.mark.skipif(os.name != "posix", reason="permissions and names as on POSIX")


@pytest.mark.parametrize("action", ACTIONS)
def test_undo_is_the_inverse_of_sort(
    tree: Path, tmp_path: Path, sort: Sort, take_back: Undo, action: Action
) -> None:
    into, before = tmp_path / "sorted", snapshot(make_tree(tree, 40))
    plan = make_plan(tree, into)

    outcomes = sort(plan, action)
    between = names(into)
    undone = take_back()

    assert len(outcomes) == len(between) == len(undone) == 40
    assert not any(entry.refusal for entry in undone)
    assert snapshot(tree) == before
    assert not into.exists()


@pytest.mark.parametrize("action", ACTIONS)
def test_every_file_arrives_whole(tree: Path, tmp_path: Path, sort: Sort, action: Action) -> None:
    into, before = tmp_path / "sorted", snapshot(make_tree(tree, 40))
    plan = make_plan(tree, into)

    outcomes = sort(plan, action)

    for outcome in outcomes:
        assert isinstance(outcome, Placed)
        path, was = into / outcome.target, before[outcome.path]
        assert path.read_bytes() == was.content
        assert (path.stat().st_mtime_ns, path.stat().st_mode) == (was.mtime_ns, was.mode)
        assert path.is_symlink() == (action == "link")
        assert (tree / outcome.path).exists() == (action != "move")


@POSIX
@pytest.mark.parametrize("action", ACTIONS)
def test_names_may_be_anything(
    tree: Path, tmp_path: Path, sort: Sort, take_back: Undo, action: Action
) -> None:
    for name in NAMES:
        (tree / name).write_bytes(os.fsencode(name))
    before = snapshot(tree)

    outcomes = sort(make_plan(tree, tmp_path / "sorted"), action)
    taken = take_back()

    assert all(isinstance(outcome, Placed) for outcome in outcomes)
    assert len(taken) == len(NAMES)
    assert snapshot(tree) == before


def test_sidecars_come_back_with_their_picture(
    tree: Path, tmp_path: Path, sort: Sort, take_back: Undo
) -> None:
    for name in ("IMG.jpg", "IMG.xmp", "IMG.jpg.xmp", "IMG.mov", "else.xmp"):
        (tree / name).write_bytes(name.encode())
    before = snapshot(tree)

    sort(make_plan(tree, tmp_path / "sorted", with_companions=True))
    left = names(tree)
    take_back()

    assert left == ["else.xmp"]
    assert snapshot(tree) == before


# --- what others have done meanwhile


def test_a_name_that_is_taken_after_the_plan_is_not_overwritten(
    tree: Path, tmp_path: Path, sort: Sort, take_back: Undo
) -> None:
    into = tmp_path / "sorted"
    (tree / "a.jpg").write_bytes(b"ours")
    plan = make_plan(tree, into)
    (into / "_unsure").mkdir(parents=True)
    (into / "_unsure" / "a.jpg").write_bytes(b"ours")  # the same, and still somebody else's

    outcomes = sort(plan)
    take_back()

    assert outcomes == [Placed("a.jpg", str(Path("_unsure", "a (2).jpg")))]
    assert names(into) == [str(Path("_unsure", "a.jpg"))]
    assert (tree / "a.jpg").read_bytes() == b"ours"


def test_a_name_that_is_taken_at_the_last_moment_is_not_overwritten(
    tree: Path, tmp_path: Path, sort: Sort, take_back: Undo, monkeypatch: pytest.MonkeyPatch
) -> None:
    into = tmp_path / "sorted"
    (tree / "a.jpg").write_bytes(b"ours")
    plan = make_plan(tree, into)
    move = transfer.move

    def move_late(source: str, target: str, *rest: Any) -> None:
        if not target.endswith("(2).jpg"):
            Path(target).write_bytes(b"ours")
        move(source, target, *rest)

    with monkeypatch.context() as late:
        late.setattr(transfer, "move", move_late)
        outcomes = sort(plan)
    take_back()

    assert outcomes == [Placed("a.jpg", str(Path("_unsure", "a (2).jpg")))]
    assert names(into) == [str(Path("_unsure", "a.jpg"))]
    assert names(tree) == ["a.jpg"]


def test_files_that_vanish_or_change_after_the_plan_stay_and_are_told_of(
    tree: Path, tmp_path: Path, sort: Sort
) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg"):
        (tree / name).write_bytes(b"picture")
    plan = make_plan(tree, tmp_path / "sorted")
    (tree / "a.jpg").unlink()
    (tree / "b.jpg").write_bytes(b"another picture")
    (tree / "c.jpg").unlink()
    (tree / "c.jpg").symlink_to("d.jpg")

    outcomes = sort(plan)

    assert outcomes[:3] == [
        Left("a.jpg", "no such file or folder"),
        Left("b.jpg", "changed since it was looked at"),
        Left("c.jpg", "a symbolic link"),
    ]
    assert isinstance(outcomes[3], Placed)
    assert names(tree) == ["b.jpg", "c.jpg"]


@pytest.mark.parametrize("action", ["move", "copy"])
@pytest.mark.parametrize("is_same_size", [True, False])
def test_a_file_that_changed_since_is_refused_and_the_rest_is_taken_back(
    tree: Path, tmp_path: Path, sort: Sort, take_back: Undo, action: Action, is_same_size: bool
) -> None:
    into = tmp_path / "sorted"
    for name in ("a.jpg", "b.jpg"):
        (tree / name).write_bytes(b"picture")
    outcomes = sort(make_plan(tree, into), action)
    assert isinstance(outcomes[0], Placed)
    edited = into / outcomes[0].target
    when = edited.stat().st_mtime_ns
    edited.write_bytes(b"PICTURE" if is_same_size else b"cropped")
    os.utime(edited, ns=(when, when))

    undone = take_back()
    again = take_back()

    assert [(x.step.source, x.refusal) for x in undone] == [
        ("b.jpg", ""),
        ("a.jpg", "has changed since"),
    ]
    assert [x.refusal for x in again] == ["has changed since"]
    assert names(into) == [os.path.relpath(edited, into)]
    assert names(tree) == (["b.jpg"] if action == "move" else ["a.jpg", "b.jpg"])


def test_a_refused_file_comes_back_when_it_is_put_right(
    tree: Path, tmp_path: Path, sort: Sort, take_back: Undo
) -> None:
    (tree / "a.jpg").write_bytes(b"picture")
    before = snapshot(tree)
    sort(make_plan(tree, tmp_path / "sorted"))
    (tree / "a.jpg").write_bytes(b"somebody else's")

    refused = take_back()
    (tree / "a.jpg").unlink()
    undone = take_back()

    assert [x.refusal for x in refused] == ["something else lies in its old place now"]
    assert [x.refusal for x in undone] == [""]
    assert (tree / "a.jpg").read_bytes() == b"picture"
    assert {k: v for k, v in snapshot(tree).items() if k != "."} == {
        k: v for k, v in before.items() if k != "."
    }


def test_a_file_that_is_gone_is_told_of(
    tree: Path, tmp_path: Path, sort: Sort, take_back: Undo
) -> None:
    (tree / "a.jpg").write_bytes(b"picture")
    sort(make_plan(tree, tmp_path / "sorted"))
    shutil.rmtree(tmp_path / "sorted")

    assert [x.refusal for x in take_back()] == ["is gone"]


def test_folders_that_are_gone_are_made_again(
    tree: Path, tmp_path: Path, sort: Sort, take_back: Undo
) -> None:
    before = snapshot(make_tree(tree, 12))
    sort(make_plan(tree, tmp_path / "sorted"))
    shutil.rmtree(tree)

    take_back()

    assert snapshot(tree) == before


def test_a_copy_whose_original_is_gone_is_kept(
    tree: Path, tmp_path: Path, sort: Sort, take_back: Undo
) -> None:
    for action in ("copy", "hardlink"):
        (tree / "a.jpg").write_bytes(b"picture")
        sort(make_plan(tree, tmp_path / action), action)  # type: ignore[arg-type]
        (tree / "a.jpg").unlink()

        (entry,) = take_back()

        assert "its original" in entry.refusal
        assert names(tmp_path / action) == [str(Path("_unsure", "a.jpg"))]


def test_a_link_that_leads_elsewhere_now_is_kept(
    tree: Path, tmp_path: Path, sort: Sort, take_back: Undo
) -> None:
    (tree / "a.jpg").write_bytes(b"picture")
    sort(make_plan(tree, tmp_path / "sorted"), "link")
    link = tmp_path / "sorted" / "_unsure" / "a.jpg"
    link.unlink()
    link.symlink_to("/etc/hosts")

    assert [x.refusal for x in take_back()] == ["is not the link that was made"]
    assert link.is_symlink()


def test_folders_with_files_of_others_stay(
    tree: Path, tmp_path: Path, sort: Sort, take_back: Undo
) -> None:
    (tree / "a.jpg").write_bytes(b"picture")
    sort(make_plan(tree, tmp_path / "sorted"))
    (tmp_path / "sorted" / "_unsure" / "mine.txt").write_bytes(b"")

    take_back()

    assert names(tmp_path / "sorted") == [str(Path("_unsure", "mine.txt"))]


def test_folders_that_were_there_before_stay(
    tree: Path, tmp_path: Path, sort: Sort, take_back: Undo
) -> None:
    (tree / "a.jpg").write_bytes(b"picture")
    (tmp_path / "sorted" / "_unsure").mkdir(parents=True)
    sort(make_plan(tree, tmp_path / "sorted"))

    take_back()

    assert (tmp_path / "sorted" / "_unsure").is_dir()


def test_undo_follows_no_link_that_took_a_folders_place(
    tree: Path, tmp_path: Path, sort: Sort, take_back: Undo
) -> None:
    (tree / "a.jpg").write_bytes(b"picture")
    sort(make_plan(tree, tmp_path / "sorted"))
    (tmp_path / "sorted" / "_unsure").rename(tmp_path / "elsewhere")
    (tmp_path / "sorted" / "_unsure").symlink_to(tmp_path / "elsewhere")

    undone = take_back()

    assert [x.refusal for x in undone] == ["a folder above it is a symbolic link now"]
    assert names(tmp_path / "elsewhere") == ["a.jpg"]


def test_sort_follows_no_link_that_took_a_folders_place(
    tree: Path, tmp_path: Path, sort: Sort
) -> None:
    (tree / "a.jpg").write_bytes(b"picture")
    plan = make_plan(tree, tmp_path / "sorted")
    (tmp_path / "sorted").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "sorted" / "_unsure").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OutputError, match="is there and is not a folder"):
        sort(plan)

    assert names(tree) == ["a.jpg"]
    assert names(tmp_path / "elsewhere") == []


def test_times_of_a_folder_that_somebody_changed_are_left(
    tree: Path, tmp_path: Path, sort: Sort, take_back: Undo
) -> None:
    (tree / "a.jpg").write_bytes(b"picture")
    sort(make_plan(tree, tmp_path / "sorted"))
    later = journals()[-1].stat().st_mtime_ns + 10**10
    os.utime(tree, ns=(later, later))

    take_back()

    assert tree.stat().st_mtime_ns >= journals()[-1].stat().st_mtime_ns - 10**10
    assert tree.stat().st_mtime_ns != 0


# --- one inside of the other


def test_dir_inside_source(tree: Path, sort: Sort, take_back: Undo) -> None:
    before = snapshot(make_tree(tree, 20))

    sort(make_plan(tree, tree / "sorted"))
    left = [name for name in names(tree) if not name.startswith("sorted")]
    take_back()

    assert left == []
    assert snapshot(tree) == before


def test_source_inside_dir(tmp_path: Path, sort: Sort, take_back: Undo) -> None:
    source = tmp_path / "pictures" / "cat"
    source.mkdir(parents=True)
    make_tree(source, 20)
    before = snapshot(tmp_path / "pictures")

    outcomes = sort(make_plan(source, tmp_path / "pictures"))
    take_back()

    assert outcomes
    assert {k: v for k, v in snapshot(tmp_path / "pictures").items() if k != "."} == {
        k: v for k, v in before.items() if k != "."
    }


# --- places that take nothing


@pytest.mark.parametrize("action", ["move", "copy"])
def test_a_full_disk_ends_the_sort_with_everything_in_one_place_or_the_other(
    tree: Path,
    tmp_path: Path,
    sort: Sort,
    take_back: Undo,
    monkeypatch: pytest.MonkeyPatch,
    action: Action,
) -> None:
    into, before = tmp_path / "sorted", snapshot(make_tree(tree, 20))
    plan = make_plan(tree, into)
    contents = sorted(entry.content for entry in before.values() if entry.kind == "file")
    with monkeypatch.context() as full:
        full.setattr(os, "replace", across_file_systems)
        full.setattr(os, "write", RoomFor(100_000))
        with pytest.raises(OutputError, match="No space left"):
            sort(plan, action)

    held = [entry for entry in snapshot(into).values() if entry.kind == "file"]
    if action == "move":
        stayed = [entry for entry in snapshot(tree).values() if entry.kind == "file"]
        assert sorted(entry.content for entry in held + stayed) == contents
    assert 0 < len(held) < 20
    take_back()
    assert snapshot(tree) == before
    assert not into.exists()


def test_a_journal_that_cannot_be_written_ends_the_sort_before_the_step(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tree(tree, 20)
    plan = make_plan(tree, tmp_path / "sorted")
    told = new_journal(plan.places, "move", source_folders(plan))
    with told as journal, monkeypatch.context() as full:
        full.setattr(os, "write", RoomFor(3_000))
        with pytest.raises(OutputError, match="journal could not be written"):
            list(carry_out(plan, "move", journal))

    with open_journal(journals()[-1]) as journal:
        log = journal.read()
        targets = {step.target for step in log.steps if step.action == "move"}
        assert set(names(tmp_path / "sorted")) == targets
        list(undo(log, journal))
    assert len(names(tree)) == 20


@POSIX
def test_a_dir_that_may_not_be_written(tree: Path, tmp_path: Path, sort: Sort) -> None:
    (tree / "a.jpg").write_bytes(b"picture")
    (tmp_path / "sorted" / "_unsure").mkdir(parents=True)
    plan = make_plan(tree, tmp_path / "sorted")
    (tmp_path / "sorted" / "_unsure").chmod(0o500)
    if os.access(tmp_path / "sorted" / "_unsure", os.W_OK):
        pytest.skip("this user may do everything")

    with pytest.raises(OutputError, match="Permission denied"):
        sort(plan)

    assert names(tree) == ["a.jpg"]


def test_what_is_written_is_compared_with_what_was_read(
    tree: Path, tmp_path: Path, sort: Sort, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "a.jpg").write_bytes(b"picture")
    plan = make_plan(tree, tmp_path / "sorted")
    write = os.write

    def write_badly(handle: int, content: Any) -> int:
        return write(handle, bytes(content).replace(b"picture", b"pixture"))

    with monkeypatch.context() as bad:
        bad.setattr(os, "replace", across_file_systems)
        bad.setattr(os, "write", write_badly)
        with pytest.raises(OutputError, match="not what was read"):
            sort(plan)

    assert names(tmp_path / "sorted") == []
    assert (tree / "a.jpg").read_bytes() == b"picture"


def test_an_original_that_cannot_go_leaves_no_copy(
    tree: Path, tmp_path: Path, sort: Sort, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "a.jpg").write_bytes(b"picture")
    plan = make_plan(tree, tmp_path / "sorted")
    unlink = os.unlink

    def unlink_ours(path: str) -> None:
        if path == str(tree / "a.jpg"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        unlink(path)

    with monkeypatch.context() as stuck:
        stuck.setattr(os, "replace", across_file_systems)
        stuck.setattr(os, "unlink", unlink_ours)
        outcomes = sort(plan)

    assert outcomes == [Left("a.jpg", "permission denied")]
    assert names(tmp_path / "sorted") == []
    assert names(tree) == ["a.jpg"]


def test_a_look_at_what_undo_would_do_changes_nothing(
    tree: Path, tmp_path: Path, sort: Sort
) -> None:
    make_tree(tree, 10)
    sort(make_plan(tree, tmp_path / "sorted"))
    before = snapshot(tmp_path)

    with open_journal(journals()[-1]) as journal:
        plan = plan_undo(journal.read())

    assert [entry.how for entry in plan] == ["back"] * 10
    assert snapshot(tmp_path) == before


def across_file_systems(source: str, target: str) -> None:
    raise OSError(errno.EXDEV, "Invalid cross-device link", source, None, target)


class RoomFor:
    """Writes as ``os.write`` does until so many bytes are there, then the disk is full."""

    def __init__(self, n_bytes: int) -> None:
        self.left, self.write = n_bytes, os.write

    def __call__(self, handle: int, content: Any) -> int:
        if not self.left:
            raise OSError(errno.ENOSPC, "No space left on device")
        n_written = self.write(handle, bytes(content)[: self.left])
        self.left -= n_written
        return n_written
