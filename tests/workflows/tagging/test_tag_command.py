"""``clipcli tag`` as a user meets it, and its undo."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

from clipcli.cli.app import run
from clipcli.results import Classified, LabelScore
from clipcli.workflows.journal import transfer
from clipcli.workflows.journal.journal import journals
from clipcli.workflows.tagging.containers import packet_in
from clipcli.workflows.tagging.keywords import (
    HIERARCHY,
    SUBJECT,
    Keyword,
    keywords_of,
)
from clipcli.workflows.tagging.plan import KeywordChoice, TagPlan, TagTarget
from tests.conftest import COLOURS
from tests.decisions import record, write
from tests.fakes import FakeEncoder
from tests.workflows.sorting.trees import snapshot
from tests.workflows.tagging.samples import DARKTABLE, LIGHTROOM

SET = """
templates: plain
labels:
  - {name: red, parent: warm}
  - {name: green, parent: cold}
  - {name: blue, parent: cold}
"""


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
def labels(tmp_path: Path) -> tuple[str, str]:
    """Return the options that name three colours, in two groups."""
    (tmp_path / "colours.yaml").write_text(SET, "utf-8")
    return ("--labels", str(tmp_path / "colours.yaml"))


def subjects(path: Path) -> list[str]:
    return keywords_of(path.read_bytes())[SUBJECT]


def test_each_picture_gets_a_sidecar_and_undo_takes_them_back(
    cli: Cli, pictures: Path, labels: tuple[str, str]
) -> None:
    before = snapshot(pictures)

    code, out, err = cli("tag", pictures, *labels, "--yes")
    written = {name: subjects(pictures / f"{name}.png.xmp") for name in COLOURS}
    undone = cli("undo", "--yes")

    assert code == 0
    assert [line.split("\t") for line in out.splitlines()] == [
        [f"{pictures}/{name}.png.xmp", "new", name, f"{pictures}/{name}.png"]
        for name in ("blue", "green", "red")
    ]
    assert "3 files written" in err
    assert written == {"red": ["warm", "red"], "green": ["cold", "green"], "blue": ["cold", "blue"]}
    assert undone.code == 0
    assert snapshot(pictures) == before


def test_a_dry_run_writes_nothing(cli: Cli, pictures: Path, labels: tuple[str, str]) -> None:
    before = snapshot(pictures)

    code, out, err = cli("tag", pictures, *labels, "--dry-run")

    assert code == 0
    assert [line.split("\t")[1:3] for line in out.splitlines()] == [
        ["new", "blue"],
        ["new", "green"],
        ["new", "red"],
    ]
    assert "nothing was done" in err
    assert snapshot(pictures) == before
    assert journals() == []


def test_nobody_is_asked_where_nobody_is(cli: Cli, pictures: Path, labels: tuple[str, str]) -> None:
    before = snapshot(pictures)

    code, _, err = cli("tag", pictures, *labels)

    assert code == 2
    assert "say --yes" in err
    assert snapshot(pictures) == before


def test_a_second_run_has_nothing_to_do(cli: Cli, pictures: Path, labels: tuple[str, str]) -> None:
    cli("tag", pictures, *labels, "--yes")
    before = snapshot(pictures)

    code, out, err = cli("tag", pictures, *labels, "--yes")

    assert (code, out) == (0, "")
    assert "there is nothing to write" in err
    assert snapshot(pictures) == before
    assert len(journals()) == 1


def test_unsure_pictures_get_nothing(cli: Cli, pictures: Path, labels: tuple[str, str]) -> None:
    code, out, err = cli("tag", pictures, *labels, "--yes", "--min-prob", "1")

    assert (code, out) == (0, "")
    assert "3 pictures that no label is sure for: no keywords" in err
    assert not list(pictures.glob("*.xmp"))


def test_sidecars_of_others_are_merged_and_come_back_with_their_times(
    cli: Cli, pictures: Path, labels: tuple[str, str]
) -> None:
    (pictures / "red.xmp").write_text(DARKTABLE, "utf-8")
    (pictures / "blue.png.xmp").write_text(LIGHTROOM, "utf-8")
    for i, name in enumerate(("red.xmp", "blue.png.xmp")):
        (pictures / name).chmod(0o640)
        os.utime(pictures / name, ns=(10**18, 10**18 + i))
    before = snapshot(pictures)

    code, out, _ = cli("tag", pictures, *labels, "--yes")
    merged = (pictures / "blue.png.xmp").read_text("utf-8")
    mode = stat.S_IMODE((pictures / "red.xmp").stat().st_mode)
    cli("undo", "--yes")

    assert code == 0
    assert f"{pictures}/red.xmp\tchanged\tred" in out
    assert mode == 0o640
    assert 'crs:Exposure2012="+0.35"' in merged
    assert keywords_of(merged.encode())[SUBJECT] == [
        "holiday",
        "Berlin & Potsdam",
        "cold",
        "blue",
    ]
    assert snapshot(pictures) == before


def test_a_sidecar_that_is_broken_is_left_and_told_in_a_line(
    cli: Cli, pictures: Path, labels: tuple[str, str]
) -> None:
    broken = pictures / "red.png.xmp"
    broken.write_text(LIGHTROOM[:-40], "utf-8")

    code, out, err = cli("tag", pictures, *labels, "--yes")

    assert code == 5
    assert len(out.splitlines()) == 2
    assert f"left {broken}: is not well-formed: " in err
    assert broken.read_text("utf-8") == LIGHTROOM[:-40]
    assert subjects(pictures / "blue.png.xmp") == ["cold", "blue"]


def test_a_link_and_a_folder_in_a_sidecars_place_are_left(
    cli: Cli, pictures: Path, labels: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "elsewhere.xmp").write_text(LIGHTROOM, "utf-8")
    (pictures / "red.png.xmp").symlink_to(tmp_path / "elsewhere.xmp")
    (pictures / "blue.png.xmp").mkdir()

    code, _, err = cli("tag", pictures, *labels, "--yes")

    assert code == 5
    assert f"left {pictures / 'red.png.xmp'}: a symbolic link" in err
    assert f"left {pictures / 'blue.png.xmp'}: not a regular file" in err
    assert (tmp_path / "elsewhere.xmp").read_text("utf-8") == LIGHTROOM


def test_a_picture_that_cannot_be_read_is_skipped(
    cli: Cli, pictures: Path, labels: tuple[str, str]
) -> None:
    (pictures / "red.png").write_bytes(b"\x89PNG\r\n\x1a\n")

    code, out, err = cli("tag", pictures, *labels, "--yes")

    assert code == 5
    assert len(out.splitlines()) == 2
    assert "skipped" in err
    assert not (pictures / "red.png.xmp").exists()


def test_two_pictures_that_share_a_sidecar_are_one_change(
    cli: Cli, pictures: Path, labels: tuple[str, str]
) -> None:
    # Both say nothing of an ending; a link to the same place by two names would be the same.
    cli("tag", pictures / "red.png", pictures / "red.png", *labels, "--yes")

    assert subjects(pictures / "red.png.xmp") == ["warm", "red"]


def test_removal_leaves_what_others_wrote(
    cli: Cli, pictures: Path, labels: tuple[str, str]
) -> None:
    (pictures / "blue.png.xmp").write_text(LIGHTROOM, "utf-8")
    cli("tag", pictures, *labels, "--yes")

    code, out, _ = cli("tag", pictures, "--remove", "--yes")
    again = cli("tag", pictures, "--remove", "--yes")

    assert code == 0
    assert len(out.splitlines()) == 3
    assert (pictures / "blue.png.xmp").read_text("utf-8") == LIGHTROOM
    assert subjects(pictures / "red.png.xmp") == []
    assert (again.code, again.out) == (0, "")


def test_removal_takes_no_labels(cli: Cli, pictures: Path, labels: tuple[str, str]) -> None:
    code, _, err = cli("tag", pictures, *labels, "--remove", "--yes")

    assert code == 2
    assert "--remove takes no labels" in err


def test_embedding_writes_into_the_pictures_and_nothing_else(
    cli: Cli, pictures: Path, labels: tuple[str, str]
) -> None:
    Image.new("RGB", (40, 30), "green").save(pictures / "green.jpg", quality=95)
    Image.new("RGB", (40, 30), "blue").save(pictures / "blue.webp")
    before = snapshot(pictures)

    code, _, err = cli("tag", pictures, *labels, "--embed", "--yes")
    found = {p.name: packet_in(p.read_bytes()) for p in sorted(pictures.glob("*.[pj]*g"))}
    removed = cli("tag", pictures, "--remove", "--embed", "--yes")
    emptied = packet_in((pictures / "red.png").read_bytes())
    cli("undo", "--yes")
    cli("undo", journals()[0], "--yes")

    assert code == 5
    assert f"left {pictures / 'blue.webp'}: WebP: nothing is written into those" in err
    assert {
        name: keywords_of(packet)[HIERARCHY] if packet else None for name, packet in found.items()
    } == {
        "blue.png": ["cold|blue"],
        "green.jpg": ["cold|green"],
        "green.png": ["cold|green"],
        "red.png": ["warm|red"],
    }
    assert not list(pictures.glob("*.xmp"))
    assert removed.code == 5
    assert emptied is not None
    assert keywords_of(emptied)[SUBJECT] == []
    assert snapshot(pictures) == before


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may do anything")
def test_a_read_only_folder_is_one_line(cli: Cli, pictures: Path, labels: tuple[str, str]) -> None:
    pictures.chmod(0o555)

    code, _, err = cli("tag", pictures, *labels, "--yes")

    assert code == 5
    assert "permission denied" in err


def test_who_stops_reading_does_not_stop_the_writing(
    cli: Cli, pictures: Path, labels: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: str) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("clipcli.workflows.tagging.report.print_line", gone)

    code, _, _ = cli("tag", pictures, *labels, "--yes")

    assert code == 0
    assert len(list(pictures.glob("*.xmp"))) == 3


def test_a_full_disk_ends_it_in_one_line_and_undo_takes_back_what_was_done(
    cli: Cli, pictures: Path, labels: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, write_new = snapshot(pictures), transfer.write_new

    def full(path: str, content: bytes, mode: int = 0o600) -> None:
        if list(pictures.glob("*.xmp")):
            raise OSError(errno.ENOSPC, "No space left on device")
        write_new(path, content, mode)

    with monkeypatch.context() as patched:
        patched.setattr(transfer, "write_new", full)
        code, _, err = cli("tag", pictures, *labels, "--yes")
    n_written = len(list(pictures.glob("*.xmp")))
    undone = cli("undo", "--yes")

    assert code == 3
    assert "could not be written (No space left on device)" in err
    assert "stopped: 1 of 3 files written" in err
    assert n_written == 1
    assert undone.code == 0
    assert snapshot(pictures) == before


def test_what_a_person_decided_wins(
    cli: Cli, pictures: Path, labels: tuple[str, str], tmp_path: Path
) -> None:
    decided = [
        record(pictures / "red.png", "red", "blue", "relabel"),
        record(pictures / "green.png", "green", None, "reject"),
    ]
    decisions = write(tmp_path / "decisions.jsonl", decided)

    code, _, _ = cli("tag", pictures, *labels, "--yes", "--decisions", decisions)

    assert code == 0
    assert subjects(pictures / "red.png.xmp") == ["cold", "blue"]
    assert subjects(pictures / "blue.png.xmp") == ["cold", "blue"]
    assert not (pictures / "green.png.xmp").exists()


# --- which labels


def result(*scores: float, **options: object) -> Classified:
    top = tuple(LabelScore(f"l{i}", p, 0.0) for i, p in enumerate(scores))
    return Classified("a.jpg", top, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "choice", "expected"),
    [
        (result(0.9, 0.1), (0.5, 1, 0.0), ["l0"]),
        (result(0.9, 0.1), (0.5, 3, 0.0), ["l0"]),
        (result(0.6, 0.3, 0.1), (0.2, 3, 0.0), ["l0", "l1"]),
        (result(0.6, 0.3, 0.1), (0.2, 1, 0.0), ["l0"]),
        (result(0.51, 0.49), (0.5, 1, 0.1), []),
        (result(0.4, 0.3, decision="below_threshold"), (0.5, 1, 0.0), []),
        (result(0.9, decision="rejected"), (0.5, 1, 0.0), []),
        (
            result(0.9, 0.8, labels=(LabelScore("l0", 0.9, 0), LabelScore("l1", 0.8, 0))),
            (0.5, 5, 0.5),
            ["l0", "l1"],
        ),
    ],
)
def test_labels_are_those_that_are_sure(
    found: Classified, choice: tuple[float, int, float], expected: list[str]
) -> None:
    from clipcli.labels.label_set import LabelSet

    label_set = LabelSet.from_names(["l0", "l1", "l2"])

    assert KeywordChoice(label_set, *choice).keywords(found) == [Keyword(each) for each in expected]


def test_a_labels_own_threshold_comes_first() -> None:
    from clipcli.labels.label_set import Label, LabelSet

    label_set = LabelSet.from_names([Label("l0", parent="p"), Label("l1", threshold=0.1)])
    choice = KeywordChoice(label_set, 0.5, 2)

    assert choice.keywords(result(0.8, 0.2)) == [Keyword("l0", "p"), Keyword("l1")]


def test_the_journal_is_about_the_outermost_folders(tmp_path: Path) -> None:
    paths = ["a/x.xmp", "a/b/y.xmp", "ab/z.xmp"]
    plan = TagPlan({path: TagTarget(str(tmp_path / path)) for path in paths})

    plan.targets = {target.path: target for target in plan.targets.values()}

    assert plan.roots() == [str(tmp_path / "a"), str(tmp_path / "ab")]
