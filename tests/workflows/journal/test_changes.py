"""Changes under a journal, and what undo makes of them."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from clipcli.cli.app import run
from clipcli.errors import InputError, OutputError
from clipcli.workflows.journal import transfer
from clipcli.workflows.journal.changes import Changes, begun_changes
from clipcli.workflows.journal.filestate import RefusedError, look
from clipcli.workflows.journal.journal import journal_folder, journals, open_journal
from clipcli.workflows.journal.undo import plan_undo, undo
from tests.workflows.sorting.conftest import Undo
from tests.workflows.sorting.trees import names, snapshot

POSIX = pytest.mark.skipif(os.name != "posix", reason="permissions as on POSIX")
OLD_NS, OLDER_NS = 10**18, 9 * 10**17


@pytest.fixture
def photos(quick_folder: Path) -> Path:
    """Return a folder with two files of one content and a sidecar, all of them old."""
    folder = quick_folder / "photos"
    (folder / "b").mkdir(parents=True)
    for name, content, mtime_ns, mode in (
        ("a.jpg", b"picture", OLD_NS, 0o644),
        ("b/a.jpg", b"picture", OLDER_NS, 0o600),
        ("a.xmp", b"<old/>", OLD_NS, 0o640),
    ):
        (folder / name).write_bytes(content)
        (folder / name).chmod(mode)
        os.utime(folder / name, ns=(mtime_ns, mtime_ns))
    for path in (folder / "b", folder):
        os.utime(path, ns=(OLD_NS, OLD_NS))
    return folder


@contextmanager
def changing(*folders: Path) -> Iterator[Changes]:
    with begun_changes("tag", map(str, folders)) as changes:
        yield changes


def rewrite(path: Path, content: bytes) -> bool:
    state = look(str(path)) if path.exists() else None
    with changing(path.parent) as changes:
        return changes.rewrite(str(path), content, state)


def hardlink(photos: Path) -> None:
    path, kept = str(photos / "b" / "a.jpg"), str(photos / "a.jpg")
    with changing(photos) as changes:
        changes.hardlink(path, kept, look(path), look(kept))


# --- rewriting


def test_a_rewritten_file_has_the_new_bytes_and_the_old_permissions(
    photos: Path, take_back: Undo
) -> None:
    before = snapshot(photos)

    assert rewrite(photos / "a.xmp", b"<new/>")

    assert (photos / "a.xmp").read_bytes() == b"<new/>"
    assert (photos / "a.xmp").stat().st_mtime_ns > OLD_NS
    assert names(photos) == ["a.jpg", "a.xmp", "b/a.jpg"]
    if os.name == "posix":
        assert stat.S_IMODE((photos / "a.xmp").stat().st_mode) == 0o640
    assert [entry.how for entry in take_back()] == ["restore"]
    assert snapshot(photos) == before
    assert take_back() == []


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="attributes as on Linux")
def test_attributes_are_kept_and_restored(tmp_path: Path, take_back: Undo) -> None:
    path = tmp_path / "a.xmp"
    path.write_bytes(b"<old/>")
    try:
        os.setxattr(path, "user.rating", b"5")
    except OSError:
        pytest.skip("this file system keeps no attributes")

    rewrite(path, b"<new/>")
    assert os.getxattr(path, "user.rating") == b"5"
    take_back()

    assert os.getxattr(path, "user.rating") == b"5"
    assert path.read_bytes() == b"<old/>"


def test_what_a_file_held_is_its_owners_alone_and_goes_with_the_undo(
    photos: Path, take_back: Undo
) -> None:
    rewrite(photos / "a.xmp", b"<new/>")

    (store,) = journal_folder().glob("*.kept")
    assert [path.read_bytes() for path in store.iterdir()] == [b"<old/>"]
    if os.name == "posix":
        assert stat.S_IMODE(store.stat().st_mode) == 0o700
    take_back()

    assert not list(journal_folder().glob("*.kept"))


def test_a_file_that_was_not_there_goes_again_with_its_folders(
    photos: Path, take_back: Undo
) -> None:
    before, path = snapshot(photos), photos / "c" / "d" / "new.xmp"
    with changing(photos) as changes:
        assert changes.rewrite(str(path), b"<new/>", None)
    assert path.read_bytes() == b"<new/>"

    undone = take_back()

    assert [entry.how for entry in undone] == ["remove"]
    assert snapshot(photos) == before


def test_the_same_content_is_not_written(photos: Path) -> None:
    before = snapshot(photos)

    assert not rewrite(photos / "a.xmp", b"<old/>")

    assert snapshot(photos) == before
    with open_journal(journals()[-1]) as journal:
        assert journal.read().steps == []


@pytest.mark.parametrize("content", [b"<mine/>", b"<nEw/>", b""])
@pytest.mark.parametrize("name", ["a.xmp", "new.xmp"])
def test_undo_leaves_what_was_changed_since(
    photos: Path, take_back: Undo, name: str, content: bytes
) -> None:
    rewrite(photos / name, b"<new/>")
    (photos / name).write_bytes(content)

    undone = take_back()

    assert [entry.refusal for entry in undone] == ["has changed since"]
    assert (photos / name).read_bytes() == content


def test_undo_needs_what_was_kept(photos: Path, take_back: Undo) -> None:
    rewrite(photos / "a.xmp", b"<new/>")
    (kept,) = journal_folder().glob("*.kept/*")
    kept.write_bytes(b"<odd/>")

    undone = take_back()

    assert [entry.refusal for entry in undone] == ["what it held was not kept, or has changed"]
    assert (photos / "a.xmp").read_bytes() == b"<new/>"


def test_a_file_that_came_or_changed_meanwhile_is_not_rewritten(photos: Path) -> None:
    path = photos / "a.xmp"
    state = look(str(path))
    path.write_bytes(b"<mine/>")

    with changing(photos) as changes:
        with pytest.raises(RefusedError, match="changed since it was looked at"):
            changes.rewrite(str(path), b"<new/>", state)
        with pytest.raises(RefusedError, match="is there already"):
            changes.rewrite(str(path), b"<new/>", None)

    assert path.read_bytes() == b"<mine/>"


@pytest.mark.parametrize("n_bytes", [0, 3, 8])
@pytest.mark.parametrize("name", ["a.xmp", "new.xmp"])
def test_a_full_disk_leaves_the_file_as_it_was(
    photos: Path, take_back: Undo, monkeypatch: pytest.MonkeyPatch, name: str, n_bytes: int
) -> None:
    before, content = snapshot(photos), b"<new/>" * 3
    state = look(str(photos / name)) if name == "a.xmp" else None

    with changing(photos) as changes, monkeypatch.context() as full:
        full.setattr(os, "write", room_for(n_bytes, beside=changes.path))
        with pytest.raises(OutputError, match="No space left on device"):
            changes.rewrite(str(photos / name), content, state)
    between = names(photos)
    take_back()

    assert between == ["a.jpg", "a.xmp", "b/a.jpg"]
    assert snapshot(photos) == before


def room_for(n_bytes: int, beside: Path) -> Callable[[int, Any], int]:
    """Write as ``os.write`` does until a disk is full; the journal has one of its own."""
    write, left = os.write, [n_bytes]

    def limited(handle: int, content: Any) -> int:
        if os.fstat(handle).st_ino == beside.stat().st_ino:
            return write(handle, content)
        if not left[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        n_written = write(handle, bytes(content)[: left[0]])
        left[0] -= n_written
        return n_written

    return limited


@pytest.mark.parametrize(
    ("name", "reason"), [("new.xmp", "is there already"), ("a.xmp", "changed since")]
)
def test_a_file_that_comes_or_changes_at_the_last_moment_is_not_overwritten(
    photos: Path, take_back: Undo, monkeypatch: pytest.MonkeyPatch, name: str, reason: str
) -> None:
    path, write_new = photos / name, transfer.write_new

    def meanwhile(*arguments: Any) -> None:
        write_new(*arguments)
        path.write_bytes(b"<mine/>")

    with monkeypatch.context() as context:
        context.setattr(transfer, "write_new", meanwhile)
        with pytest.raises(RefusedError, match=reason):
            rewrite(path, b"<new/>")

    assert names(photos) == sorted({"a.jpg", "a.xmp", "b/a.jpg", name})
    assert take_back() == []
    assert path.read_bytes() == b"<mine/>"


# --- hard links


def test_a_copy_becomes_a_link_and_a_file_of_its_own_again(photos: Path, take_back: Undo) -> None:
    before = snapshot(photos)

    hardlink(photos)

    assert (photos / "b" / "a.jpg").samefile(photos / "a.jpg")
    assert (photos / "a.jpg").stat().st_mtime_ns == OLD_NS
    assert [entry.how for entry in take_back()] == ["restore"]
    assert snapshot(photos) == before
    assert not (photos / "b" / "a.jpg").samefile(photos / "a.jpg")


def test_a_link_comes_back_although_the_kept_file_is_gone(photos: Path, take_back: Undo) -> None:
    hardlink(photos)
    (photos / "a.jpg").unlink()

    undone = take_back()

    assert [entry.how for entry in undone] == ["restore"]
    assert (photos / "b" / "a.jpg").stat().st_mtime_ns == OLDER_NS


def test_a_link_of_one_time_with_its_copy_is_a_file_of_its_own_again(
    photos: Path, take_back: Undo
) -> None:
    os.utime(photos / "b" / "a.jpg", ns=(OLD_NS, OLD_NS))  # as after cp -p
    hardlink(photos)

    assert [entry.how for entry in take_back()] == ["restore"]
    assert not (photos / "b" / "a.jpg").samefile(photos / "a.jpg")


def test_a_link_that_was_written_to_is_left(photos: Path, take_back: Undo) -> None:
    hardlink(photos)
    (photos / "a.jpg").write_bytes(b"another")

    undone = take_back()

    assert [entry.refusal for entry in undone] == ["has changed since"]
    assert (photos / "b" / "a.jpg").read_bytes() == b"another"


def test_only_what_is_the_same_in_every_byte_is_linked(photos: Path) -> None:
    (photos / "a.jpg").write_bytes(b"pixture")

    with pytest.raises(RefusedError, match="not the same in every byte"):
        hardlink(photos)

    assert (photos / "b" / "a.jpg").read_bytes() == b"picture"


def test_a_file_with_links_elsewhere_is_left(photos: Path) -> None:
    os.link(photos / "b" / "a.jpg", photos / "b" / "also.jpg")

    with pytest.raises(RefusedError, match="has hard links already"):
        hardlink(photos)


def test_a_file_system_that_links_nothing_loses_nothing(
    photos: Path, take_back: Undo, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(photos)

    def link(source: str, target: str) -> None:
        raise OSError(errno.EPERM, "Operation not permitted", source, None, target)

    with monkeypatch.context() as context:
        context.setattr(os, "link", link)
        with pytest.raises(RefusedError, match="permission denied"):
            hardlink(photos)

    assert take_back() == []
    assert snapshot(photos) == before


@pytest.mark.parametrize("name", ["a.jpg", "b/a.jpg"])
def test_a_file_that_changes_at_the_last_moment_is_not_replaced(
    photos: Path, take_back: Undo, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    link = os.link

    def meanwhile(source: str, target: str) -> None:
        link(source, target)
        (photos / name).write_bytes(b"something new")

    with monkeypatch.context() as context:
        context.setattr(os, "link", meanwhile)
        with pytest.raises(RefusedError, match="changed since"):
            hardlink(photos)

    assert names(photos) == ["a.jpg", "a.xmp", "b/a.jpg"]
    assert (photos / name).read_bytes() == b"something new"
    assert take_back() == []
    assert not (photos / "b" / "a.jpg").samefile(photos / "a.jpg")


# --- moves and the trash


def test_files_move_between_folders_of_several_roots(photos: Path, take_back: Undo) -> None:
    before, other, file = snapshot(photos), photos.parent / "other", photos / "b" / "a.jpg"
    with changing(photos, other) as changes:
        assert changes.move(str(file), str(other / "x" / "y" / "a.jpg"), look(str(file)))
        assert changes.move(
            str(photos / "a.xmp"), str(photos / "kept" / "a.xmp"), look(str(photos / "a.xmp"))
        )
    assert names(other) == ["x/y/a.jpg"]
    assert names(photos) == ["a.jpg", "kept/a.xmp"]

    take_back()

    assert snapshot(photos) == before
    assert not other.exists()


def test_a_name_that_is_taken_is_left_and_another_can_be_tried(
    photos: Path, take_back: Undo
) -> None:
    before, file = snapshot(photos), photos / "b" / "a.jpg"

    with changing(photos) as changes:
        assert not changes.move(str(file), str(photos / "a.jpg"), look(str(file)))
        assert changes.move(str(file), str(photos / "a (2).jpg"), look(str(file)))
        with pytest.raises(RefusedError, match="was changed by this run already"):
            changes.move(
                str(photos / "a (2).jpg"),
                str(photos / "c.jpg"),
                look(str(photos / "a (2).jpg")),
            )
        # Where a file has left, nothing else may come: undo would find the old place taken.
        assert not changes.move(str(photos / "a.jpg"), str(file), look(str(photos / "a.jpg")))

    assert names(photos) == ["a (2).jpg", "a.jpg", "a.xmp"]
    take_back()
    assert snapshot(photos) == before


def test_what_takes_a_name_at_the_last_moment_is_left_by_the_undo_too(
    photos: Path, take_back: Undo, monkeypatch: pytest.MonkeyPatch
) -> None:
    move, file, target = transfer.move, photos / "a.jpg", photos / "c.jpg"

    def meanwhile(*arguments: Any) -> None:
        target.write_bytes(b"picture")  # the same in every byte, and yet somebody else's
        move(*arguments)

    with changing(photos) as changes, monkeypatch.context() as context:
        context.setattr(transfer, "move", meanwhile)
        assert not changes.move(str(file), str(target), look(str(file)))

    assert take_back() == []
    assert names(photos) == ["a.jpg", "a.xmp", "b/a.jpg", "c.jpg"]


def test_a_file_that_another_program_takes_at_the_last_moment_leaves_nothing_at_its_new_name(
    photos: Path, take_back: Undo, monkeypatch: pytest.MonkeyPatch
) -> None:
    check, file, elsewhere = transfer.check_unchanged, photos / "a.jpg", photos.parent / "a.jpg"

    def meanwhile(*arguments: Any) -> None:
        check(*arguments)
        file.rename(elsewhere)

    with changing(photos) as changes, monkeypatch.context() as context:
        context.setattr(transfer, "check_unchanged", meanwhile)
        with pytest.raises(RefusedError, match="no such file"):
            changes.move(str(file), str(photos / "c.jpg"), look(str(file)))

    assert names(photos) == ["a.xmp", "b/a.jpg"]
    take_back()
    assert names(photos) == ["a.xmp", "b/a.jpg"]
    assert elsewhere.read_bytes() == b"picture"


def test_content_that_is_not_what_was_decided_upon_stays(photos: Path) -> None:
    file = photos / "a.jpg"

    with changing(photos) as changes, pytest.raises(RefusedError, match="changed since"):
        changes.move(str(file), str(photos / "c.jpg"), look(str(file)), sha256="0" * 64)

    assert file.exists()


def test_a_note_that_is_there_is_left_and_so_is_the_file(photos: Path, take_back: Undo) -> None:
    trash, file = photos.parent / "trash", photos / "a.jpg"
    (trash / "info").mkdir(parents=True)
    (trash / "info" / "a.jpg.trashinfo").write_text("of another", encoding="utf-8")
    before = snapshot(photos)

    def put(changes: Changes, name: str) -> bool:
        note = (str(trash / "info" / f"{name}.trashinfo"), "[Trash Info]\n")
        return changes.trash(str(file), str(trash / "files" / name), note, look(str(file)))

    with changing(photos, trash) as changes:
        assert not put(changes, "a.jpg")
        assert put(changes, "a.2.jpg")

    assert names(trash) == ["files/a.2.jpg", "info/a.2.jpg.trashinfo", "info/a.jpg.trashinfo"]
    take_back()
    assert snapshot(photos) == before
    assert names(trash) == ["info/a.jpg.trashinfo"]


def test_no_note_is_left_of_a_file_that_stays(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trash, file = photos.parent / "trash", photos / "a.jpg"
    note = (str(trash / "info" / "a.jpg.trashinfo"), "[Trash Info]\n")

    def replace(source: str, target: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", source)

    with changing(photos, trash) as changes, monkeypatch.context() as context:
        context.setattr(os, "replace", replace)
        with pytest.raises(RefusedError, match="permission denied"):
            changes.trash(str(file), str(trash / "files" / "a.jpg"), note, look(str(file)))

    assert names(trash) == []
    assert file.exists()


def test_what_was_thrown_out_of_the_trash_is_told(photos: Path, take_back: Undo) -> None:
    trash, file = photos.parent / "trash", photos / "a.jpg"
    note = (str(trash / "info" / "a.jpg.trashinfo"), "[Trash Info]\n")
    with changing(photos, trash) as changes:
        assert changes.trash(str(file), str(trash / "files" / "a.jpg"), note, look(str(file)))
    (trash / "files" / "a.jpg").unlink()
    (trash / "info" / "a.jpg.trashinfo").unlink()

    assert [entry.refusal for entry in take_back()] == ["is gone"]


# --- the journal and the command


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="names of handles as on Linux")
def test_each_step_and_what_it_keeps_is_on_the_disk_before_it_is_taken(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trash = photos.parent / "trash"
    a, copy, sidecar = (str(photos / name) for name in ("a.jpg", "b/a.jpg", "a.xmp"))
    with changing(photos, trash) as changes, watched(monkeypatch) as events:
        changes.rewrite(sidecar, b"<new/>", look(sidecar))
        changes.hardlink(copy, a, look(copy), look(a))
        changes.rewrite(str(photos / "b" / "c.xmp"), b"<new/>", None)
        changes.make_folder(str(trash / "files"))
        journal = str(changes.path)

    acts = [i for i, (act, _) in enumerate(events) if act in ("replace", "link", "mkdir")]
    assert len(acts) >= 5
    synced = [{path for act, path in events[:i] if act == "fsync"} for i in acts]
    for i, before in zip(acts, synced, strict=True):
        act, path = events[i]
        if act != "replace":
            assert events[i - 1] == ("fsync", journal), events[i]
        elif ".clipcli-" in path and path not in {e[1] for e in events if e[0] == "link"}:
            assert path in before, "what replaces a file"
    assert events[acts[0]][0] == "mkdir"  # of the store
    assert any(path.endswith(".kept/1") for path in synced[1]), "what a file held"


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str]]]:
    """Note what is written out and what is done to which file, in order."""
    events: list[tuple[str, str]] = []
    fsync = os.fsync

    def noted_fsync(handle: int) -> None:
        events.append(("fsync", str(Path(f"/proc/self/fd/{handle}").readlink())))
        fsync(handle)

    def noted(name: str, at: int) -> Callable[..., None]:
        act = getattr(os, name)

        def call(*arguments: Any) -> None:
            events.append((name, str(arguments[at])))
            act(*arguments)

        return call

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", noted_fsync)
        for name, at in (("replace", 0), ("link", 1), ("mkdir", 0)):
            patched.setattr(os, name, noted(name, at))
        yield events


@pytest.mark.parametrize(
    ("do", "change"),
    [
        ("rewrite", {"to_root": 2}),
        ("rewrite", {"to": "../a.xmp"}),
        ("rewrite", {"beside": "a.jpg"}),
        ("rewrite", {"beside": "../.clipcli-0123456789abcdef"}),
        ("rewrite", {"new_sha256": "x"}),
        ("rewrite", {"new_size": -1}),
        ("rewrite", {"sha256": ""}),
        ("relink", {"beside": ""}),
        ("relink", {"from_root": -1}),
        ("trash", {"note": "/etc/passwd"}),
        ("trash", {"note": "../../a.trashinfo"}),
        ("trash", {"note": "info/a.jpg"}),
        ("trash", {"note_text": "root:x:0:0"}),
        ("trash", {"note_text": None}),
    ],
)
def test_a_tampered_step_is_passed_over(photos: Path, do: str, change: dict[str, Any]) -> None:
    trash, path = photos.parent / "trash", photos / "b" / "a.jpg"
    note = (str(trash / "info" / "a.jpg.trashinfo"), "[Trash Info]\n")
    with changing(photos, trash) as changes:
        changes.rewrite(str(photos / "a.xmp"), b"<new/>", look(str(photos / "a.xmp")))
        if do == "relink":
            kept = str(photos / "a.jpg")
            changes.hardlink(str(path), kept, look(str(path)), look(kept))
        else:
            changes.trash(str(path), str(trash / "files" / "a.jpg"), note, look(str(path)))
    tampered = journals()[-1]
    records = [json.loads(line) for line in tampered.read_text("ascii").splitlines()]
    next(record for record in records if record.get("do") == do).update(change)
    tampered.write_text("".join(json.dumps(record) + "\n" for record in records), "ascii")

    with open_journal(tampered) as journal:
        log = journal.read()

    assert len(log.problems) == 1
    assert do not in [step.action for step in log.steps]


@pytest.mark.parametrize(
    "change",
    [{"roots": []}, {"roots": ["a"]}, {"roots": ["/a/../b"]}, {"roots": 5}, {"command": "X\n"}],
)
def test_a_head_that_is_none_is_called_so(photos: Path, change: dict[str, Any]) -> None:
    rewrite(photos / "a.xmp", b"<new/>")
    path = journals()[-1]
    lines = path.read_text("ascii").splitlines()
    lines[0] = json.dumps(json.loads(lines[0]) | change)
    path.write_text("\n".join(lines) + "\n", "ascii")

    with open_journal(path) as journal, pytest.raises(InputError, match="is not a journal"):
        journal.read()


def test_a_look_at_what_undo_would_do_changes_nothing(photos: Path) -> None:
    rewrite(photos / "a.xmp", b"<new/>")
    before = snapshot(photos)

    with open_journal(journals()[-1]) as journal:
        plan = plan_undo(journal.read())

    assert [entry.how for entry in plan] == ["restore"]
    assert snapshot(photos) == before


def test_undo_says_which_command_it_takes_back(
    photos: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(photos)
    path, kept = photos / "b" / "a.jpg", photos / "a.jpg"
    with changing(photos) as changes:
        changes.rewrite(str(photos / "a.xmp"), b"<new/>", look(str(photos / "a.xmp")))
        changes.rewrite(str(photos / "c.xmp"), b"<new/>", None)
        changes.hardlink(str(path), str(kept), look(str(path)), look(str(kept)))

    code = run(["undo", "--yes"])
    out, err = capfd.readouterr()

    assert code == 0
    assert out.splitlines() == [
        f"{path}\trestored\t",
        f"{photos / 'c.xmp'}\tremoved\t",
        f"{photos / 'a.xmp'}\trestored\t",
    ]
    assert f"the tag of {changes.path.name[:4]}-" in err
    assert f"UTC, in {photos}" in err
    assert "2 files to be made what they were before" in err
    assert "1 new file to be removed" in err
    assert snapshot(photos) == before


def test_an_undo_that_was_refused_can_be_had_later(photos: Path, take_back: Undo) -> None:
    rewrite(photos / "a.xmp", b"<new/>")
    (photos / "a.xmp").write_bytes(b"<mine/>")
    take_back()
    (photos / "a.xmp").write_bytes(b"<new/>")

    with open_journal(journals()[-1]) as journal:
        undone = list(undo(journal.read(), journal))

    assert [entry.how for entry in undone] == ["restore"]
    assert (photos / "a.xmp").read_bytes() == b"<old/>"
