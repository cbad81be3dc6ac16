"""``clipcli dedup`` with something to do, and its undo, as a user meets them."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from clipcli.cli.app import run
from clipcli.workflows.audit import disposal
from clipcli.workflows.journal.journal import journals
from tests.fakes import FakeEncoder
from tests.workflows.audit.conftest import scene
from tests.workflows.sorting.conftest import SHARED_MEMORY
from tests.workflows.sorting.trees import names, snapshot

POSIX = pytest.mark.skipif(os.name != "posix", reason="a trash of Linux desktops")
HOUR_NS = 3600 * 10**9


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Cli = Callable[..., Outcome]


@pytest.fixture
def cli(
    fake_model: FakeEncoder,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Cli:
    """Return a function that runs the command line here, with arithmetic for a model."""
    monkeypatch.setenv("CLIPCLI_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))

    def call(*arguments: object) -> Outcome:
        code = run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Outcome(code, out, err)

    return call


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a folder of three pictures, one of them three times and one smaller as well.

    ``b/tree (1).png`` is the oldest of its bytes, ``a/cat.jpg`` is near ``b/cat.png``.
    """
    folder = tmp_path / "photos"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
    scene(1).save(folder / "b" / "tree (1).png")
    shutil.copy(folder / "b" / "tree (1).png", folder / "a" / "tree.png")
    shutil.copy(folder / "b" / "tree (1).png", folder / "b" / "tree.png")
    scene(2).save(folder / "b" / "cat.png")
    scene(2).save(folder / "a" / "cat.jpg", quality=90)
    scene(3).save(folder / "a" / "dog.png")
    for i, name in enumerate(
        ("b/tree (1).png", "a/tree.png", "b/tree.png", "b/cat.png", "a/cat.jpg", "a/dog.png")
    ):
        os.utime(folder / name, ns=(10**18, 10**18 + i * HOUR_NS))
    for path in (folder / "a", folder / "b", folder):
        os.utime(path, ns=(10**18, 10**18))
    return folder


ALL = ["a/cat.jpg", "a/dog.png", "a/tree.png", "b/cat.png", "b/tree (1).png", "b/tree.png"]
TREES = ("a/tree.png", "b/tree.png")  # spare


def without(*gone: str) -> list[str]:
    return [name for name in ALL if name not in gone]


# --- what is said


def test_every_format_says_which_is_kept_and_why(cli: Cli, photos: Path) -> None:
    table = cli("dedup", photos, "-q", "-f", "table").out
    rows = [line.split("\t") for line in cli("dedup", photos, "-q").out.splitlines()]
    told = json.loads(cli("dedup", photos, "-q", "--json").out)
    page = cli("dedup", photos, "-q", "-f", "html").out

    assert [(row[2], Path(row[3]).name, row[4]) for row in rows if row[0] == "1"] == [
        ("spare", "tree.png", "younger"),
        ("keep", "tree (1).png", "oldest"),
        ("spare", "tree.png", "younger"),
    ]
    exact, near = told["groups"]
    assert (exact["keep"], exact["why"]) == (str(photos / "b" / "tree (1).png"), "oldest")
    assert [each["why"] for each in exact["pictures"]] == ["younger", "oldest", "younger"]
    assert (near["keep"], near["why"]) == (str(photos / "b" / "cat.png"), "stored without loss")
    assert "6 pictures; 5 have copies, in 2 groups; 3 could go" in table
    assert f"keep   {photos}/b/tree (1).png  (oldest)" in table
    assert "stored without loss; 240 x 180" in page


def test_without_an_action_nothing_is_done_and_it_is_said_what_could_be(
    cli: Cli, photos: Path
) -> None:
    before = snapshot(photos)

    code, _, err = cli("dedup", photos)

    assert code == 0
    assert "2 spare copies with the same bytes; --trash, --move DIR or --hardlink" in err
    assert snapshot(photos) == before
    assert journals() == []


