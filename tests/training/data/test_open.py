"""Several sources make one set of pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clipcli.errors import InputError, UsageError
from clipcli.models.config import Preprocessing
from clipcli.training.config import SourceConfig
from clipcli.training.data.open import open_data, source_weights, with_names
from clipcli.training.data.packed import Pairs
from clipcli.training.data.sampler import BatchOrder
from tests.training.conftest import write_packed
from tests.training.data.test_webdataset import picture, write_tar


def make_tree(folder: Path, n: int = 2) -> Path:
    (folder / "red_car").mkdir(parents=True)
    for i in range(n):
        Image.new("RGB", (9, 9), (255, 0, i)).save(folder / "red_car" / f"{i}.png")
    return folder


def make_table(folder: Path) -> Path:
    Image.new("RGB", (9, 9), (0, 0, 255)).save(folder / "b.png")
    table = folder / "t.tsv"
    table.write_text("image\tcaption\nb.png\ta blue sky\n", encoding="utf-8")
    return table


def opened(tmp_path: Path, *sources: SourceConfig) -> Pairs:
    return open_data(sources, tmp_path / "work", Preprocessing(32), lambda line: None)


def test_trees_tables_tars_and_packed_folders_are_one_set(tmp_path: Path) -> None:
    tree, table = make_tree(tmp_path / "tree"), make_table(tmp_path)
    tar = write_tar(tmp_path / "s.tar", a__png=picture("lime"), a__cls="grass")
    packed = write_packed(tmp_path / "packed", 8)

    pairs = opened(tmp_path, *(SourceConfig(str(p)) for p in (tree, table, packed, tar)))

    at = {pairs.captions[row]: row for row in pairs.rows.tolist()}
    assert len(pairs) == 8 + 2 + 1 + 1
    assert pairs.side_px == 40  # the packed folder's
    for caption, source, colour, is_name in (
        (("red car",), "tree", (255, 0, 1), True),
        (("a blue sky",), "t", (0, 0, 255), False),
        (("grass",), "s", (0, 255, 0), True),
    ):
        row = at[caption]
        assert pairs.sources[row] == source
        assert pairs.are_names[row] == is_name
        assert pairs.pictures[np.array([row])][0, 20, 20].tolist() == list(colour)
    assert pairs.sources[at["red",]] == "colours"
    assert pairs.concepts[at["red",]] == (0, 8)


def test_rows_come_in_the_order_asked_for(tmp_path: Path) -> None:
    first, second = write_packed(tmp_path / "a", 8), write_packed(tmp_path / "b", 16)
    pairs = opened(tmp_path, SourceConfig(str(first)), SourceConfig(str(second)))
    a, b = (np.load(folder / "pictures.npy") for folder in (first, second))

    found = pairs.pictures[np.array([9, 0, 23, 7, 8])]

    assert np.array_equal(found, np.stack([b[1], a[0], b[15], a[7], b[0]]))


def test_a_source_with_a_weight_is_drawn_as_often(tmp_path: Path) -> None:
    sources = (
        SourceConfig(str(make_tree(tmp_path / "tree", n=4)), weight=3.0),
        SourceConfig(str(write_packed(tmp_path / "packed", 8)), weight=0.0, name="noise"),
        SourceConfig(str(write_packed(tmp_path / "more", 8))),
    )
    pairs = opened(tmp_path, *sources)

    order = BatchOrder(pairs, 4, 0, source_weights(sources, {}))

    drawn = [pairs.sources[row] for step in range(5) for row in order.batch(step).tolist()]
    assert order.batches_per_epoch == 5
    assert {name: drawn.count(name) for name in set(drawn)} == {"tree": 12, "colours": 8}


def test_sources_are_called_by_their_names_or_where_those_are_alike_by_their_paths() -> None:
    named = with_names(
        [SourceConfig("x/cars"), SourceConfig("y/cars.csv"), SourceConfig("z/dogs.tar")]
    )

    assert [one.name for one in named] == ["x/cars", "y/cars.csv", "dogs"]


def test_two_weights_of_one_source_are_refused() -> None:
    with pytest.raises(UsageError, match="cars: has two weights"):
        source_weights([SourceConfig("x/cars", weight=2)], {"cars": 3})


def test_packed_folders_of_different_sizes_are_refused(tmp_path: Path) -> None:
    sources = [SourceConfig(str(write_packed(tmp_path / f"{size}", 8, size))) for size in (40, 48)]

    with pytest.raises(InputError, match="different sizes: 40 and 48 px"):
        opened(tmp_path, *sources)
