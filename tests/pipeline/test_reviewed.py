"""Files of decisions: what is read, and what is refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clipcli.pipeline.reviewed import DecisionsError, labels_of, read_decisions
from tests.decisions import record, write


@pytest.fixture
def records(pictures: Path) -> list[dict[str, Any]]:
    return [
        record(pictures / "red.png", "red", "red", "accept"),
        record(pictures / "green.png", "red", "green", "relabel"),
        record(pictures / "blue.png", "green", None, "reject"),
    ]


def test_reads_what_a_page_saves(tmp_path: Path, records: list[dict[str, Any]]) -> None:
    found = read_decisions(write(tmp_path / "d.jsonl", records))

    assert [(one.old, one.new, one.is_rejected) for one in found] == [
        ("red", "red", False),
        ("red", "green", False),
        ("green", None, True),
    ]
    assert labels_of(found) == ("red", "green")


def test_files_may_be_joined(tmp_path: Path, records: list[dict[str, Any]]) -> None:
    first = write(tmp_path / "a.jsonl", records[:2]).read_text("utf-8")
    second = write(tmp_path / "b.jsonl", records[1:]).read_text("utf-8")
    (tmp_path / "d.jsonl").write_text(first + second, encoding="utf-8")

    assert len(read_decisions(tmp_path / "d.jsonl")) == 3


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"version": 2}, r":1: is of version 2, and this clipcli reads up to 1"),
        ({"version": 0}, r":1: version: there is no version 0"),
        ({"count": 4}, r"holds 3 of 4 decisions, so it is not whole"),
        ({"page": 7}, r":1: page: expected a string"),
        ({"more": 7}, r":1: more: unknown key"),
        ({"clipcli": "results"}, r":1: clipcli: expected 'decisions'"),
    ],
)
def test_refuses_a_header(
    tmp_path: Path, records: list[dict[str, Any]], change: dict[str, Any], told: str
) -> None:
    path = write(tmp_path / "d.jsonl", records, **change)

    with pytest.raises(DecisionsError, match=told) as error:
        read_decisions(path)

    assert error.value.exit_code == 2
    assert "\n" not in error.value.message


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"sha256": "12"}, r":2: sha256: expected 64 hexadecimal digits"),
        ({"bytes": -1}, r":2: bytes: expected"),
        ({"new": None}, r":2: the verdict 'accept' does not fit the labels"),
        ({"verdict": "relabel"}, r":2: the verdict 'relabel' does not fit the labels"),
        ({"verdict": "reject"}, r":2: the verdict 'reject' does not fit the labels"),
        ({"verdict": "maybe"}, r":2: verdict: expected 'accept' or"),
        ({"old": 3}, r":2: old: expected a string"),
    ],
)
def test_refuses_a_record(
    tmp_path: Path, records: list[dict[str, Any]], change: dict[str, Any], told: str
) -> None:
    path = write(tmp_path / "d.jsonl", [records[0] | change, *records[1:]])

    with pytest.raises(DecisionsError, match=told):
        read_decisions(path)


def test_refuses_half_a_file_wherever_it_was_cut(
    tmp_path: Path, records: list[dict[str, Any]]
) -> None:
    whole = write(tmp_path / "d.jsonl", records).read_bytes()

    for n_bytes in range(len(whole) - 1):  # the last line's end alone may be missing
        (tmp_path / "d.jsonl").write_bytes(whole[:n_bytes])
        with pytest.raises(DecisionsError):
            read_decisions(tmp_path / "d.jsonl")


def test_half_a_line_is_told_in_plain_words(tmp_path: Path, records: list[dict[str, Any]]) -> None:
    path = write(tmp_path / "d.jsonl", records)
    path.write_bytes(path.read_bytes()[:-40])

    with pytest.raises(DecisionsError, match=r":4: not JSON, so the file is not whole"):
        read_decisions(path)


def test_refuses_two_labels_of_one_content(tmp_path: Path, records: list[dict[str, Any]]) -> None:
    other = records[1] | {"path": "elsewhere.png", "new": "blue"}
    path = write(tmp_path / "d.jsonl", [*records, other])

    with pytest.raises(DecisionsError, match=r"lines 3 and 5 contradict each other about elsew"):
        read_decisions(path)


def test_refuses_two_verdicts_on_one_picture(tmp_path: Path, records: list[dict[str, Any]]) -> None:
    other = records[0] | {"new": None, "verdict": "reject"}
    path = write(tmp_path / "d.jsonl", [*records, other])

    with pytest.raises(DecisionsError, match=r"lines 2 and 5 contradict each other"):
        read_decisions(path)


@pytest.mark.parametrize("content", [b"", b"\n\n", b'{"path": "a"}\n', b"path,label\n", b"\xff\n"])
def test_refuses_what_is_no_file_of_decisions(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "d.jsonl"
    path.write_bytes(content)

    with pytest.raises(DecisionsError):
        read_decisions(path)
