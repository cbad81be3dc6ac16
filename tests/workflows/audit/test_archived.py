"""``audit`` and ``dedup`` where pictures are no files: what is found in their folder is found."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from clipcli.cli.app import run
from clipcli.workflows.audit.vector_copies import pairs_above
from tests.conftest import COLOURS
from tests.fakes import FakeEncoder

pytest.importorskip("pyarrow")


class Told(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Told]
N = 11  # pictures a class: enough to fit a classifier


@pytest.fixture
def cli(fake_model: FakeEncoder, capfd: pytest.CaptureFixture[str]) -> Cli:
    assert fake_model

    def call(*arguments: object) -> Told:
        code = run([str(argument) for argument in arguments])
        return Told(code, *capfd.readouterr())

    return call


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return noisy pictures of three classes, one in the wrong one, a copy, and a broken one."""
    top, noise = tmp_path / "tree", np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (top / name).mkdir(parents=True)
        for i in range(N):
            pixels = np.array(colour) * 0.9 + noise.integers(0, 20, (80, 80, 3)) * (1 + i % 4)
            picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
            picture.save(top / name / f"{i:02}.png")
    shutil.copy(top / "red" / "00.png", top / "blue" / "copy.png")
    (top / "green" / "broken.png").write_bytes((top / "green" / "00.png").read_bytes()[:99])
    return top


@pytest.fixture
def tar(tree: Path) -> Path:
    """Return the tree as a tar in the order of a walk."""
    path = tree.parent / "tree.tar"
    with tarfile.open(path, "w") as file:
        for picture in sorted(tree.glob("*/*")):
            file.add(picture, str(picture.relative_to(tree)))
    return path


def findings(told: Told, before: str) -> list[dict[str, Any]]:
    """Return findings with paths as they are below a folder or within an archive.

    Which copy is kept is left out: files tell more of themselves than members of an archive.
    """
    text = json.dumps(told.data["findings"]).replace(before, "")
    found: list[dict[str, Any]] = json.loads(text)
    copied = ("exact-duplicate", "near-duplicate")
    return [
        one | ({"suggested": "", "detail": ""} if one["kind"] in copied else {}) for one in found
    ]


def test_an_audit_of_a_tar_finds_what_one_of_its_folder_finds(
    cli: Cli, tree: Path, tar: Path
) -> None:
    folder = cli("audit", tree, "--format", "json", "--no-cache")
    archive = cli("audit", tar, "--format", "json", "--no-cache")

    found = findings(archive, f"{tar}::")
    assert (folder.code, archive.code) == (5, 5)
    assert found == findings(folder, f"{tree}/")
    kinds = {(one["kind"], one["path"]) for one in found}
    assert {("broken", "green/broken.png"), ("exact-duplicate", "blue/copy.png")} <= kinds
    assert archive.data["classes"] == folder.data["classes"]


