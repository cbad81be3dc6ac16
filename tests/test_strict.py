"""The strict readers: what they refuse, and that they read everything else as the library does."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipcli.errors import ModelError
from clipcli.strict_csv import CsvError, read_named_rows, read_rows
from clipcli.strict_json import Bounds, JsonError, parse_json, read_json
from clipcli.strict_records import Between, ReadingRules, read_record

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**39), 10**39)
    | st.text()
    | st.floats(-1e300, 1e300),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=30,
)


@given(PLAIN)
def test_what_is_written_comes_back(value: Any) -> None:
    assert parse_json(json.dumps(value).encode("ascii")) == value


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("[" * 40_000, "nested more than"),
        ("[" * 100_000, "more than 50,000 items"),
        ("[" * 40 + "]" * 40, "nested more than 32 levels"),
        ('{"a":' * 33 + "1" + "}" * 33, "nested more than 32 levels"),
        ('{"a": 1, "a": 1}', 'key "a" appears twice'),
        ("9" * 5000, "a number of 5,000 digits"),
        ("9" * 41, "a number of 41 digits"),
        ("1e999", "beyond all numbers"),
        ("-1e999", "beyond all numbers"),
        ("0." + "1" * 1000, "a number of 1,002 characters"),
        ("[NaN]", "NaN is not a number"),
        ("-Infinity", "not a number"),
        (r'"\ud800"', "lone surrogate"),
        (r'{"\udfff": 1}', "lone surrogate"),
        (b'"\xff"', "not UTF-8"),
        ("[1,]", "not JSON"),
        ("", "not JSON"),
        ("[" + "[]," * 60_000 + "[]]", "more than 50,000 items"),
        ("1" * 2**20 + "1", "is larger than 1 MB"),
    ],
)
def test_refuses(text: str | bytes, fact: str) -> None:
    with pytest.raises(JsonError, match=fact):
        parse_json(text)


def test_the_deepest_that_is_allowed_is_read() -> None:
    assert parse_json("[" * 32 + "]" * 32) is not None


def test_a_pair_of_surrogates_is_a_character_and_path_bytes_may_be_allowed() -> None:
    assert parse_json(r'"\ud83d\ude00"') == "\N{GRINNING FACE}"
    assert parse_json(r'"\udcff"', Bounds(with_path_bytes=True)) == "\udcff"
    with pytest.raises(JsonError):
        parse_json(r'"\ud800"', Bounds(with_path_bytes=True))


def test_a_file_is_named_with_its_line_and_a_pipe_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{\n]", encoding="utf-8")

    with pytest.raises(ModelError, match=r"a\.json:2: not JSON"):
        read_json(tmp_path / "a.json", ModelError)
    with pytest.raises(ModelError, match=r"b\.json: No such file"):
        read_json(tmp_path / "b.json", ModelError)


@pytest.mark.parametrize(
    ("lines", "line", "fact"),
    [
        (["a,b\n", "1,2\n", '"x" y,2\n'], 3, "malformed"),
        (["a\n", "b" * 200_000 + "\n"], 2, "malformed"),
        (["a\n", '"\n', *["b\n"] * 600_000], 2, "malformed|million"),
        (["a\n", ",".join(["b"] * 600_000)], 2, "million characters"),
    ],
)
def test_csv_refuses_with_the_line_on_which_the_row_begins(
    lines: list[str], line: int, fact: str
) -> None:
    with pytest.raises(CsvError, match=fact) as caught:
        list(read_rows(lines))

    assert caught.value.line == line


@pytest.mark.parametrize("lines", [["a,a\n"], ["a,b\n", "1\n"], ["a,b\n", "1,2,3\n"]])
def test_named_rows_fit_their_header(lines: list[str]) -> None:
    with pytest.raises(CsvError):
        list(read_named_rows(lines))


@dataclass(frozen=True)
class Inner:
    size: Annotated[int, Between(1, 100)]


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner
    mode: Literal["a", 1]
    share: float = 0.5
    folder: Path | None = None
    parts: tuple[int, ...] = ()
    more: tuple[str, float] | None = None


GOOD: dict[str, Any] = {"name": "x", "inner": {"size": 3}, "mode": "a"}
RULES = ReadingRules("here", ModelError, has_defaults=True)


def test_a_record_is_read_in_its_types() -> None:
    data = GOOD | {"share": 1, "folder": "/a", "parts": [1, 2], "more": ["b", 2]}

    assert read_record(data, Outer, RULES) == Outer(
        "x", Inner(3), "a", 1.0, Path("/a"), (1, 2), ("b", 2.0)
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (5, "here: expected an object, got 5"),
        (GOOD | {"nmae": 1}, "here: nmae: unknown key"),
        ({"name": "x"}, "here: inner: missing key"),
        (GOOD | {"name": 1}, "here: name: expected a string, got 1"),
        (GOOD | {"inner": {"size": True}}, "here: inner.size: expected a positive whole number"),
        (GOOD | {"inner": {"size": 0}}, "here: inner.size: expected a positive whole number"),
        (GOOD | {"inner": {"size": 101}}, "here: inner.size: expected 100 at most, got 101"),
        (GOOD | {"inner": []}, "here: inner: expected an object"),
        (GOOD | {"mode": True}, "here: mode: expected 'a' or 1, got true"),
        (GOOD | {"share": 10**400}, "here: share: expected a number"),
        (GOOD | {"share": float("nan")}, "here: share: expected a number"),
        (GOOD | {"parts": [1, "b"]}, "here: parts.1: expected a whole number"),
        (GOOD | {"more": ["b"]}, "here: more: expected a list of 2"),
        (GOOD | {"folder": "a\0"}, "here: folder: expected a path"),
    ],
)
def test_a_record_refuses(data: Any, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        read_record(data, Outer, RULES)

    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('a,b\nx,"y\nz,w\nu,v\n', 2),  # never closed
        ('a,b\nx,"y\nz,"bee" here\n', 2),  # closed by another's
        ('a,b\n1,2\nx,"y', 3),
    ],
)
def test_a_quote_too_many_swallows_no_rows(text: str, line: int) -> None:
    with pytest.raises(CsvError, match="a quote is opened and not closed") as caught:
        list(read_rows(text.splitlines(keepends=True), is_strict=False))

    assert caught.value.line == line


def test_quotes_within_a_line_are_let_pass_where_a_table_is_not_strict() -> None:
    text = 'a,b\nx,"hello" said\nu,5" v\nw,"two\nlines"\n'

    rows = [row.cells for row in read_rows(text.splitlines(keepends=True), is_strict=False)]

    assert rows == [["a", "b"], ["x", "hello said"], ["u", '5" v'], ["w", "two\nlines"]]
