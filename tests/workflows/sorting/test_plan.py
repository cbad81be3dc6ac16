"""The plan: which file goes where, under which name, and which stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clipcli.errors import InputError, OutputError, OutputExistsError, UsageError
from clipcli.images.find import ImageFile
from clipcli.results import Classified, LabelScore, Skipped
from clipcli.workflows.journal.filestate import FileState, look
from clipcli.workflows.journal.records import Places
from clipcli.workflows.sorting.inputs import InputWatch, open_places
from clipcli.workflows.sorting.plan import Left, Plan, Planner, Rules
from tests.workflows.sorting.trees import classified


def plan_for(
    source: Path, into: Path, *names: str, margin: float = 0.0, with_sidecars: bool = False
) -> Plan:
    """Plan for pictures that are all cats, and are there."""
    for name in names:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(b"picture")
    states = {name: look(str(source / name)) for name in names}
    rules = Rules({"cat": "cat", "dog": "dog"}, "_unsure", margin)
    places = Places(os.path.realpath(source), os.path.realpath(into))
    planner = Planner(places, rules, states, with_sidecars=with_sidecars)
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


def test_sidecars_follow_and_keep_step_with_their_picture(tree: Path, tmp_path: Path) -> None:
    followers = ["IMG.xmp", "IMG.jpg.xmp", "IMG.MOV", "IMG.AAE", "IMG.jpg.json", "other.xmp"]
    for name in [*followers, "IMG.jpg.supplemental-metadata.json", "IMG.txt"]:
        (tree / name).write_bytes(b"sidecar")
    (tmp_path / "to" / "cat").mkdir(parents=True)
    (tmp_path / "to" / "cat" / "IMG.mov").write_bytes(b"")  # one name taken counts for all

    plan = plan_for(tree, tmp_path / "to", "IMG.jpg", "IMG.png", with_sidecars=True)

    assert targets(plan) == {
        "IMG.jpg": "cat/IMG (2).jpg",
        "IMG.jpg.json": "cat/IMG (2).jpg.json",
        "IMG.jpg.supplemental-metadata.json": "cat/IMG (2).jpg.supplemental-metadata.json",
        "IMG.jpg.xmp": "cat/IMG (2).jpg.xmp",
        "IMG.AAE": "cat/IMG (2).AAE",
        "IMG.MOV": "cat/IMG (2).MOV",
        "IMG.xmp": "cat/IMG (2).xmp",
        "IMG.png": "cat/IMG.png",
    }


def test_sidecars_stay_unless_they_are_asked_for(tree: Path, tmp_path: Path) -> None:
    (tree / "IMG.xmp").write_bytes(b"sidecar")

    plan = plan_for(tree, tmp_path / "to", "IMG.jpg")

    assert list(targets(plan)) == ["IMG.jpg"]


def test_a_sidecar_that_is_a_link_stays_and_is_told_of(tree: Path, tmp_path: Path) -> None:
    (tree / "IMG.xmp").symlink_to("elsewhere.xmp")

    plan = plan_for(tree, tmp_path / "to", "IMG.jpg", with_sidecars=True)

    assert list(targets(plan)) == ["IMG.jpg"]
    assert plan.left == [Left("IMG.xmp", "a symbolic link")]


def test_what_no_label_is_sure_for_goes_to_the_unsure_folder() -> None:
    rules = Rules({"cat": "cat"}, "_unsure", margin=0.15)

    def folder(first: float, second: float, decision: str = "label") -> str:
        top = (LabelScore("cat", first, 0.3), LabelScore("dog", second, 0.3))
        return rules.folder(Classified("x", top, decision))  # type: ignore[arg-type]

    assert folder(0.5, 0.3) == "cat"
    assert folder(0.5, 0.4) == "_unsure"
    assert folder(0.5, 0.3, "below_threshold") == "_unsure"
    assert folder(0.5, 0.3, "rejected") == "_unsure"


def test_one_label_alone_has_nothing_to_be_close_to() -> None:
    rules = Rules({"cat": "cat"}, "_unsure", margin=0.5)

    assert rules.folder(Classified("x", (LabelScore("cat", 1.0, 0.3),))) == "cat"


def test_what_could_not_be_read_stays_with_the_reason(tree: Path, tmp_path: Path) -> None:
    planner = Planner(Places(str(tree), str(tmp_path / "to")), Rules({}, "_unsure"), {})

    planner.add("a.jpg", Skipped("photos/a.jpg", "truncated JPEG"))

    assert planner.plan.left == [Left("a.jpg", "truncated JPEG")]
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
