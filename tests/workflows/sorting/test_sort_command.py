"""``clipcli sort`` and ``clipcli undo`` as a user meets them."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

from clipcli import process as interrupts
from clipcli.cli.app import run
from clipcli.workflows.journal.journal import journals
from tests.conftest import COLOURS, ROOT, Finished
from tests.fakes import FakeEncoder
from tests.workflows.sorting.trees import make_tree, names, save_dated, snapshot

LABELS = ("--labels", "red,green,blue", "--templates", "plain")
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals and pipes as on POSIX")


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Cli = Callable[..., Outcome]


@pytest.fixture
def cli(fake_model: FakeEncoder, capfd: pytest.CaptureFixture[str]) -> Cli:
    """Return a function that runs the command line here, with arithmetic for a model."""

    def call(*arguments: object) -> Outcome:
        code = run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Outcome(code, out, err)

    return call


@pytest.fixture
def into(tmp_path: Path) -> Path:
    """Return DIR, which is not there yet."""
    return tmp_path / "sorted"


# --- the plan


@pytest.mark.parametrize("options", [(), ("--dry-run",), ("--move", "-n"), ("--copy", "--dry-run")])
def test_the_plan_is_printed_and_nothing_happens(
    cli: Cli, pictures: Path, into: Path, options: tuple[str, ...]
) -> None:
    before = snapshot(pictures)

    code, out, err = cli("sort", pictures, "--into", into, *LABELS, *options)

    rows = [line.split("\t") for line in out.splitlines()]
    assert code == 0
    assert [row[:3] for row in rows] == [
        [f"{pictures}/{name}.png", f"{into}/{name}/{name}.png", name]
        for name in ("blue", "green", "red")
    ]
    assert all(0 < float(row[3]) <= 1 for row in rows)
    assert "3 files to 3 folders" in err
    assert snapshot(pictures) == before
    assert not into.exists()
    assert journals() == []


def test_what_is_below_the_threshold_stays_and_is_counted(
    cli: Cli, pictures: Path, into: Path
) -> None:
    before = snapshot(pictures)

    plan = cli("sort", pictures, "--into", into, *LABELS, "--min-prob", "1")
    move = cli("sort", pictures, "--into", into, *LABELS, "--min-prob", "1", "--move", "--yes")

    assert (plan.code, plan.out, move.code, move.out) == (0, "", 0, "")
    assert "3 pictures that no label is sure for stay in place; --unsure NAME gives" in move.err
    assert snapshot(pictures) == before
    assert not into.exists()


def test_a_label_has_to_be_more_likely_than_all_others_unless_somebody_says_otherwise(
    cli: Cli, pictures: Path, into: Path
) -> None:
    many = ("--labels", "red,der,green,blue", "--templates", "plain")  # of the same letters
    _, out, _ = cli("sort", pictures, "--into", into, *many, "--min-prob", "0")
    likely = [row for row in out.splitlines() if float(row.split("\t")[3]) >= 0.5]

    _, default, _ = cli("sort", pictures, "--into", into, *many)

    assert default.splitlines() == likely
    assert (len(out.splitlines()), len(likely)) == (3, 2)


def test_unsure_pictures_go_to_a_folder_if_asked_with_their_own_folders(
    cli: Cli, pictures: Path, into: Path
) -> None:
    (pictures / "a" / "b").mkdir(parents=True)
    (pictures / "red.png").rename(pictures / "a" / "b" / "red.png")

    cli(
        "sort",
        pictures,
        "--into",
        into,
        *LABELS,
        "--margin",
        "1",
        "--unsure",
        "later",
        "--move",
        "-y",
    )
    moved = names(into)
    undone = cli("undo", "--yes")

    assert moved == [
        str(Path("later", "a", "b", "red.png")),
        str(Path("later", "blue.png")),
        str(Path("later", "green.png")),
    ]
    assert undone.code == 0
    assert not into.exists()


# --- what goes along


@pytest.mark.parametrize("options", [(), ("--sidecars",)])  # what it was called before
def test_companions_go_along_are_told_and_come_back(
    cli: Cli, pictures: Path, into: Path, options: tuple[str, ...]
) -> None:
    for name in ("red.CR2", "red.mov", "red.png.xmp", "alone.mov", "alone.txt"):
        (pictures / name).write_bytes(name.encode())
    before = snapshot(pictures)

    code, out, err = cli("sort", pictures, "--into", into, *LABELS, "--move", "--yes", *options)
    moved = names(into)
    undone = cli("undo", "--yes")

    assert code == 0  # nobody tried to read red.CR2
    assert "1 picture takes 3 companions along" in err
    assert "2 files left out: 1 video, 1 other file; no picture by ending or content" in err
    assert [line.split("\t")[2] for line in out.splitlines()].count("") == 3
    assert moved[2:] == [
        str(Path("red", x)) for x in ("red.CR2", "red.mov", "red.png", "red.png.xmp")
    ]
    assert "6 files taken back" in undone.err
    assert snapshot(pictures) == before


def test_companions_stay_if_asked(cli: Cli, pictures: Path, into: Path) -> None:
    (pictures / "red.mov").write_bytes(b"film")

    code, _, err = cli("sort", pictures, "--into", into, *LABELS, "--no-companions", "--copy")

    assert (code, len(names(into))) == (0, 3)
    assert "1 file left out: 1 video" in err


def test_what_follows_a_broken_picture_stays_with_it(cli: Cli, pictures: Path, into: Path) -> None:
    (pictures / "red.png").write_bytes((pictures / "red.png").read_bytes()[:40])
    for name in ("red.dng", "red.xmp"):
        (pictures / name).write_bytes(b"companion")

    code, _, _ = cli("sort", pictures, "--into", into, *LABELS, "--move", "--yes")

    assert code == 5
    assert names(pictures) == ["red.dng", "red.png", "red.xmp"]


def test_years_kept_folders_and_new_names_all_at_once(cli: Cli, pictures: Path, into: Path) -> None:
    save_dated(pictures / "a" / "x.png", "2019:12:31 23:59:58")
    (pictures / "a" / "x.xmp").write_bytes(b"sidecar")
    before = snapshot(pictures)
    options = (
        "--by",
        "year/label",
        "--keep-folders",
        "--rename",
        "{date}_{name}",
        "--min-prob",
        "0",
    )

    code, _, err = cli("sort", pictures, "--into", into, *LABELS, *options, "--move", "--yes")
    moved = names(into)
    undone = cli("undo", "--yes")

    (label,) = {Path(x).parts[1] for x in moved if x.startswith("2019")}
    assert code == undone.code == 0
    assert moved == [
        str(Path("2019", label, "a", "2019-12-31_x.png")),
        str(Path("2019", label, "a", "2019-12-31_x.xmp")),
        *(str(Path("undated", x, f"{x}.png")) for x in ("blue", "green", "red")),
    ]
    assert "3 pictures have no EXIF date: into 'undated', named as before" in err
    assert snapshot(pictures) == before
    assert not into.exists()


# --- questions


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("action", ["move", "copy", "link", "hardlink"])
@pytest.mark.parametrize(("answer", "n_put", "code"), [("y\n", 3, 0), ("n\n", 0, 1), ("", 0, 1)])
def test_people_are_shown_the_counts_and_asked(
    cli: Cli,
    pictures: Path,
    into: Path,
    action: str,
    answer: str,
    n_put: int,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))

    outcome = cli("sort", pictures, "--into", into, *LABELS, f"--{action}", "--quiet")

    verb = "hard-link" if action == "hardlink" else action
    assert f"{verb} 3 files into {into}?" in outcome.err
    assert "  1  blue\n  1  green\n  1  red\n" in outcome.err
    assert (into.exists() and len(names(into))) == n_put
    assert journals() == [] or n_put


def test_people_who_agreed_beforehand_are_not_asked(
    cli: Cli, pictures: Path, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(""))

    code, _, err = cli("sort", pictures, "--into", into, *LABELS, "--copy", "--yes")

    assert code == 0
    assert "?" not in err


# --- there and back


@pytest.mark.parametrize("action", ["move", "copy", "link", "hardlink"])
def test_there_and_back(cli: Cli, pictures: Path, into: Path, action: str) -> None:
    before = snapshot(pictures)

    code, out, err = cli("sort", pictures, "--into", into, *LABELS, f"--{action}", "--yes")
    between = names(into)
    undone = cli("undo", "--yes")

    assert (code, undone.code) == (0, 0)
    assert len(out.splitlines()) == 3
    assert between == [str(Path(name, f"{name}.png")) for name in ("blue", "green", "red")]
    assert str(journals()[0]) in err
    assert len(undone.out.splitlines()) == 3
    assert snapshot(pictures) == before
    assert not into.exists()


def test_undo_takes_a_journal_by_name_and_says_when_it_was_taken_back(
    cli: Cli, pictures: Path, into: Path
) -> None:
    cli("sort", pictures, "--into", into, *LABELS, "--copy")
    cli("sort", pictures, "--into", into, *LABELS, "--link")

    first = cli("undo", journals()[0], "--yes")
    again = cli("undo", journals()[0])  # asks nothing, as there is nothing to do

    assert (first.code, again.code) == (0, 0)
    assert "was taken back already" in again.err
    assert names(into) == [str(Path(x, f"{x} (2).png")) for x in ("blue", "green", "red")]


@pytest.mark.parametrize("action", ["copy", "link", "hardlink"])
def test_the_same_sort_again_finds_everything_there(
    cli: Cli, pictures: Path, into: Path, action: str
) -> None:
    (into / "red").mkdir(parents=True)
    (into / "red" / "red.png").write_bytes(b"somebody else's")
    cli("sort", pictures, "--into", into, *LABELS, f"--{action}")
    before = snapshot(into)

    code, out, err = cli("sort", pictures, "--into", into, *LABELS, f"--{action}")

    assert (code, out) == (0, "")
    assert "3 pictures in the right folder already" in err
    assert snapshot(into) == before


def test_undo_shows_what_it_would_do(cli: Cli, pictures: Path, into: Path) -> None:
    cli("sort", pictures, "--into", into, *LABELS, "--move", "--yes")
    (into / "red" / "red.png").write_bytes(b"")

    code, out, err = cli("undo", "--dry-run")

    assert code == 5
    assert [line.split("\t") for line in out.splitlines()] == [
        [f"{into}/{name}/{name}.png", "back", f"{pictures}/{name}.png"]
        for name in ("green", "blue")
    ]
    assert "left " + str(into / "red" / "red.png") + ": has changed since" in err
    assert names(pictures) == []


def test_undo_of_a_changed_file_is_refused_with_exit_code_5(
    cli: Cli, pictures: Path, into: Path
) -> None:
    cli("sort", pictures, "--into", into, *LABELS, "--move", "--yes")
    (into / "red" / "red.png").write_bytes(b"cropped")

    code, _, err = cli("undo", "--yes")

    assert code == 5
    assert f"left {into}/red/red.png: has changed since" in err
    assert names(pictures) == ["blue.png", "green.png"]


# --- what stays


def test_broken_pictures_and_links_stay_and_are_told_of(
    cli: Cli, pictures: Path, into: Path
) -> None:
    (pictures / "broken.png").write_bytes((pictures / "red.png").read_bytes()[:40])
    (pictures / "a link.png").symlink_to("red.png")
    (pictures / "loop").symlink_to(pictures)
    (pictures / "notes.txt").write_text("text", "utf-8")

    code, out, err = cli("sort", pictures, "--into", into, *LABELS, "--move", "--yes")

    assert code == 5
    assert len(out.splitlines()) == 3
    assert names(pictures) == ["a link.png", "broken.png", "loop", "notes.txt"]
    assert f"skipped {pictures}/broken.png: broken PNG" in err
    assert f"left {pictures}/a link.png: a symbolic link" in err
    assert f"left {pictures}/loop: a symbolic link" in err


def test_a_second_sort_into_a_folder_in_source_finds_nothing_to_do(
    cli: Cli, pictures: Path
) -> None:
    into = pictures / "sorted"
    cli("sort", pictures, "--into", into, *LABELS, "--move", "--yes")

    code, out, err = cli("sort", pictures, "--into", into, *LABELS, "--move", "--yes")

    assert (code, out) == (0, "")
    assert "3 files" in err
    assert "there is nothing to sort" in err
    assert len(journals()) == 1


def test_labels_that_would_lead_elsewhere_stay_in_dir(cli: Cli, pictures: Path, into: Path) -> None:
    labels = into.parent / "labels.txt"
    labels.write_text("../../red\nCON green\nnul\nNUL.blue\n", "utf-8")

    cli("sort", pictures, "--into", into, "--labels", labels, "--copy")

    assert {path.name for path in into.iterdir()} <= {"_.._red", "CON green", "nul_", "NUL_.blue"}
    assert len(names(into)) == 3


def test_results_go_to_files_as_well(cli: Cli, pictures: Path, into: Path) -> None:
    results = into.parent / "results.jsonl"

    code, _, _ = cli("sort", pictures, "--into", into, *LABELS, "--copy", "-o", results)

    records = [json.loads(line) for line in results.read_text("utf-8").splitlines()]
    assert code == 0
    assert [record["label"] for record in records] == ["blue", "green", "red"]


# --- wrong use


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--move", "--copy"), 2, "--move and --copy: only one of them can be done"),
        (("--move",), 2, "nobody is there to answer"),
        (("--unsure", "../x"), 2, "'../x' is not a folder's name on every system"),
        (("--margin", "2"), 2, "margin"),
        (("--by", "year"), 2, "--by year: there is no such order"),
        (("--rename", "{nmae}"), 2, "there is no field {nmae}"),
        (("--rename", "x/{name}"), 2, "'/' cannot be in a file's name"),
        (("--labels", "nowhere.txt"), 2, "nowhere.txt"),
    ],
)
def test_wrong_use_is_told_in_a_line(
    cli: Cli, pictures: Path, into: Path, options: tuple[str, ...], code: int, message: str
) -> None:
    outcome = cli("sort", pictures, "--into", into, *LABELS, *options)

    assert outcome.code == code
    assert message in outcome.err
    assert "Traceback" not in outcome.err
    assert not into.exists()


def test_places_that_do_not_fit_are_told_in_a_line(cli: Cli, pictures: Path, into: Path) -> None:
    outcomes = [
        cli("sort", pictures / "nowhere", "--into", into, *LABELS),
        cli("sort", pictures / "red.png", "--into", into, *LABELS),
        cli("sort", pictures, "--into", pictures, *LABELS),
        cli("sort", pictures, "--into", into / "deeper", *LABELS),
        cli("sort", pictures, "--into", pictures / "red.png", *LABELS),
    ]

    assert [outcome.code for outcome in outcomes] == [3, 3, 2, 3, 2]
    assert all(len(outcome.err.splitlines()) <= 2 for outcome in outcomes)


@pytest.mark.parametrize("clash", ["red", "2019"])
def test_a_file_that_has_the_name_of_a_folder_is_told_before_anything_moves(
    cli: Cli, pictures: Path, into: Path, clash: str
) -> None:
    save_dated(pictures / "red.png", "2019:12:31 23:59:58", COLOURS["red"])
    path = into / ("red" if clash == "red" else "2019/red")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"somebody's")
    by = "label" if clash == "red" else "year/label"
    before = snapshot(pictures)

    code, _, err = cli("sort", pictures, "--into", into, *LABELS, "--by", by, "--move", "--yes")

    assert code == 2
    assert f"{path}: is there and is not a folder" in err
    assert snapshot(pictures) == before
    assert path.read_bytes() == b"somebody's"


def test_a_disk_that_gets_full_is_one_line_and_nothing_is_lost(
    cli: Cli, pictures: Path, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("green.mov", "green.xmp"):
        (pictures / name).write_bytes(b"companion of green")
    before, write = snapshot(pictures), os.write

    def write_until_full(handle: int, content: bytes) -> int:
        if bytes(content).startswith(b"companion"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(handle, content)

    with monkeypatch.context() as full:
        full.setattr(os, "write", write_until_full)
        code, _, err = cli("sort", pictures, "--into", into, *LABELS, "--copy")
    undone = cli("undo", "--yes")

    assert code == 3
    assert "could not be written (No space left on device)" in err
    assert "stopped: copied 2 of 5 files; `clipcli undo` takes that back" in err
    assert undone.code == 0
    assert snapshot(pictures) == before
    assert not into.exists()


def test_undo_with_nothing_to_undo(cli: Cli, tmp_path: Path) -> None:
    assert cli("undo").code == 3
    assert cli("undo", tmp_path / "none.jsonl").code == 3


def test_undo_asks_where_nobody_answers(cli: Cli, pictures: Path, into: Path) -> None:
    cli("sort", pictures, "--into", into, *LABELS, "--copy")

    code, _, err = cli("undo")

    assert code == 2
    assert "nobody is there to answer" in err
    assert len(names(into)) == 3


# --- in a process of its own


@POSIX
def test_a_reader_that_has_enough_does_not_stop_a_move(
    pictures: Path, into: Path, use_tiny_model: None
) -> None:
    for i in range(40):
        Image.new("RGB", (8, 6), COLOURS["red"]).save(pictures / f"{i}.png")
    arguments = ["sort", pictures, "--into", into, "--labels", "cat,dog", "--move", "--yes"]
    command = [sys.executable, "-m", "clipcli", *map(str, arguments)]

    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read().decode()

    assert process.returncode == 0, err
    assert names(pictures) == []
    assert len(names(into)) == 43


@POSIX
def test_ctrl_c_ends_between_two_files_and_can_be_taken_back(
    tree: Path, into: Path, clipcli_process: Callable[..., Finished]
) -> None:
    before = snapshot(make_tree(tree, 200))

    command = [
        sys.executable,
        "-m",
        "tests.workflows.sorting.child",
        "sort",
        str(tree),
        str(into),
        "move",
    ]

    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment()) as process:
        assert process.stdout is not None
        process.stdout.readline()
        while not into.exists() or len(names(into)) < 5:
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
    done = clipcli_process("undo", "--yes")

    assert process.returncode == 130
    assert done.returncode == 0, done.stderr
    assert snapshot(tree) == before


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@pytest.mark.parametrize("companions", [(), ("blue.mov", "blue.png.xmp", "blue.xmp")])
def test_an_interrupt_parts_no_group_and_leaves_none_untold(
    cli: Cli,
    pictures: Path,
    into: Path,
    companions: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in companions:
        (pictures / name).write_bytes(name.encode())
    n_group, n_all = 1 + len(companions), 3 + len(companions)
    replace = os.replace

    def replace_interrupted(source: str, target: str) -> None:
        replace(source, target)
        if str(target).endswith("blue.png"):  # others are replaced as well
            interrupts._knock(signal.SIGINT, None)

    monkeypatch.setattr(interrupts._Gate, "is_pending", False)
    with monkeypatch.context() as knocking:
        knocking.setattr(os, "replace", replace_interrupted)
        code, out, err = cli("sort", pictures, "--into", into, *LABELS, "--move", "--yes")

    assert code == 130
    assert len(out.splitlines()) == len(names(into)) == n_group
    files = f"{n_group} of {n_all} files"
    assert f"stopped: moved {files}; `clipcli undo` takes that back" in err
    assert cli("undo", "--yes").code == 0
    assert len(names(pictures)) == n_all
