from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clipcli.errors import InputError
from clipcli.training.data.packed import is_packed, open_packed

HEADER = "source\tpath\tsplit\trole\tcaptions\tconcepts"


def write(folder: Path, *lines: str, n: int = 3) -> Path:
    folder.mkdir(exist_ok=True)
    np.save(folder / "pictures.npy", np.arange(n * 12, dtype=np.uint8).reshape(n, 2, 2, 3))
    (folder / "pictures.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_reads_captions_and_concepts(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "p",
        HEADER,
        "web\ta.png\ttrain\ttrain\ta dog|a puppy\t7,3",
        'web\tb "c".png\ttrain\ttrain\tcafé\t',
        "own\td.png\ttrain\ttrain\t\t2",
    )

    pairs = open_packed(folder)

    assert pairs.captions == [("a dog", "a puppy"), ("café",), ()]
    assert pairs.concepts == [(7, 3), (), (2,)]
    assert pairs.sources == ["web", "web", "own"]
    assert pairs.paths[1] == 'b "c".png'
    assert pairs.pictures[2].ravel().tolist() == list(range(24, 36))


def test_excluded_rows_take_no_part(tmp_path: Path) -> None:
    row = "web\ta.png\ttrain\ttrain\tdog\t"
    folder = write(tmp_path / "p", HEADER, row, row, row)
    np.save(folder / "exclude.npy", np.array([1]))

    pairs = open_packed(folder)

    assert len(pairs) == 2
    assert pairs.rows.tolist() == [0, 2]


def test_other_columns_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "p", "image\tcaption", "a.png\tdog")

    with pytest.raises(InputError, match=r"pictures\.tsv: the header must be source path"):
        open_packed(folder)


def test_cut_row_is_refused_with_its_line(tmp_path: Path) -> None:
    folder = write(tmp_path / "p", HEADER, "web\ta.png\ttrain\ttrain\tdog\t", "web\tb.png")

    with pytest.raises(InputError, match=r"pictures\.tsv:3: 2 cells, not 6"):
        open_packed(folder)


def test_fewer_pictures_than_rows_are_refused(tmp_path: Path) -> None:
    row = "web\ta.png\ttrain\ttrain\tdog\t"
    folder = write(tmp_path / "p", HEADER, row, row, n=1)

    with pytest.raises(InputError, match="has 2 rows"):
        open_packed(folder)


def test_a_folder_of_pictures_is_not_packed(tmp_path: Path) -> None:
    assert not is_packed(tmp_path)
