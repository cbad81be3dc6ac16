"""Neighbours: what an index finds is what comparing each with each finds, but for a few."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from clipcli.cli.app import run
from clipcli.errors import UsageError
from clipcli.workflows.audit import index_choice
from clipcli.workflows.audit.index_choice import neighbours, uses_index
from clipcli.workflows.audit.neighbours import NONE, Compared
from tests.workflows.audit.conftest import scene

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST = 0.9


def unit(rows: NDArray[Any]) -> NDArray[np.float32]:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def rows() -> NDArray[np.float32]:
    """Return 4,000 rows in 40 clouds, a tenth of them changed a little, and three of zeros."""
    drawn = np.random.default_rng(1)
    centres = drawn.normal(size=(40, 48))
    found = unit(centres[drawn.integers(40, size=4000)] + drawn.normal(size=(4000, 48)))
    places = drawn.permutation(4000)
    found[places[:400]] = unit(found[places[400:800]] + 0.04 * drawn.normal(size=(400, 48)))
    found[[5, 1700, 3999]] = 0
    return found


def keys(pairs: Any, n: int) -> list[int]:
    return sorted(
        {int(i) * n + int(j) for one, two, _ in pairs for i, j in zip(one, two, strict=True)}
    )


def by_hand(rows: NDArray[np.float32], queries: NDArray[np.float32]) -> list[int]:
    n = len(rows)
    i, j = np.nonzero(np.triu(queries.astype(np.float64) @ rows.T.astype(np.float64), 1) >= LEAST)
    return sorted((i * n + j).tolist())


def test_comparing_finds_all_pairs_and_neighbours(rows: NDArray[np.float32]) -> None:
    among = Compared(rows)

    assert keys(among.pairs(rows, LEAST), len(rows)) == by_hand(rows, rows)
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -2)
    best = np.sort(np.argsort(-cosines, axis=1)[:, :5], axis=1)
    is_row = rows.any(axis=1)  # of zeros, any neighbours are as good
    assert (np.sort(among.nearest(rows, 5), axis=1) == best)[is_row].all()


def test_fewer_rows_than_neighbours_are_filled_up() -> None:
    few = np.eye(3, dtype=np.float32)

    found = np.sort(Compared(few).nearest(few, 4), axis=1)

    assert found.tolist() == [[NONE, NONE, 1, 2], [NONE, NONE, 0, 2], [NONE, NONE, 0, 1]]


def test_an_index_finds_nearly_all_pairs_and_no_others(rows: NDArray[np.float32]) -> None:
    pytest.importorskip("faiss")
    among = neighbours(rows, by_index=True)

    found = list(among.pairs(rows, LEAST))

    expected = by_hand(rows, rows)
    assert len(expected) >= 390
    assert set(keys(found, len(rows))) <= set(expected)
    assert len(keys(found, len(rows))) >= 0.99 * len(expected)
    for one, two, alike in found:
        assert (one < two).all()
        np.testing.assert_allclose(alike, (rows[one] * rows[two]).sum(axis=1), rtol=1e-5)


def test_an_index_is_asked_for_mirror_images(rows: NDArray[np.float32]) -> None:
    pytest.importorskip("faiss")
    # Exchanging halves is a mirror here: applied twice it is nothing, and cosines stay.
    mirrored = np.roll(rows, 24, axis=1)
    plain = rows.copy()
    plain[100:110] = mirrored[200:210]
    mirrored = np.ascontiguousarray(np.roll(plain, 24, axis=1))

    found = keys(neighbours(plain, by_index=True).pairs(mirrored, LEAST), len(plain))

    assert found == by_hand(plain, mirrored)
    assert {100 * 4000 + 200, 109 * 4000 + 209} <= set(found)


def test_an_index_finds_nearly_all_neighbours(rows: NDArray[np.float32]) -> None:
    pytest.importorskip("faiss")
    is_row = rows.any(axis=1)
    exact = Compared(rows).nearest(rows, 10)

    found = neighbours(rows, by_index=True).nearest(rows, 10)

    shared = [len({*a} & {*b}) for a, b in zip(found[is_row], exact[is_row], strict=True)]
    assert sum(shared) >= 0.95 * 10 * len(shared)
    assert not (found == np.arange(len(rows))[:, None]).any()  # nothing is next to itself


def test_an_index_gives_the_same_answer_twice_on_any_number_of_threads(
    rows: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("faiss")
    answers = []
    for n_threads in (1, 2, 2):
        monkeypatch.setattr("clipcli.workflows.audit.row_index.usable_cores", lambda n=n_threads: n)
        among = neighbours(rows, by_index=True)
        answers.append((keys(among.pairs(rows, 0.8), 4000), among.nearest(rows, 10).tolist()))

    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize("n", [0, 1, 2, 30])
def test_an_index_of_few_rows_or_of_zeros(n: int) -> None:
    pytest.importorskip("faiss")
    ones, zeros = np.full((n, 4), 0.5, np.float32), np.zeros((n, 4), np.float32)

    assert len(keys(neighbours(ones, by_index=True).pairs(ones, LEAST), n)) == n * (n - 1) // 2
    assert keys(neighbours(zeros, by_index=True).pairs(zeros, LEAST), n) == []
    assert (neighbours(zeros, by_index=True).nearest(zeros, 3) == NONE).all()


def test_who_searches_is_a_matter_of_how_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(index_choice, "find_spec", lambda _: object())

    answers = [uses_index("auto", n, said.append) for n in (99_999, 100_000)]
    asked = [uses_index("exact", 10**7, said.append), uses_index("faiss", 2, said.append)]

    assert answers == [False, True]
    assert asked == [False, True]
    assert said == [
        "near copies among 100,000 pictures: found by an index; --index exact misses none"
    ]


def test_without_faiss_each_is_compared_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(index_choice, "find_spec", lambda _: None)

    assert not uses_index("auto", 100_000, said.append)
    assert said[0].endswith(
        'each is compared with each; pip install "clipcli[index]" makes that faster'
    )


def test_beside_torch_on_macos_there_is_no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_choice, "find_spec", lambda _: object())
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setitem(sys.modules, "torch", types.ModuleType("torch"))

    assert not uses_index("auto", 100_000, lambda _: None)
    with pytest.raises(UsageError, match="beside torch"):
        uses_index("faiss", 100_000, lambda _: None)


@pytest.mark.usefixtures("fake_model")
def test_dedup_finds_the_same_copies_by_an_index(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("faiss")
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(9):
        scene(i).save(folder / f"{i}.png")
    scene(3).resize((120, 90)).save(folder / "small.jpg")
    scene(5).crop((8, 0, 240, 176)).save(folder / "cut.png")

    answers = []
    for kind in ("exact", "faiss"):
        assert run(["dedup", str(folder), "--no-cache", "--index", kind, "--format", "tsv"]) == 0
        answers.append(capsys.readouterr().out)

    assert answers[0] == answers[1]
    assert {line.split("\t")[3].rpartition("/")[2] for line in answers[0].splitlines()} == {
        "3.png", "small.jpg", "5.png", "cut.png"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "is_installed", "said"),
    [
        ("hnsw", True, "--index hnsw: no such index"),
        ("faiss", False, 'faiss is not installed\n  hint: pip install "clipcli[index]", or'),
    ],
)
def test_an_index_that_cannot_be_had_is_refused_at_once(
    kind: str,
    is_installed: bool,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(index_choice, "find_spec", lambda _: object() if is_installed else None)

    code = run(["dedup", str(tmp_path), "--index", kind])

    assert code == 2
    assert said in capsys.readouterr().err
