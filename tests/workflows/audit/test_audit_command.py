"""``clipcli audit`` and ``clipcli dedup`` as a user meets them."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from clipcli.cli.app import run
from clipcli.errors import ExitCode, UsageError
from clipcli.output.text import guarded
from clipcli.workflows.audit.findings import Finding, check_selectors, selected
from tests.fakes import FakeEncoder

NAMES = (
    "<script>alert(1)<script>.png",
    'quote\'s "name".png',
    "line\nbreak.png",
    "=1+1.png",
    "\U0001f469\u200d\U0001f52c.png",
    "latin-\udce9.png",
)


def findings(tree: Path, tmp_path: Path, *options: str) -> list[dict[str, Any]]:
    """Run an audit and return what it found."""
    file = tmp_path / "findings.json"
    run(["audit", str(tree), "-o", str(file), "--overwrite", "-q", *options])
    told: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return list(told["findings"])


def test_planted_faults_are_all_found(tree: Path, tmp_path: Path, sharp_model: FakeEncoder) -> None:
    shutil.copy(tree / "red" / "red-1.png", tree / "blue" / "stray.png")
    content = (tree / "red" / "red-2.png").read_bytes()
    (tree / "blue" / "cut.png").write_bytes(content[: len(content) // 2])
    (tree / "blue" / "empty.png").write_bytes(b"")
    (tree / "void").mkdir()

    found = findings(tree, tmp_path)

    names = {(f["kind"], os.path.basename(f["path"])) for f in found}  # noqa: PTH119 - of a record
    assert {("broken", "cut.png"), ("broken", "empty.png")} <= names
    assert {("exact-duplicate", "stray.png"), ("exact-duplicate", "red-1.png")} <= names
    assert [f["suggested"] for f in found if f["kind"] == "wrong-label"] == ["red"]
    assert [f["label"] for f in found if f["kind"] == "imbalance"] == ["void"]
    crossed = [f["across"] for f in found if f["kind"] == "exact-duplicate"]
    assert crossed == [["across classes"]] * 2


@pytest.mark.parametrize(
    ("fail_on", "code"),
    [("any", 6), ("leak", 6), ("duplicate,broken", 6), ("broken", 0), ("conflict", 0), (None, 0)],
)
def test_fail_on_sets_the_exit_code(
    fail_on: str | None, code: int, tree: Path, tmp_path: Path, sharp_model: FakeEncoder
) -> None:
    top = tmp_path / "splits"
    shutil.copytree(tree, top / "train")
    shutil.copytree(tree, top / "test")
    for path in (top / "test").rglob("*.png"):
        if path.name != "red-0.png":
            path.unlink()

    options = ["--fail-on", fail_on] if fail_on else []

    assert run(["audit", str(top), "-q", "-f", "json", *options]) == code


def test_skipped_pictures_end_with_their_own_code(tree: Path, sharp_model: FakeEncoder) -> None:
    (tree / "red" / "empty.png").write_bytes(b"")

    assert run(["audit", str(tree), "-q"]) == ExitCode.SKIPPED
    assert run(["audit", str(tree), "-q", "--fail-on", "broken"]) == ExitCode.FINDINGS


def test_an_unknown_kind_is_refused_before_any_work() -> None:
    with pytest.raises(UsageError, match="no such kind"):
        check_selectors("broken,typo")


def test_selectors_choose_by_kind_and_by_what_is_crossed() -> None:
    near = Finding("near-duplicate", "a", "", 1.0, across=("across splits",))
    dark = Finding("dark", "b", "", 1.0)

    assert selected([near, dark], ["leak"]) == [near]
    assert selected([near, dark], ["duplicate", "dark"]) == [near, dark]
    assert selected([near, dark], ["conflict"]) == []


@pytest.mark.skipif(os.name == "nt", reason="these are no names on Windows")
def test_names_of_all_kinds_come_through(
    tree: Path, tmp_path: Path, sharp_model: FakeEncoder
) -> None:
    for name in NAMES:
        try:
            shutil.copy(tree / "red" / "red-0.png", tree / "red" / name)
        except OSError:
            pytest.skip("this file system takes UTF-8 names only")
    page, table = tmp_path / "report.html", tmp_path / "findings.csv"

    run(["audit", str(tree), "-q", "-o", str(page), "-o", str(table), "--guard-formulas"])

    text = page.read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(table.read_bytes().decode("utf-8"), newline="")))
    copies = [row["path"] for row in rows if row["kind"] == "exact-duplicate"]
    assert len(copies) == len(NAMES) + 1
    assert "<script>alert" not in text
    assert len(re.findall("<script", text)) == 4  # settings, one block of cards, review, ours
    assert all(not cell.startswith("=") for row in rows for cell in row.values())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-2.5", "-2.5"),
        ("-2+3", "'-2+3"),
        ("+49 30", "'+49 30"),
        ("\tx", "'\tx"),
        ("plain=", "plain="),
        ("", ""),
    ],
)
def test_formulas_are_guarded_and_numbers_stay(text: str, expected: str) -> None:
    assert guarded(text) == expected


def test_the_summary_names_what_was_found_and_what_was_not(
    tree: Path, sharp_model: FakeEncoder, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(tree / "red" / "red-1.png", tree / "red" / "again\x1b[31m.png")

    run(["audit", str(tree), "--format", "table", "-q"])

    told = capsys.readouterr().out
    assert "13 pictures in 2 classes" in told
    assert re.search(r"exact-duplicate +2 ", told)
    assert "\x1b" not in told.replace("\x1b[0m", "")
    assert "none: broken" in told


def test_a_table_serves_as_well_as_folders(
    tree: Path, tmp_path: Path, sharp_model: FakeEncoder
) -> None:
    rows = [f"{p.relative_to(tmp_path)},{p.parent.name},train" for p in sorted(tree.rglob("*.png"))]
    rows[0] = rows[0].replace(",blue,", ",red,")
    table = tmp_path / "set.csv"
    table.write_text("path,label,split\n" + "\n".join(rows) + "\n", encoding="utf-8")

    found = findings(table, tmp_path)

    wrong = [f for f in found if f["kind"] == "wrong-label"]
    assert [(f["label"], f["suggested"], f["split"]) for f in wrong] == [("red", "blue", "train")]


def test_labels_give_the_classes_their_words(
    tree: Path, tmp_path: Path, sharp_model: FakeEncoder
) -> None:
    (tree / "red").rename(tree / "n01")
    (tree / "blue").rename(tree / "n02")

    options = ["--labels", "red | n01, blue | n02, green"]
    assert run(["audit", str(tree), "-q", *options]) == ExitCode.DONE
    assert run(["audit", str(tree), "-q", "--labels", "red, blue"]) == ExitCode.USAGE


def test_a_folder_without_pictures_is_told(
    tmp_path: Path, sharp_model: FakeEncoder, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "set" / "cat").mkdir(parents=True)

    code = run(["audit", str(tmp_path / "set")])

    assert code == ExitCode.NOTHING_USABLE
    assert "no pictures found" in capsys.readouterr().err


def test_dedup_says_which_to_keep_and_removes_nothing(
    tree: Path, sharp_model: FakeEncoder, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(tree / "red" / "red-3.png", tree / "zcopy.png")
    before = sorted(tree.rglob("*"))

    code = run(["dedup", str(tree), "-q"])

    lines = [line.split("\t") for line in capfd.readouterr().out.splitlines()]
    assert code == ExitCode.DONE
    assert {(line[1], line[2], Path(line[3]).name) for line in lines} == {
        ("exact-duplicate", "keep", "red-3.png"),
        ("exact-duplicate", "spare", "zcopy.png"),  # the younger
    }
    assert len(lines) == 2
    assert sorted(tree.rglob("*")) == before


@pytest.mark.parametrize("name", ["json", "jsonl", "csv", "html", "table"])
def test_dedup_writes_every_format(
    name: str, tree: Path, sharp_model: FakeEncoder, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(tree / "red" / "red-3.png", tree / "zcopy.png")

    code = run(["dedup", str(tree), "-q", "-f", name])

    assert code == ExitCode.DONE
    assert "zcopy.png" in capfd.readouterr().out
