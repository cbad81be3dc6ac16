"""Every format is read back by somebody else's reader, and says what was written."""

from __future__ import annotations

import base64
import csv
import dataclasses
import json
import os
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from clipcli.output.formats import Columns, CsvLines
from clipcli.results import Classified, LabelScore, Provenance, Result, Skipped
from tests.output.conftest import AWKWARD, classified, read_json_lines, write_all

# The contract. A key may be added here; none may ever be taken away or mean something else.
RECORD_KEYS = {"path", "status", "label", "probability", "top"}
SKIPPED_KEYS = {"path", "status", "reason"}
SCORE_KEYS = {"label", "probability", "similarity"}
DOCUMENT_KEYS = {"version", "results", "skipped", "error", "provenance"}
PROVENANCE_KEYS = {
    "model",
    "fingerprint",
    "label_set",
    "label_set_hash",
    "templates",
    "rules",
    "device",
    "precision",
    "text_precision",
    "exact",
    "convert_profiles",
    "top_k",
    "min_prob",
    "probability_kind",
    "logit_scale",
    "versions",
    "started",
    "finished",
    "counts",
    "temperature",
    "reject_threshold",
    "backend",
    "engine",
    "probe",
}
CSV_COLUMNS = ["path", "status", "label", "probability", "reason"]


def printable(path: str) -> str:
    """Return a path as text formats that must be UTF-8 show it."""
    return os.fsencode(path).decode("utf-8", "replace")


def unescape(field: str) -> str:
    """Undo the escapes of TSV, written from its description alone."""
    meanings = {"\\t": "\t", "\\n": "\n", "\\r": "\r", "\\\\": "\\"}
    return re.sub(r"\\[tnr\\]", lambda match: meanings[match[0]], field)


def read_tsv(path: Path) -> list[list[str]]:
    content = os.fsdecode(path.read_bytes())
    return [line.split("\t") for line in content.removesuffix("\n").split("\n")]


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def awkward() -> list[Result]:
    return [classified(name, (name.replace("\udce9", "é"), 0.75)) for name in AWKWARD]


def test_jsonl_has_the_documented_keys(
    results: list[Result], provenance: Provenance, tmp_path: Path
) -> None:
    ok, skipped, unsure, rejected = read_json_lines(
        write_all(tmp_path / "out.jsonl", results, provenance)
    )

    assert set(ok) == RECORD_KEYS
    assert set(skipped) == SKIPPED_KEYS
    assert set(unsure) == RECORD_KEYS | {"decision"}
    assert set(rejected) == RECORD_KEYS | {"decision", "parents"}
    assert ok["top"][0] == {"label": "cat", "probability": 0.7, "similarity": 0.175}  # type: ignore[index]
    assert (ok["status"], ok["label"], ok["probability"]) == ("ok", "cat", 0.7)
    assert skipped == {"path": "b.jpg", "status": "skipped", "reason": "truncated JPEG"}
    assert (unsure["label"], unsure["decision"]) == (None, "below_threshold")
    assert len(unsure["top"]) == 2  # type: ignore[arg-type]
    assert (rejected["label"], rejected["decision"]) == (None, "rejected")
    assert set(rejected["parents"][0]) == SCORE_KEYS  # type: ignore[index]


def test_json_is_one_object_with_results_in_input_order(
    results: list[Result], provenance: Provenance, tmp_path: Path
) -> None:
    path = write_all(tmp_path / "out.json", results, provenance)

    document = json.loads(path.read_bytes())

    assert set(document) == DOCUMENT_KEYS
    assert [record["path"] for record in document["results"]] == [
        "a.jpg",
        "b.jpg",
        "c.jpg",
        "d.jpg",
    ]
    assert (document["skipped"], document["error"]) == (1, None)
    assert set(document["provenance"]) == PROVENANCE_KEYS


def test_provenance_lies_beside_formats_that_have_no_room_for_it(
    results: list[Result], provenance: Provenance, tmp_path: Path
) -> None:
    for ending in ("tsv", "csv", "jsonl"):
        write_all(tmp_path / f"out.{ending}", results, provenance, "interrupted")

        told = json.loads((tmp_path / f"out.{ending}.meta.json").read_bytes())

        assert set(told) == PROVENANCE_KEYS | {"error"}
        assert told["error"] == "interrupted"
        assert told["counts"] == {"ok": 3, "skipped": 1, "ignored": 0}


def test_tsv_has_path_label_and_probability(
    results: list[Result], provenance: Provenance, tmp_path: Path
) -> None:
    rows = read_tsv(write_all(tmp_path / "out.tsv", results, provenance))

    assert rows == [
        ["a.jpg", "cat", "0.7"],
        ["b.jpg", "", ""],
        ["c.jpg", "", "0.4"],
        ["d.jpg", "", "1e-07"],
    ]


