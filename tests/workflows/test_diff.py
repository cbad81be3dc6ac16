"""``clipcli diff``: what changed between two runs, worked out by hand, from any of the formats."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipcli.cli.app import run
from clipcli.errors import InputError
from clipcli.output.formats import Columns, CsvLines, jsonl_line, tsv_line
from clipcli.output.reader import Entry, ResultFile, read_results
from clipcli.results import Classified, LabelScore, Result, Skipped
from clipcli.workflows.diff.changes import KINDS, Change, compare
from tests.fakes import FakeEncoder

Out = pytest.CaptureFixture[str]


def ok(path: str, label: str, probability: float, decision: str = "label") -> Classified:
    return Classified(path, (LabelScore(label, probability, 0.5),), decision)  # type: ignore[arg-type]


def write(path: Path, results: list[Result]) -> Path:
    """Write results as ``classify`` does, in the format of the ending."""
    csv = CsvLines(Columns(1))
    lines = {
        ".jsonl": [jsonl_line(result) for result in results],
        ".csv": [csv.header(), *map(csv.line, results)],
        ".tsv": [tsv_line(result) for result in results],
        ".json": [
            '{"version": "1", "results": [' + ",\n".join(map(jsonl_line, results)) + "],",
            '"skipped": 0, "error": null, "provenance": {}}',
        ],
    }[path.suffix]
    content = "".join(line + "\n" for line in lines)
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    return path


BEFORE: list[Result] = [
    ok("same.jpg", "cat", 0.9),
    ok("label.jpg", "cat", 0.6),
    ok("unsure.jpg", "cat", 0.9),
    ok("moved.jpg", "dog", 0.5),
    ok("moved more.jpg", "dog", 0.2),
    ok("moved a bit.jpg", "dog", 0.5),
    ok("broke.jpg", "dog", 0.5),
    Skipped("mended.jpg", "truncated JPEG"),
    Skipped("broken.jpg", "truncated JPEG"),
    ok("gone.jpg", "dog", 0.5),
]
AFTER: list[Result] = [
    ok("new.jpg", "dog", 0.5),
    ok("same.jpg", "cat", 0.9),
    ok("label.jpg", "dog", 0.7),
    ok("unsure.jpg", "cat", 0.3, "below_threshold"),
    ok("moved.jpg", "dog", 0.7),
    ok("moved more.jpg", "dog", 0.9),
    ok("moved a bit.jpg", "dog", 0.55),
    Skipped("broke.jpg", "empty file"),
    ok("mended.jpg", "cat", 0.5),
    Skipped("broken.jpg", "empty file"),
]
EXPECTED = [
    ("label.jpg", "label"),
    ("unsure.jpg", "decision"),
    ("broke.jpg", "skipped"),
    ("mended.jpg", "readable"),
    ("gone.jpg", "removed"),
    ("new.jpg", "added"),
    ("moved more.jpg", "probability"),
    ("moved.jpg", "probability"),
]


@pytest.mark.parametrize("first", [".jsonl", ".json", ".csv", ".tsv"])
@pytest.mark.parametrize("second", [".jsonl", ".tsv"])
def test_changes_are_those_worked_out_by_hand(
    first: str, second: str, tmp_path: Path, capfd: Out
) -> None:
    before = write(tmp_path / f"a{first}", BEFORE)
    after = write(tmp_path / f"b{second}", AFTER)

    code = run(["diff", str(before), str(after)])

    told = capfd.readouterr()
    assert code == 6
    assert [tuple(line.split("\t")[:2]) for line in told.out.splitlines()] == EXPECTED
    assert told.out.splitlines()[0] == "label.jpg\tlabel\tcat\t0.6\tdog\t0.7"
    assert "9 pictures in both: 1 another label, 1 another decision" in told.err


def test_a_smaller_move_counts_where_it_is_asked_for(tmp_path: Path, capfd: Out) -> None:
    before, after = write(tmp_path / "a.jsonl", BEFORE), write(tmp_path / "b.jsonl", AFTER)

    run(["diff", str(before), str(after), "--min-move", "0.01", "--format", "jsonl"])

    changes = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    moved = [change["path"] for change in changes if change["change"] == "probability"]
    assert moved == ["moved more.jpg", "moved.jpg", "moved a bit.jpg"]
    assert changes[2]["after"] == {"status": "skipped", "reason": "empty file"}
    assert changes[5]["before"] is None


def test_a_run_and_itself_do_not_differ(tmp_path: Path, capfd: Out) -> None:
    files = [write(tmp_path / f"a{ending}", BEFORE) for ending in (".jsonl", ".json", ".tsv")]

    codes = [run(["diff", str(a), str(b), "--min-move", "0"]) for a in files for b in files]

    assert codes == [0] * 9
    assert capfd.readouterr().out == ""


entries = st.dictionaries(
    st.sampled_from("abcdef"),
    st.one_of(
        st.builds(Entry, st.just(""), reason=st.just("broken")),
        st.builds(Entry, st.just(""), st.none(), st.sampled_from("xy"), st.floats(0, 1)),
    ),
)


def changes_of(first: list[Entry], second: list[Entry]) -> list[Change]:
    found = compare(ResultFile("a", first), ResultFile("b", second), min_move=0)
    return list(found.changes)


@given(first=entries, second=entries)
def test_turned_round_each_change_is_its_opposite(
    first: dict[str, Entry], second: dict[str, Entry]
) -> None:
    opposite = {kind: kind for kind in KINDS} | {
        "skipped": "readable",
        "readable": "skipped",
        "added": "removed",
        "removed": "added",
    }
    a, b = ([replace(e, path=path) for path, e in run.items()] for run in (first, second))

    there = {(change.path, opposite[change.kind]) for change in changes_of(a, b)}
    back = {(change.path, change.kind) for change in changes_of(b, a)}

    assert there == back


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".tsv"])
def test_results_come_back_as_they_were(ending: str, tmp_path: Path) -> None:
    names = ["new\nline.jpg", "tab\t.jpg", "back\\n.jpg", "😀.jpg", '"a, b".jpg', "\rä.jpg"]
    results: list[Result] = [ok(name, "a, label", 0.25) for name in names]

    back = read_results(write(tmp_path / f"a{ending}", results))

    entries = list(back.entries)
    assert [e.path for e in entries] == names
    assert {(e.label, e.probability) for e in entries} == {("a, label", 0.25)}


@pytest.mark.skipif(sys.platform != "linux", reason="needs file names of any bytes")
def test_names_that_are_no_utf8_are_matched_in_all_formats(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    files = [
        write(tmp_path / f"a{ending}", [ok(name, "cat", 0.5)])
        for ending in (".jsonl", ".json", ".csv", ".tsv")
    ]

    for first in files:
        for second in files:
            found = compare(read_results(first), read_results(second), min_move=0)
            assert (list(found.changes), found.n_compared) == ([], 1)


def test_several_labels_are_compared_as_sets(tmp_path: Path) -> None:
    def several(*labels: str) -> list[Result]:
        scores = tuple(LabelScore(label, 0.8, 0.5) for label in labels)
        return [Classified("a.jpg", scores, labels=scores)]

    one = list(read_results(write(tmp_path / "a.jsonl", several("cat", "indoors"))).entries)
    same = list(read_results(write(tmp_path / "b.tsv", several("cat", "indoors"))).entries)
    other = list(read_results(write(tmp_path / "c.tsv", several("cat", "sofa"))).entries)

    assert changes_of(one, same) == []
    assert [change.kind for change in changes_of(one, other)] == ["labels"]


def test_runs_of_different_labels_and_models_are_told_in_one_line(
    fake_model: FakeEncoder, pictures: Path, tmp_path: Path, capfd: Out
) -> None:
    first, second = str(tmp_path / "a.jsonl"), str(tmp_path / "b.json")
    run(["classify", str(pictures), "--labels", "red, green", "-o", first])
    fake_model.config = FakeEncoder(name="other", fingerprint="e" * 64).config
    run(["classify", str(pictures), "--labels", "red, blue", "-o", second])
    capfd.readouterr()

    run(["diff", first, second])

    told = capfd.readouterr().err.splitlines()
    assert told[0] == "clipcli: the runs differ in model (fake, then other), labels"


def test_runs_from_different_folders_are_told(tmp_path: Path, capfd: Out) -> None:
    before = write(tmp_path / "a.tsv", [ok("x/a.jpg", "cat", 0.5)])
    after = write(tmp_path / "b.tsv", [ok("a.jpg", "cat", 0.5)])

    code = run(["diff", str(before), str(after)])

    assert code == 6
    assert "no path is in both" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (b'{"path": "a", "status": "ok"}\n', ":1: is no result"),
        (b'{"path": "a", "status": "skipped", "reason": "x"}\n{"pa', ":2: is no result"),
        (b'{"results": 3}', "is no result"),
        (b"path,status,label\na,ok,cat\n", ":2: is no result"),
        (b"a\tcat\n", ":1: is no result"),
        (b"a\tcat\tmany\n", ":1: is no result"),
        (b"a\tcat\t0.5\nb\tcat\t0.5\na\tcat\t0.5\n", "'a' appears twice"),
        (b"PAR1....", "is Parquet"),
        (b"<!doctype html>", "is a page"),
    ],
)
def test_what_is_no_result_is_refused(content: bytes, fact: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content)

    with pytest.raises(InputError) as caught:
        compare(read_results(tmp_path / "a"), ResultFile("b", []), min_move=0)

    assert fact in caught.value.message


def test_a_missing_file_is_told(tmp_path: Path, capfd: Out) -> None:
    code = run(["diff", str(tmp_path / "gone.jsonl"), str(tmp_path / "gone too.jsonl")])

    assert code == 3
    assert "gone.jsonl: no such file" in capfd.readouterr().err


def test_all_formats_are_written(tmp_path: Path) -> None:
    before, after = write(tmp_path / "a.jsonl", BEFORE), write(tmp_path / "b.jsonl", AFTER)
    names = [f"out.{ending}" for ending in ("tsv", "csv", "json", "jsonl")]

    outputs = [x for name in names for x in ("-o", str(tmp_path / name))]
    run(["diff", str(before), str(after), *outputs])

    tsv, csv, told, _ = ((tmp_path / name).read_text("utf-8") for name in names)
    assert len(tsv.splitlines()) == len(EXPECTED)
    assert csv.splitlines()[3] == "broke.jpg,skipped,dog,0.5,,,empty file"
    document = json.loads(told)
    assert document["counts"] == {
        kind: [k for _, k in EXPECTED].count(kind) for kind in KINDS if kind != "labels"
    }
    assert [(c["path"], c["change"]) for c in document["changes"]] == EXPECTED


def test_people_see_what_it_was_and_what_it_is(tmp_path: Path, capfd: Out) -> None:
    before = write(tmp_path / "a.jsonl", [*BEFORE, ok("x\x1b[2J.jpg", "cat", 0.5)])
    after = write(tmp_path / "b.jsonl", [*AFTER, ok("x\x1b[2J.jpg", "dog", 0.5)])

    run(["diff", str(before), str(after), "--format", "table"])

    shown = capfd.readouterr().out
    assert "another label: 2" in shown
    assert "  cat 60.0 % -> dog 70.0 %  label.jpg" in shown
    assert "  cat 90.0 % -> unsure 30.0 %  unsure.jpg" in shown
    assert "  skipped: truncated JPEG -> cat 50.0 %  mended.jpg" in shown
    assert "x\\x1b[2J.jpg" in shown
    assert "\x1b[2J" not in shown
