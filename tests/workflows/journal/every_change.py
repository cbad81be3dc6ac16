"""Changes of every kind, and their undo, that die before any one of their calls to the system.

As ``tests/workflows/sorting/every_moment.py`` does for a sort; ``test_every_change`` runs it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clipcli.workflows.journal.changes import begun_changes
from clipcli.workflows.journal.filestate import look
from clipcli.workflows.journal.journal import journal_folder
from tests.workflows.sorting import every_moment
from tests.workflows.sorting.every_moment import dies_at, forget, moments, take_back
from tests.workflows.sorting.trees import names, snapshot

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a fork")
FILES = {
    "a.jpg": b"x" * 900,
    "a.xmp": b"<old/>",
    "b/c.jpg": b"z" * 70,
    "b/copy of c.jpg": b"z" * 70,
    "b/d/e.jpg": b"e" * 50,
}
NOTE = "[Trash Info]\nPath=/photos/b/d/e.jpg\nDeletionDate=2026-11-27T12:00:00\n"
KINDS = ("rewrite", "new", "move", "hardlink", "trash")


@pytest.fixture(params=["one", "two"])
def n_file_systems(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have files that leave their folder copied, as between two file systems, in one half."""
    if request.param == "two":
        part_folders(monkeypatch)


@pytest.fixture(params=[*KINDS, "move far", "trash far"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a kind of change; what moves may move between two file systems."""
    kind, _, is_far = request.param.partition(" ")
    if is_far:
        part_folders(monkeypatch)
    return str(kind)


def part_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no file renamed out of its folder."""
    replace = os.replace

    def replace_beside(source: str, target: str) -> None:
        if Path(source).parent != Path(target).parent:
            every_moment.across_file_systems(source, target)
        replace(source, target)

    monkeypatch.setattr(os, "replace", replace_beside)


@pytest.fixture
def photos(quick_folder: Path) -> Path:
    """Return a folder with pictures, one of them twice, and a sidecar."""
    folder = quick_folder / "photos"
    (folder / "b" / "d").mkdir(parents=True)
    for i, (name, content) in enumerate(FILES.items()):
        (folder / name).write_bytes(content)
        (folder / name).chmod((0o644, 0o640, 0o600)[i % 3])
        os.utime(folder / name, ns=(10**18, 10**18 + i))
    for path in (folder / "b" / "d", folder / "b", folder):
        os.utime(path, ns=(10**18, 10**18 + 7))
    return folder


def test_a_change_may_die_at_any_moment(photos: Path, kind: str) -> None:
    before = snapshot(photos)

    for k in moments(lambda: change(photos, kind)):
        check_taken_back(photos, before, f"call {k}")


def test_its_undo_may_die_at_any_moment(photos: Path, kind: str) -> None:
    before = snapshot(photos)

    def undo_anew() -> None:
        take_back()

    change(photos, kind)
    for k in moments(undo_anew):
        check_taken_back(photos, before, f"call {k}")
        change(photos, kind)


@pytest.mark.usefixtures("n_file_systems")
def test_all_changes_and_then_their_undo_may_die(photos: Path) -> None:
    before = snapshot(photos)

    for k in range(11, 150, 13):
        for j in range(1, 70, 6):
            dies_at(k, lambda: change(photos, *KINDS))
            dies_at(j, take_back)
            check_taken_back(photos, before, f"calls {k}, {j}")


def test_the_child_dies_where_it_is_told_to(photos: Path) -> None:
    deaths = 0
    for _ in moments(lambda: change(photos, *KINDS)):
        deaths += 1
        take_back()
        forget()

    assert deaths > 100  # or else the tests above try little
    assert names(photos.parent / "sorted") == ["2026/cat/a.jpg"]
    assert (photos / "a.xmp").read_bytes() == b"<new/>"
    assert (photos / "b" / "c.jpg").samefile(photos / "b" / "copy of c.jpg")


def check_taken_back(photos: Path, before: dict[str, object], when: str) -> None:
    assert not any(entry.refusal for entry in take_back()), when
    assert snapshot(photos) == before, when
    assert all(p.lstat().st_nlink == 1 for p in photos.rglob("*") if p.is_file()), when
    assert {path.name for path in photos.parent.iterdir()} - {"state"} == {"photos"}, when
    assert not list(journal_folder().glob("*.kept")), when
    forget()


def change(photos: Path, *kinds: str) -> None:
    into, trash = photos.parent / "sorted", photos.parent / "trash"
    a, c, e = photos / "a.jpg", photos / "b" / "c.jpg", photos / "b" / "d" / "e.jpg"
    copy = photos / "b" / "copy of c.jpg"
    with begun_changes("tag", map(str, (photos, into, trash))) as changes:
        if "rewrite" in kinds:
            sidecar = str(photos / "a.xmp")
            assert changes.rewrite(sidecar, b"<new/>", look(sidecar))
        if "new" in kinds:
            assert changes.rewrite(str(photos / "b" / "c.xmp"), b"<first/>", None)
        if "move" in kinds:
            assert changes.move(str(a), str(into / "2026" / "cat" / "a.jpg"), look(str(a)))
        if "hardlink" in kinds:
            changes.hardlink(str(copy), str(c), look(str(copy)), look(str(c)))
        if "trash" in kinds:
            note = (str(trash / "info" / "e.jpg.trashinfo"), NOTE)
            assert changes.trash(str(e), str(trash / "files" / "e.jpg"), note, look(str(e)))
