"""The trash: laid out as the FreeDesktop.org specification 1.0 says, and as GIO and trash-cli do.

https://specifications.freedesktop.org/trash-spec/1.0/
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest

from clipcli.errors import UsageError
from clipcli.workflows.journal import trash
from clipcli.workflows.journal.changes import begun_changes
from clipcli.workflows.journal.filestate import RefusedError, look
from tests.workflows.sorting.conftest import SHARED_MEMORY, Undo
from tests.workflows.sorting.trees import names, snapshot

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a trash of Linux desktops")
WHEN = datetime(2004, 8, 31, 22, 32, 8)  # noqa: DTZ001 - of the specification's example
ODD_NAMES = ["ä b%c+&ü #1.jpg", "(;:@&=+$,!~*'.jpg", "a\nb.jpg", os.fsdecode(b"\xff\xfe.jpg")]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where the user's data is, which is not there yet."""
    folder = tmp_path / "data"
    monkeypatch.setenv("XDG_DATA_HOME", str(folder))
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"picture")
    os.utime(folder / "a.jpg", ns=(10**18, 10**18))
    os.utime(folder, ns=(10**18, 10**18))
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on another file system, deep enough that it is not its top."""
    folder = SHARED_MEMORY / f"clipcli-test-{os.getpid()}"
    if not SHARED_MEMORY.is_dir() or SHARED_MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system to be had")
    (folder / "photos").mkdir(parents=True)
    (folder / "photos" / "a b.jpg").write_bytes(b"picture")
    yield folder / "photos"
    shutil.rmtree(folder)


def put(*paths: Path) -> list[str]:
    folders = {path: trash.trash_for(str(path)) for path in paths}
    roots = [str(path.parent) for path in paths] + [each.root for each in folders.values()]
    with begun_changes("dedup", roots) as changes:
        return [
            trash.put(changes, folders[path], str(path), look(str(path)), now=lambda: WHEN)
            for path in paths
        ]


def test_a_file_lies_where_the_specification_says(
    photos: Path, data: Path, take_back: Undo
) -> None:
    before = snapshot(photos)

    put(photos / "a.jpg")

    assert names(data) == ["Trash/files/a.jpg", "Trash/info/a.jpg.trashinfo"]
    note = (data / "Trash" / "info" / "a.jpg.trashinfo").read_text(encoding="ascii")
    assert note.splitlines() == [
        "[Trash Info]",
        f"Path={photos}/a.jpg",
        "DeletionDate=2004-08-31T22:32:08",
    ]
    for folder in ("Trash", "Trash/files", "Trash/info"):
        assert stat.S_IMODE((data / folder).stat().st_mode) == 0o700
    take_back()
    assert snapshot(photos) == before
    assert not data.exists()


def test_names_that_are_taken_are_counted_and_long_ones_cut(
    photos: Path, data: Path, take_back: Undo
) -> None:
    long = "x" * 251 + ".jpg"
    for name in ("b/a.jpg", "c/a.jpg", f"b/{long}", f"c/{long}"):
        (photos / name).parent.mkdir(exist_ok=True)
        (photos / name).write_bytes(b"picture")
    before = snapshot(photos)

    put(*(photos / name for name in ("a.jpg", "b/a.jpg", "c/a.jpg", f"b/{long}", f"c/{long}")))

    assert [name for name in names(data) if "xx" not in name] == [
        "Trash/files/a.2.jpg",
        "Trash/files/a.3.jpg",
        "Trash/files/a.jpg",
        "Trash/info/a.2.jpg.trashinfo",
        "Trash/info/a.3.jpg.trashinfo",
        "Trash/info/a.jpg.trashinfo",
    ]
    assert len(names(data)) == 10
    take_back()
    assert snapshot(photos) == before


@pytest.mark.skipif(not shutil.which("gio"), reason="needs gio")
@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_note_says_what_gio_says(
    name: str, photos: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, theirs = photos / name, data.with_name("theirs")
    path.write_bytes(b"picture")
    monkeypatch.setenv("XDG_DATA_HOME", str(theirs))
    finished = subprocess.run(["gio", "trash", str(path)], capture_output=True, check=False)
    if finished.returncode:
        pytest.skip("gio has no trash here")
    path.write_bytes(b"picture")
    monkeypatch.setenv("XDG_DATA_HOME", str(data))

    put(path)

    assert names(data) == names(theirs)
    (note,), (expected,) = (
        [each.read_text("ascii").splitlines() for each in folder.glob("Trash/info/*")]
        for folder in (data, theirs)
    )
    # A few characters may stand as they are, or escaped.
    assert list(map(unquote_to_bytes, note[:2])) == list(map(unquote_to_bytes, expected[:2]))
    assert len(note[2]) == len(expected[2])


@pytest.mark.skipif(not shutil.which("trash-list"), reason="needs trash-cli")
def test_trash_cli_lists_and_restores_it(photos: Path, data: Path) -> None:
    put(photos / "a.jpg")

    listed = subprocess.run(["trash-list"], capture_output=True, text=True, check=True).stdout
    subprocess.run(["trash-restore", str(photos / "a.jpg")], input="0\n", text=True, check=True)

    assert f"2004-08-31 22:32:08 {photos}/a.jpg" in listed
    assert (photos / "a.jpg").read_bytes() == b"picture"
    assert names(data) == []


def test_another_file_system_has_a_trash_at_its_top(
    elsewhere: Path, data: Path, take_back: Undo
) -> None:
    mine = SHARED_MEMORY / f".Trash-{os.getuid()}"
    was_there = mine.exists()

    (target,) = put(elsewhere / "a b.jpg")
    note = mine / "info" / (Path(target).name + ".trashinfo")
    text = note.read_text("ascii")
    take_back()  # at once, so that nothing is left in the trash whatever comes

    assert target.startswith(f"{mine}/files/a b")
    # The specification: relative paths are from the directory that the trash is in.
    where = str((elsewhere / "a b.jpg").relative_to(SHARED_MEMORY)).replace(" ", "%20")
    assert text.splitlines()[1] == f"Path={where}"
    assert (elsewhere / "a b.jpg").read_bytes() == b"picture"
    assert not note.exists()
    assert mine.exists() == was_there


def test_an_administrators_trash_is_used_if_it_is_sticky_and_no_link(
    elsewhere: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared, mine = SHARED_MEMORY / ".Trash", str(SHARED_MEMORY / f".Trash-{os.getuid()}")
    if shared.exists():
        pytest.skip("there is one")
    found = []
    try:
        shared.mkdir()
        for mode in (0o777, 0o1777):
            shared.chmod(mode)
            found.append(trash.trash_for(str(elsewhere / "a b.jpg")).path)
        shared.rename(elsewhere / "real")
        shared.symlink_to(elsewhere / "real")
        found.append(trash.trash_for(str(elsewhere / "a b.jpg")).path)
    finally:
        shared.unlink() if shared.is_symlink() else shared.rmdir()

    assert found == [mine, str(shared / str(os.getuid())), mine]


def test_a_trash_that_is_a_link_or_cannot_be_made_is_refused(photos: Path, data: Path) -> None:
    data.mkdir()
    (data / "Trash").symlink_to(photos)
    with pytest.raises(RefusedError, match="is not a folder of yours"):
        trash.trash_for(str(photos / "a.jpg"))

    (data / "Trash").unlink()
    data.chmod(0o500)
    if not os.access(data, os.W_OK):
        with pytest.raises(RefusedError, match="there can be no trash"):
            trash.trash_for(str(photos / "a.jpg"))
    data.chmod(0o700)


def test_a_relative_data_folder_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    # The XDG base directories: all paths must be absolute, others are to be ignored.
    monkeypatch.setenv("XDG_DATA_HOME", "data")
    monkeypatch.setattr(Path, "home", lambda: Path("/home/somebody"))

    assert trash.home_trash() == "/home/somebody/.local/share/Trash"


def test_systems_that_do_not_tell_where_a_file_went_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trash.check_trash()
    monkeypatch.setattr("sys.platform", "darwin")

    with pytest.raises(UsageError, match="could not bring it back") as caught:
        trash.check_trash()
    assert "--move DIR" in (caught.value.hint or "")


def test_a_folder_that_is_gone_and_a_user_without_a_home_are_told(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RefusedError, match="no such file or folder"):
        trash.trash_for(str(photos / "gone" / "a.jpg"))

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(RefusedError, match="no home folder"):
        trash.trash_for(str(photos / "a.jpg"))