def test_an_audit_of_parquet_reads_its_column_of_bytes(
    cli: Cli, tree: Path, tmp_path: Path
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pictures = sorted(tree.glob("*/*"))
    keys = [str(path.relative_to(tree)) for path in pictures]
    table = pa.table({"image": [path.read_bytes() for path in pictures], "key": keys})
    pq.write_table(table, tmp_path / "tree.parquet")

    told = cli("audit", tmp_path / "tree.parquet", "--format", "json", "--no-cache")

    assert findings(told, f"{tmp_path}/tree.parquet::") == findings(
        cli("audit", tree, "--format", "json", "--no-cache"), f"{tree}/"
    )


def test_an_audit_of_a_batchs_vectors_judges_labels_and_finds_copies(
    cli: Cli, tar: Path, tmp_path: Path
) -> None:
    out = tmp_path / "vectors"
    cli("batch", "embed", tar, "--into", out, "--shard-size", 5, "--max-skipped", "50%")

    told = cli("audit", out, "--format", "json", "--fail-on", "conflict")

    found = findings(told, f"{tar}::")
    assert told.code == 6
    assert {one["path"] for one in found if one["kind"] == "broken"} == {"green/broken.png"}
    wrong = [one for one in found if one["kind"] == "wrong-label"]
    assert [(one["path"], one["suggested"]) for one in wrong] == [("blue/copy.png", "red")]
    copies = {one["path"] for one in found if one["kind"] == "near-duplicate"}
    assert {"blue/copy.png", "red/00.png"} <= copies
    assert not any(one["kind"] in ("blurred", "tiny", "dark") for one in found)


def test_a_table_tells_the_classes_of_members_without_folders(
    cli: Cli, tree: Path, tmp_path: Path
) -> None:
    flat, table = tmp_path / "flat.tar", tmp_path / "truth.csv"
    with tarfile.open(flat, "w") as file:
        for i, picture in enumerate(sorted(tree.glob("*/*.png"))):
            file.add(picture, f"{i:02}.png")
    rows = [f"{i:02}.png,{p.parent.name}" for i, p in enumerate(sorted(tree.glob("*/*.png")))]
    table.write_text("key,label\n" + "\n".join(rows), encoding="utf-8")

    without = cli("audit", flat)
    told = cli("audit", flat, "--truth", table, "--format", "json")

    assert without.code == 3
    assert "no class is known of any picture" in without.err
    assert [one["pictures"] for one in told.data["classes"]] == [N + 1, N, N]


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        (("--apply", "decisions.jsonl", "--yes"), "cannot be moved, so --apply does not go with"),
        (("--splits", "train"), "in an archive those called train"),
        (("--truth", "gone.csv"), "gone.csv: no such file"),
    ],
)
def test_what_an_archive_cannot_do_is_refused(
    arguments: tuple[str, ...], fact: str, cli: Cli, tar: Path
) -> None:
    told = cli("audit", tar, *arguments)

    assert told.code in (2, 3)
    assert fact in told.err


def test_results_are_no_data_set(cli: Cli, tar: Path, tmp_path: Path) -> None:
    out, labels = tmp_path / "out", ("--labels", "red, green, blue")
    cli("batch", "classify", tar, *labels, "--into", out, "--max-skipped", "50%")

    told = [cli(command, out) for command in ("audit", "dedup")]

    assert [one.code for one in told] == [3, 3]
    assert all("holds results, of batch classify, and not vectors" in one.err for one in told)


def test_copies_in_a_tar_are_those_in_its_folder(cli: Cli, tree: Path, tar: Path) -> None:
    strategy = ("--format", "tsv", "--no-cache")
    folder = cli("dedup", tree, "--strategy", "first", *strategy)

    archive = cli("dedup", tar, *strategy)

    def groups(told: Told, before: str) -> list[list[str]]:
        lines = told.out.replace(before, "").splitlines()
        rows = [line.split("\t") for line in lines]
        return [[number, kind, path] for number, kind, _, path, _ in rows]

    assert groups(archive, f"{tar}::") == groups(folder, f"{tree}/")
    assert len(groups(archive, f"{tar}::")) >= 2


@pytest.mark.parametrize("option", [("--move", "away"), ("--strategy", "oldest")])
def test_nothing_is_done_with_members_of_a_tar(
    option: tuple[str, ...], cli: Cli, tar: Path
) -> None:
    told = cli("dedup", tar, *option, "--yes")

    assert told.code == 2
    assert f"no files of this machine, so {option[0]} does not go with it" in told.err


def test_copies_in_a_batch_over_files_here_are_put_away_as_usual(
    cli: Cli, tree: Path, tmp_path: Path
) -> None:
    out = tmp_path / "vectors"
    cli("batch", "embed", tree, "--into", out, "--max-skipped", "50%")
    plain = cli("dedup", tree, "--dry-run", "--trash", "--format", "tsv")

    told = cli("dedup", out, "--move", tmp_path / "away", "--yes", "--format", "tsv")

    assert told.out == plain.out
    assert "are looked at" in told.err
    moved = list((tmp_path / "away").rglob("*.png"))
    assert len(moved) == 1
    assert len(list(tree.glob("*/*"))) == 3 * N + 1


def test_pairs_are_those_that_a_product_of_all_finds() -> None:
    rows = np.random.default_rng(0).normal(size=(2500, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)

    found = sorted(pairs_above(rows, 0.97))

    first, second = np.nonzero(np.triu(rows @ rows.T, 1) >= 0.97)
    assert found == sorted(zip(first.tolist(), second.tolist(), strict=True))
    assert len(found) > 10