def test_a_dry_run_says_what_would_be_done(cli: Cli, photos: Path, tmp_path: Path) -> None:
    before = snapshot(photos)

    code, _, err = cli("dedup", photos, "--move", tmp_path / "spare", "--dry-run")

    assert code == 0
    assert "2 spare copies (0.0 MB) would be moved into" in err
    assert "nothing was done" in err
    assert snapshot(photos) == before
    assert not (tmp_path / "spare").exists()


def test_it_asks_where_nobody_answers_before_it_has_looked_at_a_picture(
    cli: Cli, photos: Path, fake_model: FakeEncoder
) -> None:
    code, out, err = cli("dedup", photos, "--hardlink")

    assert (code, out) == (2, "")
    assert "nobody is there to answer" in err
    assert "--yes" in err
    assert names(photos) == ALL


def test_a_question_is_asked_and_no_means_no(
    cli: Cli, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def refuse(text: str, **_: object) -> bool:
        asked.append(text)
        return False

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("typer.confirm", refuse)

    code = cli("dedup", photos, "--move", tmp_path / "spare").code

    assert asked == [f"move 2 spare copies (0.0 MB) into {tmp_path / 'spare'}?"]
    assert code != 0
    assert names(photos) == ALL
    assert journals() == []


# --- what is done


@POSIX
def test_exact_copies_go_to_the_trash_and_come_back(cli: Cli, photos: Path, tmp_path: Path) -> None:
    before = snapshot(photos)

    code, _, err = cli("dedup", photos, "--trash", "--yes")

    assert code == 0
    assert "2 files put into the trash; `clipcli undo` takes that back" in err
    assert names(photos) == without(*TREES)
    assert names(tmp_path / "data" / "Trash") == [
        "files/tree.2.png",
        "files/tree.png",
        "info/tree.2.png.trashinfo",
        "info/tree.png.trashinfo",
    ]
    undone = cli("undo", "--yes")
    assert undone.code == 0
    assert "the dedup of " in undone.err
    assert snapshot(photos) == before
    assert not (tmp_path / "data").exists()


@POSIX
def test_near_copies_go_only_if_that_is_said(cli: Cli, photos: Path) -> None:
    before = snapshot(photos)

    code, _, err = cli("dedup", photos, "--trash", "--near", "--yes")

    assert (code, names(photos)) == (0, without(*TREES, "a/cat.jpg"))
    assert "3 files" in err
    assert cli("undo", "--yes").code == 0
    assert snapshot(photos) == before


def test_copies_become_links_and_files_of_their_own_again(cli: Cli, photos: Path) -> None:
    before, kept = snapshot(photos), photos / "b" / "tree (1).png"

    code, _, err = cli("dedup", photos, "--hardlink", "--yes")
    again = cli("dedup", photos, "--hardlink", "--yes")

    assert code == again.code == 0
    assert "2 files replaced by hard links" in err
    assert all((photos / name).samefile(kept) for name in TREES)
    assert kept.stat().st_mtime_ns == 10**18
    assert "2 copies are hard links already" in again.err
    assert len(journals()) == 1
    assert cli("undo", "--yes").code == 0
    assert snapshot(photos) == before
    assert kept.stat().st_nlink == 1


def test_copies_move_with_their_folders_and_what_belongs_to_them(
    cli: Cli, photos: Path, tmp_path: Path
) -> None:
    spare = tmp_path / "spare"
    for name in ("a/tree.xmp", "b/tree (1).xmp", "b/tree.png.xmp"):
        (photos / name).write_bytes(name.encode())
    (spare / "b").mkdir(parents=True)
    (spare / "b" / "tree.png").write_bytes(b"was there")
    before = snapshot(photos)

    code = cli("dedup", photos, "--move", spare, "--yes").code

    assert code == 0
    assert names(spare) == [
        "a/tree.png",
        "a/tree.xmp",
        "b/tree (2).png",
        "b/tree (2).png.xmp",
        "b/tree.png",
    ]
    assert (spare / "b" / "tree.png").read_bytes() == b"was there"
    assert cli("undo", "--yes").code == 0
    assert snapshot(photos) == before
    assert names(spare) == ["b/tree.png"]


def test_a_copy_with_a_film_that_the_kept_one_has_not_stays(
    cli: Cli, photos: Path, tmp_path: Path
) -> None:
    for name, content in (
        ("b/tree (1).mov", b"film"),
        ("a/tree.mov", b"film"),
        ("b/tree.mov", b"another"),
    ):
        (photos / name).write_bytes(content)

    code, _, err = cli("dedup", photos, "--move", tmp_path / "spare", "--yes")

    assert code == 5
    assert names(tmp_path / "spare") == ["a/tree.mov", "a/tree.png"]
    assert f"left {photos}/b/tree.png: has tree.mov beside it, which" in err


def test_a_raw_photograph_stays_although_the_picture_beside_it_goes(
    cli: Cli, photos: Path, tmp_path: Path
) -> None:
    (photos / "b" / "tree.cr2").write_bytes(b"of a camera")
    (photos / "b" / "tree (1).cr2").write_bytes(b"another")

    cli("dedup", photos, "--move", tmp_path / "spare", "--yes")

    assert names(tmp_path / "spare") == ["a/tree.png", "b/tree.png"]
    assert (photos / "b" / "tree.cr2").exists()


def test_the_preferred_folder_keeps_its_copies(cli: Cli, photos: Path, tmp_path: Path) -> None:
    code = cli(
        "dedup", photos, "--prefer", photos / "a", "--move", tmp_path / "spare", "--yes"
    ).code

    assert code == 0
    assert names(tmp_path / "spare") == ["b/tree (1).png", "b/tree.png"]


def test_a_strategy_chooses_another(cli: Cli, photos: Path, tmp_path: Path) -> None:
    cli("dedup", photos, "--strategy", "newest", "--move", tmp_path / "spare", "--yes")

    assert names(tmp_path / "spare") == ["a/tree.png", "b/tree (1).png"]


# --- what is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--trash", "--hardlink"), "--trash and --hardlink: only one of them can be done"),
        (("--hardlink", "--near"), "near copies hold other bytes"),
        (("--strategy", "alphabet"), "--strategy alphabet: no such strategy"),
        (("--prefer", "nowhere"), "--prefer nowhere: no such folder"),
        (("--prefer", "empty"), "--prefer empty: none of the pictures lies in it"),
        (("--move", "photos", "--yes"), "--move photos: lies in "),
        (("--move", "photos/b/spare", "--yes"), "which is looked through"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(
    cli: Cli,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()

    code, out, err = cli("dedup", "photos", *options)

    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) <= 2  # and a hint
    assert names(photos) == ALL


def test_a_folder_that_cannot_be_made_is_refused(cli: Cli, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    assert cli("dedup", photos, "--move", tmp_path / "no" / "spare", "--yes").code == 3
    assert cli("dedup", photos, "--move", tmp_path / "file", "--yes").code == 2
    assert names(photos) == ALL


def test_a_file_that_changes_before_it_goes_stays(
    cli: Cli, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spares_of = disposal.spares_of

    def meanwhile(copies: object, **options: bool) -> object:
        # As a program would that keeps a file's length and time.
        path = photos / "a" / "tree.png"
        content, status = path.read_bytes(), path.stat()
        path.write_bytes(content[:-1] + b"x")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        return spares_of(copies, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("clipcli.cli.disposal.spares_of", meanwhile)

    code, _, err = cli("dedup", photos, "--move", tmp_path / "spare", "--yes")

    assert code == 5
    assert f"left {photos}/a/tree.png: changed since it was looked at" in err
    assert names(tmp_path / "spare") == ["b/tree.png"]


def test_without_the_one_that_is_kept_no_other_goes(
    cli: Cli, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spares_of = disposal.spares_of

    def meanwhile(copies: object, **options: bool) -> object:
        (photos / "b" / "tree (1).png").unlink()
        return spares_of(copies, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("clipcli.cli.disposal.spares_of", meanwhile)

    code, _, err = cli("dedup", photos, "--move", tmp_path / "spare", "--yes")

    assert code == 5
    assert err.count("b/tree (1).png, which is kept: no such file or folder") == 2
    assert names(photos) == without("b/tree (1).png")


def test_without_the_one_that_is_kept_no_near_copy_goes(
    cli: Cli, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spares_of = disposal.spares_of

    def meanwhile(copies: object, **options: bool) -> object:
        scene(9).save(photos / "b" / "cat.png")
        return spares_of(copies, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("clipcli.cli.disposal.spares_of", meanwhile)

    code, _, err = cli("dedup", photos, "--move", tmp_path / "spare", "--near", "--yes")

    assert code == 5
    assert "b/cat.png, which is kept: changed since it was looked at" in err
    assert names(photos) == without(*TREES)


@POSIX
def test_links_do_not_reach_another_file_system(cli: Cli, photos: Path, tmp_path: Path) -> None:
    if not SHARED_MEMORY.is_dir() or SHARED_MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system to be had")
    other = SHARED_MEMORY / f"clipcli-test-{os.getpid()}"
    try:
        shutil.copytree(photos, other)
        for name in TREES:  # of them, one stands for itself
            (photos / name).unlink()
        before = snapshot(photos), snapshot(other)

        code, _, err = cli("dedup", photos, other, "--prefer", photos, "--hardlink", "--yes")
    finally:
        after = snapshot(photos), snapshot(other)
        shutil.rmtree(other)

    assert code == 5
    assert err.count("on another file system than what is kept") == 1
    assert "6 copies lie on another file system" in err
    assert after == before


@pytest.mark.parametrize("action", ["--trash", "--move", "--hardlink"])
@POSIX
def test_a_full_disk_ends_it_in_one_line_and_nothing_is_lost(
    cli: Cli, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    before = snapshot(photos)
    options = [action, tmp_path / "spare"] if action == "--move" else [action]

    def full(source: str, target: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", source, None, target)

    with monkeypatch.context() as context:
        context.setattr(os, "link" if action == "--hardlink" else "replace", full)
        code, _, err = cli("dedup", photos, *options, "--yes")

    assert code == 3
    assert "No space left on device" in err
    assert snapshot(photos) == before
    assert cli("undo", "--yes").code == 0
    assert snapshot(photos) == before
    assert not (tmp_path / "spare").exists()


def test_a_read_only_folder_keeps_what_is_in_it_and_the_rest_goes(
    cli: Cli, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace

    def replace_elsewhere(source: str, target: str) -> None:
        if Path(source).parent == photos / "b":  # as the system says it, to root as well here
            raise OSError(errno.EACCES, "Permission denied", source, None, target)
        replace(source, target)

    with monkeypatch.context() as context:
        context.setattr(os, "replace", replace_elsewhere)
        code, _, err = cli("dedup", photos, "--move", tmp_path / "spare", "--yes")

    assert code == 5
    assert f"left {photos}/b/tree.png: permission denied" in err
    assert names(tmp_path / "spare") == ["a/tree.png"]
    assert names(photos) == without("a/tree.png")


def test_read_only_folders_are_told_in_one_line(
    cli: Cli, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = os.access

    def access_elsewhere(path: str, mode: int) -> bool:
        return path != str(photos / "b") and access(path, mode)

    with monkeypatch.context() as context:
        context.setattr(os, "access", access_elsewhere)
        code, _, err = cli("dedup", photos, "--move", tmp_path / "spare", "--yes")
        alone = cli("dedup", photos / "b", "--hardlink", "--yes")

    assert code == alone.code == 5
    assert f"left 1 copy: {photos}/b is read-only" in err
    assert names(tmp_path / "spare") == ["a/tree.png"]
    assert "nothing can be put away" in alone.err
    assert names(photos) == without("a/tree.png")


def test_settings_cannot_put_files_away(
    cli: Cli, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clipcli.toml").write_text("[defaults.dedup]\ntrash = true\n", encoding="utf-8")
    monkeypatch.setenv("CLIPCLI_CONFIG", str(tmp_path / "clipcli.toml"))

    code, _, err = cli("dedup", photos)

    assert code == 2
    assert "trash" in err
    assert names(photos) == ALL
