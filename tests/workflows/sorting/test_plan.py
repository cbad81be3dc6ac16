"""The plan: which file goes where, under which name, and which stays."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from clipcli.errors import InputError, OutputError, OutputExistsError, UsageError
from clipcli.images.companions import Companions
from clipcli.images.find import ImageFile
from clipcli.results import Skipped
from clipcli.workflows.journal.filestate import FileState, look
from clipcli.workflows.journal.records import Action, Places
from clipcli.workflows.sorting.inputs import InputWatch, open_places
from clipcli.workflows.sorting.pattern import read_pattern
from clipcli.workflows.sorting.plan import Left, Plan, Planner
from clipcli.workflows.sorting.report import SortLines, locked_folders, plan_facts
from clipcli.workflows.sorting.rules import Rules
from tests.workflows.sorting.trees import classified, save_dated


def plan_for(
    source: Path,
    into: Path,
    *names: str,
    with_companions: bool = False,
    action: Action = "move",
    **rules: Any,
) -> Plan:
    """Plan for pictures that are all cats, and are there."""
    for name in names:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        if not (source / name).exists():
            (source / name).write_bytes(b"picture")
    states = {name: look(str(source / name)) for name in names}
    places = Places(os.path.realpath(source), os.path.realpath(into))
    companions = Companions(places.source) if with_companions else None
    planner = Planner(
        places, Rules({"cat": "cat"}, **rules), states, action=action, companions=companions
    )
    for name in names:
        planner.add(name, classified(name, "cat"))
    return planner.plan


def targets(plan: Plan) -> dict[str, str]:
    return {member.path: f"{group.folder}/{group.name(member)}" for group, member in plan.members()}


def test_pictures_of_one_name_get_numbers(tree: Path, tmp_path: Path) -> None:
    plan = plan_for(tree, tmp_path / "to", "IMG.jpg", "a/IMG.jpg", "b/img.JPG", "IMG.png")

    assert targets(plan) == {
        "IMG.jpg": "cat/IMG.jpg",
        "a/IMG.jpg": "cat/IMG (2).jpg",
        "b/img.JPG": "cat/img (3).JPG",  # somewhere, case does not count
        "IMG.png": "cat/IMG.png",
    }


def test_names_that_are_taken_in_dir_are_left_to_who_has_them(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "to" / "cat").mkdir(parents=True)
    (tmp_path / "to" / "cat" / "IMG.JPG").write_bytes(b"")
    (tmp_path / "to" / "cat" / "IMG (2).jpg").mkdir()

    plan = plan_for(tree, tmp_path / "to", "IMG.jpg")

    assert targets(plan) == {"IMG.jpg": "cat/IMG (3).jpg"}


def test_companions_follow_and_keep_step_with_their_picture(tree: Path, tmp_path: Path) -> None:
    followers = ["IMG.xmp", "IMG.jpg.xmp", "IMG.MOV", "IMG.AAE", "IMG.jpg.json", "other.xmp"]
    for name in [*followers, "IMG.CR2", "IMG.jpg.supplemental-metadata.json", "IMG.txt"]:
        (tree / name).write_bytes(b"companion")
    (tmp_path / "to" / "cat").mkdir(parents=True)
    (tmp_path / "to" / "cat" / "IMG.mov").write_bytes(b"")  # one name taken counts for all

    plan = plan_for(tree, tmp_path / "to", "IMG.jpg", with_companions=True)

    assert targets(plan) == {
        "IMG.jpg": "cat/IMG (2).jpg",
        "IMG.jpg.json": "cat/IMG (2).jpg.json",
        "IMG.jpg.supplemental-metadata.json": "cat/IMG (2).jpg.supplemental-metadata.json",
        "IMG.jpg.xmp": "cat/IMG (2).jpg.xmp",
        "IMG.AAE": "cat/IMG (2).AAE",
        "IMG.CR2": "cat/IMG (2).CR2",
        "IMG.MOV": "cat/IMG (2).MOV",
        "IMG.xmp": "cat/IMG (2).xmp",
    }
    assert len(list(plan.companions())) == 7


def test_companions_of_one_picture_do_not_come_to_lie_beside_another(
    tree: Path, tmp_path: Path
) -> None:
    for name in ("b/IMG.mov", "c/x.xmp"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(b"companion")
    (tmp_path / "to" / "cat").mkdir(parents=True)
    (tmp_path / "to" / "cat" / "x.jpg").write_bytes(b"of an earlier sort")

    plan = plan_for(
        tree, tmp_path / "to", "a/IMG.jpg", "a/IMG.png", "b/IMG.heic", "c/x.png", "d/y.jpg",
        "e/y.png", with_companions=True,
    )  # fmt: skip

    assert targets(plan) == {
        "a/IMG.jpg": "cat/IMG.jpg",
        "a/IMG.png": "cat/IMG.png",
        "b/IMG.heic": "cat/IMG (2).heic",
        "b/IMG.mov": "cat/IMG (2).mov",
        "c/x.png": "cat/x (2).png",
        "c/x.xmp": "cat/x (2).xmp",
        "d/y.jpg": "cat/y.jpg",
        "e/y.png": "cat/y.png",
    }


def test_a_copy_that_got_a_number_for_its_companion_s_sake_is_found_again(
    tree: Path, tmp_path: Path
) -> None:
    cat = tmp_path / "to" / "cat"
    cat.mkdir(parents=True)
    (cat / "IMG.jpg").write_bytes(b"another picture")
    (tree / "IMG.mov").write_bytes(b"companion")
    first = plan_for(tree, tmp_path / "to", "IMG.png", with_companions=True, action="copy")
    for path, target in targets(first).items():
        (tmp_path / "to" / target).write_bytes((tree / path).read_bytes())

    second = plan_for(tree, tmp_path / "to", "IMG.png", with_companions=True, action="copy")

    assert targets(first)["IMG.png"] == "cat/IMG (2).png"
    assert (second.groups, second.n_in_place) == ([], 1)


def test_companions_stay_where_nobody_wants_them(tree: Path, tmp_path: Path) -> None:
    (tree / "IMG.xmp").write_bytes(b"companion")

    plan = plan_for(tree, tmp_path / "to", "IMG.jpg")

    assert list(targets(plan)) == ["IMG.jpg"]


def test_two_companions_that_are_one_name_to_some_systems_are_not_put_together(
    tree: Path, tmp_path: Path
) -> None:
    (tree / "IMG.XMP").write_bytes(b"one")
    (tree / "IMG.xmp").write_bytes(b"two")
    if len(list(tree.iterdir())) == 1:
        pytest.skip("this file system takes them for one")

    plan = plan_for(tree, tmp_path / "to", "IMG.jpg", with_companions=True)

    assert list(targets(plan)) == ["IMG.jpg", "IMG.XMP"]
    assert plan.left == [Left("IMG.xmp", "another file beside it has its name on some systems")]


def test_a_takeout_name_that_was_cut_stays_as_it_is(tree: Path, tmp_path: Path) -> None:
    picture, note = "original_0a1b2c3d-4e5f-6789-abcd-ef0123456789_PXL.jpg", ""
    note = picture[:46] + ".json"
    (tree / note).write_bytes(b"{}")

    kept = plan_for(tree, tmp_path / "to", picture, with_companions=True)
    renamed = plan_for(
        tree, tmp_path / "to", picture, with_companions=True, pattern=read_pattern("{label}")
    )

    assert targets(kept)[note] == f"cat/{note}"
    assert targets(renamed) == {picture: "cat/cat.jpg", note: "cat/cat.jpg.json"}


def test_folders_are_kept_below_the_label(tree: Path, tmp_path: Path) -> None:
    plan = plan_for(tree, tmp_path / "to", "a.jpg", "b/c/a.jpg", "B/c/A.jpg", keep_folders=True)

    assert targets(plan) == {
        "a.jpg": "cat/a.jpg",
        "b/c/a.jpg": "cat/b/c/a.jpg",
        "B/c/A.jpg": "cat/B/c/A (2).jpg",  # somewhere, that is the same folder
    }
    assert plan.counts() == {"cat": 3}


def test_a_file_and_a_folder_of_one_name_do_not_meet(tree: Path, tmp_path: Path) -> None:
    plan = plan_for(tree, tmp_path / "to", "X", "x/a.jpg", keep_folders=True)

    assert targets(plan) == {"X": "cat/X"}
    assert plan.left == [Left("x/a.jpg", "a file is to have the name of its folder, cat/x")]


def test_pictures_are_renamed_with_all_that_follows_them(tree: Path, tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        save_dated(tree / name, "2023:07:14 18:05:59" if name != "c.jpg" else "")
    for name in ("a.xmp", "a.jpg.xmp", "b.CR2", "c.mov"):
        (tree / name).write_bytes(b"companion")

    plan = plan_for(
        tree,
        tmp_path / "to",
        *("a.jpg", "b.jpg", "c.jpg"),
        with_companions=True,
        pattern=read_pattern("{date}_{label}"),
        by="label/year",
    )

    assert targets(plan) == {
        "a.jpg": "cat/2023/2023-07-14_cat.jpg",
        "a.jpg.xmp": "cat/2023/2023-07-14_cat.jpg.xmp",
        "a.xmp": "cat/2023/2023-07-14_cat.xmp",
        "b.jpg": "cat/2023/2023-07-14_cat (2).jpg",
        "b.CR2": "cat/2023/2023-07-14_cat (2).CR2",
        "c.jpg": "cat/undated/c.jpg",
        "c.mov": "cat/undated/c.mov",
    }
    assert list(plan_facts(plan)) == [
        "3 pictures take 4 companions along (raw photographs, videos, sidecars)",
        "1 picture has no EXIF date: into 'undated', named as before",
    ]


def test_a_long_name_leaves_room_for_endings_and_numbers(tree: Path, tmp_path: Path) -> None:
    names = ["n" * 240 + ".jpg", "N" * 240 + ".jpeg"]
    (tree / ("n" * 240 + ".jpg.xmp")).write_bytes(b"companion")

    plan = plan_for(
        tree,
        tmp_path / "to",
        *names,
        with_companions=True,
        pattern=read_pattern("{label}_{name}_{name}"),
    )

    assert len(targets(plan)) == 3
    assert max(len(Path(target).name) for target in targets(plan).values()) <= 255
    assert len({Path(target).name.casefold() for target in targets(plan).values()}) == 3


def test_what_cannot_leave_its_folder_is_told_in_a_line(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: "locked" not in str(path) and real(path, mode)
    )
    locked = ("locked/a.jpg", "locked/c.jpg", "locked/d/e.jpg")

    moved = plan_for(tree, tmp_path / "to", *locked, "b.jpg")
    copied = plan_for(tree, tmp_path / "to", *locked, "b.jpg", action="copy")

    assert targets(moved) == {"b.jpg": "cat/b.jpg"}
    assert locked_folders(moved, SortLines("photos", "to", moved)) == (
        "left 3 pictures: photos/locked, photos/locked/d are read-only, so that they can be "
        "copied but not moved"
    )
    assert len(targets(copied)) == 4


def test_what_could_not_be_read_stays_with_the_reason(tree: Path, tmp_path: Path) -> None:
    planner = Planner(Places(str(tree), str(tmp_path / "to")), Rules({}), {})

    planner.add("a.jpg", Skipped("photos/a.jpg", "truncated JPEG"))

    assert planner.plan.skipped == [Left("a.jpg", "truncated JPEG")]
    assert planner.plan.groups == []


def test_a_picture_that_is_in_its_folder_already_stays(tmp_path: Path) -> None:
    source = tmp_path / "to" / "cat"  # SOURCE inside of DIR

    plan = plan_for(source, tmp_path / "to", "a.jpg", "deeper/b.jpg")

    assert targets(plan) == {"deeper/b.jpg": "cat/b.jpg"}
    assert plan.n_in_place == 1


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_folder_whose_name_something_else_has_is_refused(
    tree: Path, tmp_path: Path, kind: str
) -> None:
    (tmp_path / "to").mkdir()
    if kind == "file":
        (tmp_path / "to" / "cat").write_bytes(b"")
    else:
        (tmp_path / "to" / "cat").symlink_to(tmp_path)

    with pytest.raises(OutputExistsError, match="is there and is not a folder"):
        plan_for(tree, tmp_path / "to", "a.jpg")


def test_pictures_that_lie_in_dir_are_sorted_already(tree: Path) -> None:
    for name in ("a.jpg", "sorted/cat/b.jpg", "sorted2/c.jpg"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(b"")
    watched = InputWatch(str(tree), open_places(tree, tree / "sorted"))
    found = [ImageFile(str(tree / x)) for x in ("a.jpg", "sorted/cat/b.jpg", "sorted2/c.jpg")]

    kept = list(watched.watch(found))

    assert kept == [found[0], found[2]]
    assert (watched.n_inside, list(watched.states)) == (1, ["a.jpg", "sorted2/c.jpg"])


def test_a_picture_that_vanishes_while_it_is_found_is_skipped(tree: Path, tmp_path: Path) -> None:
    watched = InputWatch(str(tree), open_places(tree, tmp_path / "to"))

    kept = list(watched.watch([ImageFile(str(tree / "gone.jpg"))]))

    assert kept == [Skipped(str(tree / "gone.jpg"), "no such file or folder")]


def test_source_has_to_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(InputError, match="no such folder"):
        open_places(tmp_path / "nowhere", tmp_path / "to")
    with pytest.raises(InputError, match="is not a folder"):
        open_places(tmp_path / "file", tmp_path / "to")


def test_dir_has_to_be_another_folder_whose_parent_is_there(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "again").symlink_to(tree)

    with pytest.raises(UsageError, match="is SOURCE itself"):
        open_places(tree, tmp_path / "again")
    with pytest.raises(OutputExistsError, match="is not a folder"):
        open_places(tree, tmp_path / "file")
    with pytest.raises(OutputError, match="does not exist"):
        open_places(tree, tmp_path / "no" / "where")


def test_a_state_knows_the_file_again_but_not_a_written_one(tree: Path) -> None:
    path = tree / "a.jpg"
    path.write_bytes(b"1")
    before = look(str(path))

    path.chmod(0o600)
    assert before.is_same(look(str(path)))
    path.write_bytes(b"2")
    os.utime(path, ns=(0, before.mtime_ns + 1))

    assert not before.is_same(look(str(path)))
    assert isinstance(before, FileState)