def test_csv_has_a_header_and_rows_of_one_width(
    results: list[Result], provenance: Provenance, tmp_path: Path
) -> None:
    path = write_all(tmp_path / "out.csv", results, provenance)

    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)

    assert header == [*CSV_COLUMNS, "label_2", "probability_2", "label_3", "probability_3"]
    assert {len(row) for row in rows} == {len(header)}
    assert rows[0] == ["a.jpg", "ok", "cat", "0.7", "", "dog", "0.2", "teapot", "0.1"]
    assert rows[1][:5] == ["b.jpg", "skipped", "", "", "truncated JPEG"]
    assert rows[2][:6] == ["c.jpg", "ok", "", "0.4", "below_threshold", "cat"]


def test_guarded_csv_holds_no_formulas() -> None:
    score = LabelScore("@SUM(A1)", 0.5, -0.25)
    result = Classified(path="=1+1.jpg", top=(score,))

    plain, guarded = (
        CsvLines(Columns(1)).line(result),
        CsvLines(Columns(1, is_guarded=True)).line(result),
    )

    assert plain.split(",")[:4] == ["=1+1.jpg", "ok", "@SUM(A1)", "0.5"]
    assert guarded.split(",")[:4] == ["'=1+1.jpg", "ok", "'@SUM(A1)", "0.5"]


def test_parquet_has_typed_columns_and_provenance(
    results: list[Result], provenance: Provenance, tmp_path: Path
) -> None:
    path = write_all(tmp_path / "out.parquet", results, provenance)

    table = pq.read_table(path)

    assert table.column_names == [
        "path",
        "path_bytes",
        "status",
        "label",
        "probability",
        "decision",
        "reason",
        "top",
        "parents",
        "labels",
        "reject_score",
    ]
    assert table["path"].to_pylist() == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    assert table["probability"].to_pylist() == [0.7, None, 0.4, 1e-7]
    assert table["top"].to_pylist()[0][0] == {
        "label": "cat",
        "probability": 0.7,
        "similarity": 0.175,
    }
    told = json.loads(pq.read_metadata(path).metadata[b"clipcli"])
    assert set(told) == PROVENANCE_KEYS | {"error"}


def test_names_of_all_kinds_come_back_from_tsv(
    awkward: list[Result], provenance: Provenance, tmp_path: Path
) -> None:
    rows = read_tsv(write_all(tmp_path / "out.tsv", awkward, provenance))

    assert [unescape(row[0]) for row in rows] == list(AWKWARD)
    assert {len(row) for row in rows} == {3}


def test_names_of_all_kinds_come_back_from_csv(
    awkward: list[Result], provenance: Provenance, tmp_path: Path
) -> None:
    rows = read_csv(write_all(tmp_path / "out.csv", awkward, provenance))

    assert [row["path"] for row in rows] == [name.replace("\udce9", "\\xe9") for name in AWKWARD]


def test_names_of_all_kinds_come_back_from_jsonl(
    awkward: list[Result], provenance: Provenance, tmp_path: Path
) -> None:
    records = read_json_lines(write_all(tmp_path / "out.jsonl", awkward, provenance))

    assert [record["path"] for record in records] == [printable(name) for name in AWKWARD]


def test_names_that_are_not_utf8_also_come_as_bytes(provenance: Provenance, tmp_path: Path) -> None:
    results = [classified("latin-\udce9.jpg"), Skipped("b\udcff", "empty file"), classified("ok")]

    records = read_json_lines(write_all(tmp_path / "out.jsonl", results, provenance))
    table = pq.read_table(write_all(tmp_path / "out.parquet", results, provenance))

    expected = [b"latin-\xe9.jpg", b"b\xff", None]
    for found in ([r.get("path_bytes") for r in records], table["path_bytes"].to_pylist()):
        assert [text and base64.b64decode(text) for text in found] == expected  # type: ignore[arg-type]


def test_names_of_all_kinds_come_back_from_parquet(
    awkward: list[Result], provenance: Provenance, tmp_path: Path
) -> None:
    table = pq.read_table(write_all(tmp_path / "out.parquet", awkward, provenance))

    assert table["path"].to_pylist() == [printable(name) for name in AWKWARD]


@pytest.mark.parametrize("ending", ["json", "parquet", "jsonl", "csv", "tsv"])
def test_many_results_fill_many_blocks(
    ending: str, provenance: Provenance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipcli.output.result_table.ROWS_AT_ONCE", 7)
    results = [classified(f"{i}.jpg") for i in range(50)]

    path = write_all(tmp_path / f"out.{ending}", results, provenance)

    readers = {
        "json": lambda: [record["path"] for record in json.loads(path.read_bytes())["results"]],
        "parquet": lambda: [name.as_py() for name in pq.read_table(path)["path"]],
        "jsonl": lambda: [record["path"] for record in read_json_lines(path)],
        "csv": lambda: [row["path"] for row in read_csv(path)],
        "tsv": lambda: [row[0] for row in read_tsv(path)],
    }
    assert readers[ending]() == [f"{i}.jpg" for i in range(50)]


def test_the_contract_lists_every_field_of_provenance() -> None:
    assert {field.name for field in dataclasses.fields(Provenance)} == PROVENANCE_KEYS
