"""``clipcli search``: the pictures most like a text or a picture, none taken for the other."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from clipcli.cli.app import run
from clipcli.errors import UsageError
from clipcli.pipeline.embed import Embedded
from clipcli.workflows.search.query import read_request
from clipcli.workflows.search.ranking import Ranking, query_rows, weighted_rows
from clipcli.workflows.search.terms import parse
from tests.fakes import FakeEncoder, letter_counts

Search = Callable[..., int]


@pytest.fixture
def search(fake_model: FakeEncoder) -> Search:
    return lambda *arguments: run(["search", *map(str, arguments)])


def unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True))


def embedded(rows: np.ndarray) -> list[Embedded]:
    return [Embedded(f"{i}.jpg", row) for i, row in enumerate(rows.astype(np.float32))]


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 40),
    top=st.integers(1, 12),
    at_once=st.integers(1, 7),
)
def test_the_ranking_is_that_of_a_stable_sort(seed: int, n: int, top: int, at_once: int) -> None:
    random = np.random.default_rng(seed)
    images = unit(random.integers(-1, 2, (n, 3)) + 0.5).astype(np.float32)  # with many ties
    queries = unit(random.integers(-1, 2, (2, 3)) + 0.5).astype(np.float32)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clipcli.workflows.search.ranking.ROWS_AT_ONCE", at_once)
        ranking = Ranking(queries, top)
        ranking.add_all(embedded(images))

    cosines = np.round(images.astype(float) @ queries.astype(float).T, 6)  # (n, 2)
    expected = [np.argsort(-column, kind="stable")[:top].tolist() for column in cosines.T]
    found = [[int(hit.path.removesuffix(".jpg")) for hit in hits] for hits in ranking.hits()]
    assert found == expected


def test_only_the_best_are_kept_in_memory() -> None:
    rows = unit(np.random.default_rng(0).normal(size=(2000, 4)))
    ranking = Ranking(rows[:1].astype(np.float32), top=3)

    ranking.add_all(embedded(rows))

    assert [len(heap) for heap in ranking._heaps] == [3]
    assert ranking.n_seen == 2000


def test_a_text_and_pictures_are_joined_with_equal_weight() -> None:
    texts = np.array([[1.0, 0.0, 0.0]], np.float32)
    pictures = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], np.float32)

    rows = query_rows(texts, pictures)

    half = 0.5**0.5  # the pictures' mean direction is (0, 1, 1) at unit length
    assert rows == pytest.approx(np.array([[half, 0.5, 0.5]]), abs=1e-6)


def test_pictures_are_ranked_by_their_cosine_with_the_text(
    search: Search, pictures: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = search(pictures, "red")

    lines = [line.split("\t") for line in capfd.readouterr().out.splitlines()]
    letters = {name: unit(letter_counts(name)) for name in ("red", "green", "blue")}
    expected = {name: float(row @ letters["red"]) for name, row in letters.items()}
    order = sorted(expected, key=lambda name: -expected[name])
    assert code == 0
    assert [Path(line[0]).stem for line in lines] == order
    assert [float(line[1]) for line in lines] == pytest.approx(
        [expected[name] for name in order], abs=1e-3
    )
    assert {line[2] for line in lines} == {"red"}


def test_a_text_is_encoded_as_it_is_written_unless_there_are_templates(
    search: Search, fake_model: FakeEncoder, pictures: Path
) -> None:
    search(pictures, "a {} dog")
    search(pictures, "--query", "dog", "--templates", "a photo of a {}. | one {}")

    assert fake_model.texts == ["a {} dog", "a photo of a dog.", "one dog"]


def test_each_query_is_a_search_of_its_own(
    search: Search, pictures: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    search(pictures, "--query", "red", "--query", "blue", "-k", 1, "-f", "jsonl")

    records = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [(r["query"], Path(r["path"]).stem, r["rank"]) for r in records] == [
        ("red", "red", 1),
        ("blue", "blue", 1),
    ]
    assert all(r["similarity"] == pytest.approx(1, abs=1e-5) for r in records)
    assert set(records[0]) == {"path", "rank", "similarity", "query", "like"}


def test_like_finds_pictures_like_one_but_not_itself(
    search: Search, pictures: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (9, 9), (250, 10, 0)).save(pictures / "reddish.png")

    search(pictures, "--like", pictures / "red.png", "-k", 2, "-f", "json")

    (found,) = json.loads(capfd.readouterr().out)["searches"]
    assert found["query"] is None
    assert found["like"] == [str(pictures / "red.png")]
    assert [Path(r["path"]).name for r in found["results"]] == ["reddish.png", "green.png"]


def test_a_least_similarity_leaves_out_the_rest(
    search: Search, pictures: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    search(pictures, "red", "--min-similarity", "0.999")

    assert [Path(x.split("\t")[0]).name for x in capfd.readouterr().out.splitlines()] == ["red.png"]


def test_a_second_search_reads_no_picture_and_says_the_same(
    search: Search, fake_model: FakeEncoder, pictures: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    search(pictures, "red")
    first, n_batches = capfd.readouterr().out, len(fake_model.batches)

    search(pictures, "red")

    assert capfd.readouterr().out == first
    assert len(fake_model.batches) == n_batches


def test_a_broken_picture_is_told_and_the_rest_is_searched(
    search: Search, pictures: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (pictures / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0")

    code = search(pictures, "red")

    told = capfd.readouterr()
    assert code == 5
    assert len(told.out.splitlines()) == 3
    assert "cut.jpg: truncated JPEG" in told.err


def test_files_are_written_in_the_format_of_their_ending(
    search: Search, pictures: Path, tmp_path: Path
) -> None:
    names = ["out.tsv", "out.csv", "out.jsonl", "out.json", "out.html"]

    search(pictures, "red, or so", *(x for name in names for x in ("-o", tmp_path / name)))

    tsv, csv = ((tmp_path / name).read_text("utf-8").splitlines() for name in names[:2])
    meta = json.loads((tmp_path / "out.jsonl.meta.json").read_text("utf-8"))
    page = (tmp_path / "out.html").read_text("utf-8")
    assert (len(tsv), csv[0]) == (3, "path,rank,similarity,query")
    assert csv[1].endswith(',"red, or so"')
    assert (meta["fingerprint"], meta["counts"]["ok"]) == ("f" * 64, 3)
    assert page.count("data:image/") >= 3
    assert "red, or so" in page
    assert search(pictures, "red", "-o", tmp_path / "out.tsv") == 2  # it is there


@pytest.mark.skipif(sys.platform != "linux", reason="needs file names of any bytes")
def test_names_of_any_kind_are_found_and_told(
    search: Search, pictures: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    for name in [b"new\nline.png", "😀.png".encode(), b"caf\xe9.png", b"<b>&\x1b[31m.png"]:
        shutil.copy(pictures / "red.png", pictures / os.fsdecode(name))

    code = search(pictures, "red", "--min-similarity", "0.999")

    lines = capfdbinary.readouterr().out.splitlines()
    names = {line.split(b"\t")[0].rpartition(b"/")[2] for line in lines}
    assert code == 0
    assert names == {b"red.png", rb"new\nline.png", "😀.png".encode(), b"caf\xe9.png"} | {
        b"<b>&\x1b[31m.png"
    }


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        ([], "what to look for is missing"),
        (["a red car"], "where to search is missing"),
        (["pictures"], "what to look for is missing"),
        (["pictures", "-"], "what to look for is missing"),
        (["pictures", "gone.jpg"], "what to look for is missing"),
        (["pictures", "a", "red", "car"], "'a': no such file or folder"),
        (["pictures", "in snow", "--like", "pictures/red.png"], "'in snow': no such file"),
        (["pictures", "--like", "pictures"], "is a folder"),
        (["pictures", "--like", "gone.png"], "no such picture"),
        (["pictures", "--like", "pictures/red.png", "-t", "photo"], "there is no text"),
        (["pictures", " "], "empty query"),
        (["pictures", "red\x07"], "U+0007"),
        (["pictures", "red", "-f", "parquet"], "unknown format"),
    ],
)
def test_what_may_be_meant_otherwise_is_refused(
    arguments: list[str],
    fact: str,
    search: Search,
    pictures: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(pictures.parent)

    code = search(*arguments)

    told = capfd.readouterr()
    assert (code, told.out) == (2, "")
    assert fact in told.err


def test_a_picture_to_look_for_that_cannot_be_read_ends_the_search(
    search: Search, pictures: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0")

    code = search(pictures, "--like", tmp_path / "cut.jpg")

    assert code == 3
    assert "--like" in capfd.readouterr().err


def test_a_text_that_is_also_a_file_goes_with_query(pictures: Path) -> None:
    (pictures / "red").touch()
    place, text = str(pictures), str(pictures / "red")

    with pytest.raises(UsageError, match="is where to search"):
        read_request([place, text], [], [], has_list=False)
    places, request = read_request([place], [text], [], has_list=False)

    assert (places, request.texts) == ((place,), (text,))


def test_a_list_of_paths_leaves_the_only_argument_to_the_text() -> None:
    places, request = read_request([], ["sunset"], [], has_list=True)
    same = read_request(["sunset"], [], [], has_list=True)

    assert (places, request) == same == ((), request)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("a red car", [("a red car", 1)]),
        ("apple - fruit", [("apple", 1), ("fruit", -1)]),
        ("2*beach + sunset - people", [("beach", 2), ("sunset", 1), ("people", -1)]),
        ("0.5 * sea +  2*sky", [("sea", 0.5), ("sky", 2)]),
        (
            "a black-and-white photo - a well-lit one",
            [("a black-and-white photo", 1), ("a well-lit one", -1)],
        ),
        ("C++ code", [("C++ code", 1)]),
        ("-5 degrees", [("-5 degrees", 1)]),
        ('"rock - paper" + scissors', [("rock - paper", 1), ("scissors", 1)]),
        ('a sign that says "no" here', [('a sign that says "no" here', 1)]),
        ("3*5 cats", [("5 cats", 3)]),
        ("4 x 4 off-road", [("4 x 4 off-road", 1)]),
    ],
)
def test_signs_between_blanks_and_weights_make_terms(
    text: str, terms: list[tuple[str, float]]
) -> None:
    assert [(term.text, term.weight) for term in parse(text)] == terms


@pytest.mark.parametrize(
    "text", ["sea -", "sea + ", "- sea", "sea + - sky", "0*sea", 'a + ""', "+"]
)
def test_a_sum_with_a_hole_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="query"):
        parse(text)


def test_a_sum_is_that_of_unit_rows_by_weight() -> None:
    texts = np.eye(3, dtype=np.float32)

    rows = weighted_rows(texts, [[(0, 2.0), (1, 1.0), (2, -1.0)], [(1, 7.0)]])

    assert rows == pytest.approx(np.array([[2, 1, -1], [0, 7**0.5, 0]]) / [[6**0.5], [7**0.5]])


def test_a_sum_of_nothing_has_no_direction() -> None:
    with pytest.raises(UsageError, match="cancel"):
        weighted_rows(np.eye(2, dtype=np.float32), [[(0, 1.0), (0, -1.0)]])


def test_what_is_taken_away_goes_down(
    search: Search, pictures: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    search(pictures, "red", "--top", "3", "-f", "jsonl")
    plain = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    code = search(pictures, "red - 5*blue", "--top", "3", "-f", "jsonl")
    less = [json.loads(line) for line in capfd.readouterr().out.splitlines()]

    def of_blue(hits: list[dict[str, float]]) -> float:
        return next(h["similarity"] for h in hits if str(h["path"]).endswith("blue.png"))

    assert code == 0
    assert of_blue(less) < of_blue(plain)
    assert {hit["query"] for hit in less} == {"red - 5*blue"}


def test_the_text_may_stand_first(pictures: Path) -> None:
    place = str(pictures)

    first = read_request(["what is red?", place, str(pictures / "red.png")], [], [], has_list=False)
    last = read_request([place, str(pictures / "red.png"), "what is red?"], [], [], has_list=False)

    assert first == last
    assert first[1].texts == ("what is red?",)
