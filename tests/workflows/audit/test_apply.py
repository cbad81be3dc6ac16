"""``clipcli audit --apply``: what a review decided is done to a data set, and undone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from clipcli.cli.app import run
from clipcli.workflows.journal.journal import journals
from tests.decisions import record, write
from tests.workflows.sorting.trees import snapshot

Cli = Callable[..., tuple[int, str]]


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Cli:
    """Return a function that runs the command line; no model is needed."""

    def call(*arguments: object) -> tuple[int, str]:
        code = run([str(argument) for argument in arguments])
        return code, capfd.readouterr().err

    return call


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return train/cat, train/dog and val/cat; a.jpg has a sidecar, and a namesake under dog."""
    folder = tmp_path / "set"
    train = ("train/cat/a", "train/cat/deep/b", "train/dog/a", "train/dog/c")
    for i, name in enumerate((*train, "val/cat/d", "val/dog/e")):
        path = folder / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (40 * i, 9, 9)).save(path)
    (folder / "train/cat/a.xmp").write_text("<x/>", encoding="utf-8")
    return folder


@pytest.fixture
def decisions(tree: Path, tmp_path: Path) -> Path:
    records = [
        record(tree / "train/cat/a.jpg", "cat", "dog", "relabel"),
        record(tree / "train/cat/deep/b.jpg", "cat", "dog", "relabel"),
        record(tree / "train/dog/c.jpg", "dog", "dog", "accept"),
        record(tree / "val/cat/d.jpg", "cat", None, "reject"),
    ]
    return write(tmp_path / "decisions.jsonl", records)


def files(tree: Path) -> list[str]:
    return sorted(str(p.relative_to(tree).as_posix()) for p in tree.rglob("*") if p.is_file())


def test_pictures_move_to_their_classes_and_undo_brings_them_back(
    cli: Cli, tree: Path, decisions: Path, tmp_path: Path
) -> None:
    before, out = snapshot(tree), tmp_path / "out"

    code, err = cli("audit", tree, "--apply", decisions, "--rejected", out, "--yes")
    moved, rejected = files(tree), files(out)
    undone, _ = cli("undo", "--yes")

    assert (code, undone) == (0, 0)
    assert moved == [
        "train/dog/a (2).jpg",
        "train/dog/a (2).xmp",
        "train/dog/a.jpg",
        "train/dog/c.jpg",
        "train/dog/deep/b.jpg",
        "val/dog/e.jpg",
    ]
    assert rejected == ["val/cat/d.jpg"]
    assert "1 picture is where they belong" not in err
    assert snapshot(tree) == before
    assert files(out) == []


def test_rejected_pictures_stay_where_nobody_says_where_they_go(
    cli: Cli, tree: Path, decisions: Path
) -> None:
    code, err = cli("audit", tree, "--apply", decisions, "--yes")

    assert code == 0
    assert "val/cat/d.jpg" in files(tree)
    assert "1 rejected picture stays; --rejected DIR moves it" in err


def test_a_second_time_there_is_nothing_to_change(cli: Cli, tree: Path, decisions: Path) -> None:
    cli("audit", tree, "--apply", decisions, "--yes")

    code, err = cli("audit", tree, "--apply", decisions, "--yes")

    assert code == 0
    assert "there is nothing to change" in err
    assert len(journals()) == 1


def test_a_dry_run_changes_nothing(cli: Cli, tree: Path, decisions: Path) -> None:
    before = snapshot(tree)

    code, err = cli("audit", tree, "--apply", decisions, "--dry-run")

    assert code == 0
    assert "2 to dog" in err
    assert "nothing was done" in err
    assert (snapshot(tree), journals()) == (before, [])


def test_a_tables_labels_change_and_all_else_stays_byte_by_byte(
    cli: Cli, tree: Path, tmp_path: Path
) -> None:
    table = tree / "set.csv"
    rows = b'path,label,note\r\n"train/cat/a.jpg",cat,"x, y"\r\ntrain/dog/c.jpg,dog,\r\n'
    table.write_bytes(b"\xef\xbb\xbf" + rows)
    name = tree / "train/cat/a.jpg"
    file = write(tmp_path / "d.jsonl", [record(name, "cat", "dog", "relabel")])

    code, _ = cli("audit", table, "--apply", file, "--yes")
    changed = table.read_bytes()
    undone, _ = cli("undo", "--yes")

    assert (code, undone) == (0, 0)
    expected = rows.replace(b'"train/cat/a.jpg",cat', b"train/cat/a.jpg,dog")
    assert changed == b"\xef\xbb\xbf" + expected
    assert table.read_bytes() == b"\xef\xbb\xbf" + rows


@pytest.mark.parametrize(
    ("arguments", "told", "code"),
    [
        (("--fail-on", "any"), "--apply: does not audit", 2),
        (("--rejected", "{set}/train"), "is inside of", 2),
        (("--rejected", "{file}"), "is there and is not a folder", 2),
        ((), "cannot be asked", 2),
    ],
)
def test_what_cannot_work_is_refused(
    cli: Cli, tree: Path, decisions: Path, arguments: tuple[str, ...], told: str, code: int
) -> None:
    before = snapshot(tree)
    given = [one.format(set=tree, file=decisions) for one in arguments]
    given += ["--yes"] if arguments else []

    outcome, err = cli("audit", tree, "--apply", decisions, *given)

    assert outcome == code
    assert told in err or not arguments
    assert snapshot(tree) == before


def test_classes_that_are_not_there_are_refused(cli: Cli, tree: Path, tmp_path: Path) -> None:
    name = tree / "train/cat/a.jpg"
    file = write(tmp_path / "d.jsonl", [record(name, "cat", "cow", "relabel")])

    code, err = cli("audit", tree, "--apply", file, "--yes")

    assert code == 2
    assert "'cow' is not among the classes" in err


def test_decisions_of_another_data_set_are_refused(
    cli: Cli, tree: Path, decisions: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    for name in ("cat", "dog"):
        (other / name).mkdir(parents=True)
        Image.new("RGB", (9, 9), (9, 9, 200)).save(other / name / "x.jpg")

    code, err = cli("audit", other, "--apply", decisions, "--yes")

    assert code == 3
    assert "none of its 4 decisions is about a picture here" in err
    assert journals() == []


def test_a_row_of_several_lines_is_refused(cli: Cli, tree: Path, tmp_path: Path) -> None:
    table = tree / "set.csv"
    table.write_bytes(b'path,label,note\ntrain/cat/a.jpg,cat,"one\ntwo"\ntrain/dog/c.jpg,dog,\n')
    file = write(tmp_path / "d.jsonl", [record(tree / "train/cat/a.jpg", "cat", "dog", "relabel")])
    before = table.read_bytes()

    code, err = cli("audit", table, "--apply", file, "--yes")

    assert code == 2
    assert "spans several lines" in err
    assert table.read_bytes() == before
