"""``clipcli eval`` of answers that were given before: the figures of the pictures themselves."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from clipcli.images.class_tree import Place
from clipcli.images.key_truth import KeyTruth
from clipcli.pipeline.session import Session
from tests.workflows.evaluation.test_eval_command import Cli, cli, tree

pytest.importorskip("pyarrow")
assert cli, tree  # fixtures
LABELS = ("--labels", "blue, green, red", "--templates", "{}")


@pytest.fixture
def tar(tree: Path) -> Path:
    """Return the tree as a tar, with a broken picture in it."""
    (tree / "red" / "broken.png").write_bytes((tree / "red" / "0.png").read_bytes()[:30])
    path = tree.parent / "tree.tar"
    with tarfile.open(path, "w") as file:
        for name in ("blue", "green", "red"):
            file.add(tree / name, f"test/{name}")
    return path


@pytest.fixture
def out(tar: Path, cli: Cli) -> Path:
    """Return what ``batch classify`` says of the tar, in four parts."""
    into = tar.parent / "out"
    more = ("--shard-size", 5, "--max-skipped", "50%")
    assert cli("batch", "classify", tar, *LABELS, "--into", into, *more).code == 5
    return into


def figures(told: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in told.items() if key not in ("source", "provenance")}


def test_answers_of_a_batch_have_the_figures_of_their_pictures(
    cli: Cli, tree: Path, out: Path
) -> None:
    pictures = cli("eval", tree, *LABELS, "--format", "json")
    rows = cli("eval", out, "--format", "json")

    expected = figures(pictures.data)
    [skipped] = expected["skipped"]
    skipped["path"] = f"{tree}.tar::test/red/broken.png"
    assert (pictures.code, rows.code) == (5, 5)
    assert figures(rows.data) == expected
    assert rows.data["confusion"]["counts"] == [[5, 0, 0], [0, 4, 1], [1, 0, 4]]


def test_answers_in_one_file_are_judged_too(cli: Cli, tree: Path) -> None:
    file = tree.parent / "rows.parquet"
    cli("classify", tree, *LABELS, "-o", file)

    outcome = cli("eval", file)

    assert outcome.code == 0
    assert "top-1\t0.866667" in outcome.out


def test_answers_of_an_interrupted_run_are_said_to_be_some(
    cli: Cli, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, tally = tree.parent / "rows.parquet", Session.tally

    def cut_short(self: Session, results: Iterable[Any], **more: Any) -> Iterator[Any]:
        yield from islice(tally(self, results, **more), 7)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Session, "tally", cut_short)
        assert cli("classify", tree, *LABELS, "-o", file).code == 130
    outcome = cli("eval", file)

    assert outcome.code == 0
    assert outcome.out.startswith("pictures\t7\n")
    assert f"{file} is not complete: interrupted" in outcome.err


def test_a_table_tells_the_truth_by_key_or_by_member(cli: Cli, out: Path, tmp_path: Path) -> None:
    table = tmp_path / "truth.csv"
    keys = ["test/red/0.png,Blue", f"{tmp_path}/tree.tar::test/blue/1.png,blue", "gone.png,green"]
    table.write_text("key,label\n" + "\n".join(keys), encoding="utf-8")

    outcome = cli("eval", out, "--truth", table, "--format", "json")

    assert outcome.data["n_pictures"] == 2
    assert outcome.data["top1"]["value"] == 0.5
    assert "13 rows left out, whose true class is not known" in outcome.err


def test_classes_that_no_row_names_need_the_label_set_of_the_run(
    cli: Cli, out: Path, tmp_path: Path
) -> None:
    table, synonyms = tmp_path / "truth.csv", tmp_path / "labels.txt"
    table.write_text("key,label\ntest/red/0.png,crimson\n", encoding="utf-8")
    synonyms.write_text("blue\ngreen\nred | crimson\n", encoding="utf-8")

    without = cli("eval", out, "--truth", table)
    other = cli("eval", out, "--truth", table, "--labels", synonyms)

    assert (without.code, other.code) == (3, 2)
    assert "no row names the label of 1 of 1 classes: 'crimson'" in without.err
    assert "is not the label set that" in other.err


def test_synonyms_of_the_runs_own_label_set_are_classes(
    cli: Cli, tar: Path, tmp_path: Path
) -> None:
    table, synonyms = tmp_path / "truth.csv", tmp_path / "labels.txt"
    table.write_text("key,label\ntest/red/0.png,crimson\n", encoding="utf-8")
    synonyms.write_text("blue\ngreen\nred | crimson\n", encoding="utf-8")
    rows = tmp_path / "rows.parquet"
    cli("classify", tar, "--labels", synonyms, "-o", rows)

    outcome = cli("eval", rows, "--truth", table, "--labels", synonyms, "--format", "json")

    assert outcome.data["confusion"]["labels"] == ["blue", "green", "red"]
    assert [label["n"] for label in outcome.data["labels"]] == [0, 0, 1]


@pytest.mark.parametrize(
    ("arguments", "code", "fact"),
    [
        (("--calibrate",), 2, "holds answers, so no other can be asked for"),
        (("--compare", "model=other"), 2, "holds answers"),
        (("--pictures", "p.csv"), 2, "holds answers"),
        (("-o", "page.html"), 2, "html"),
        (("--truth", "gone.csv"), 3, "gone.csv: no such file"),
    ],
)
def test_what_answers_cannot_tell_is_refused(
    arguments: tuple[str, ...], code: int, fact: str, cli: Cli, out: Path
) -> None:
    outcome = cli("eval", out, *arguments)

    assert outcome.code == code
    assert fact in outcome.err


def test_vectors_and_tables_of_something_else_are_refused(
    cli: Cli, tree: Path, tmp_path: Path
) -> None:
    cli("batch", "embed", tree, "--into", tmp_path / "vectors")
    cli("embed", tree, "-o", tmp_path / "v.parquet")

    batch, file = cli("eval", tmp_path / "vectors"), cli("eval", tmp_path / "v.parquet")

    assert (batch.code, file.code) == (3, 3)
    assert "holds vectors, of batch embed, and not results" in batch.err
    assert "no result of clipcli classify" in file.err


def test_truth_of_pictures_belongs_into_a_table_of_paths(cli: Cli, tree: Path) -> None:
    outcome = cli("eval", tree, "--truth", "a.csv")

    assert outcome.code == 2
    assert "name the table itself" in outcome.err


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("a.tar::cat/1.jpg", Place("cat")),
        ("s3://bucket/a.tar::./train/cat/1.jpg", Place("cat", "train")),
        ("photos/a.tar::1.jpg", Place(None)),
        ("https://host/cat/1.jpg", Place("cat")),
        ("https://host/1.jpg", Place(None)),
        ("photos/val/dog/1.jpg", Place("dog", "val")),
        ("train/1.jpg", Place("train")),
        ("1.jpg", Place(None)),
    ],
)
def test_the_folder_that_a_picture_lies_in_is_its_class(key: str, place: Place) -> None:
    assert KeyTruth().place_of(key) == place
