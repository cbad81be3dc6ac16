"""Which copy is kept, and why."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clipcli.images.class_tree import Place
from clipcli.workflows.audit.choice import STRATEGIES, Chooser
from clipcli.workflows.audit.copies import duplicates
from clipcli.workflows.audit.dataset import Dataset
from clipcli.workflows.audit.measures import Measures
from tests.workflows.audit.conftest import measures, scene

YEAR_NS = 365 * 86_400 * 10**9


def made(folder: Path, name: str, *, year: int = 50, content: bytes = b"x") -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, ns=(year * YEAR_NS, year * YEAR_NS))
    return str(path)


def choose(chooser: Chooser, *pictures: tuple[str, Measures]) -> tuple[str, dict[str, str]]:
    """Return the name of the one that is kept, and the reasons by name."""
    paths = [path for path, _ in pictures]
    told = [each for _, each in pictures]
    n = len(paths)
    dataset = Dataset((), paths, [Place(None)] * n, np.eye(n, dtype=np.float32), told)
    choice = chooser.choose(dataset, range(n))
    reasons = {Path(paths[i]).name: why for i, why in choice.reasons.items()}
    return Path(paths[choice.kept]).name, reasons


# Each beats the other by one thing alone, and loses by all that comes after it.
@pytest.mark.parametrize(
    ("better", "worse", "reason"),
    [
        ({"is_lossless": True}, {"width": 700, "n_bytes": 99}, "stored without loss"),
        ({"is_raw": True}, {"is_lossless": True, "width": 700}, "raw photograph"),
        ({"is_raw": True, "width": 160}, {"is_lossless": True}, "raw photograph"),
        ({"width": 641}, {"n_bytes": 99}, "most pixels"),
        ({"width": 640}, {"is_lossless": True, "width": 320, "height": 240}, "most pixels"),
        ({"n_bytes": 99}, {"n_bytes": 98}, "least compressed"),
    ],
)
def test_the_best_is_kept_although_it_is_the_last_and_the_youngest(
    tmp_path: Path, better: dict[str, Any], worse: dict[str, Any], reason: str
) -> None:
    first = made(tmp_path, "a.jpg", year=40), measures(**worse)
    last = made(tmp_path, "z.jpg", year=50), measures(**better)

    kept, reasons = choose(Chooser(), first, last)

    assert kept == "z.jpg"
    assert reasons["z.jpg"] == reason


def test_metadata_counts_before_age(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[271] = "Maker"
    for name, options in (("a.jpg", {}), ("z.jpg", {"exif": exif})):
        scene(1).save(tmp_path / name, **options)
    os.utime(tmp_path / "a.jpg", ns=(10**18, 10**18))
    pictures = [(str(tmp_path / name), measures(n_bytes=9)) for name in ("a.jpg", "z.jpg")]

    kept, reasons = choose(Chooser(), *pictures)

    assert (kept, reasons) == ("z.jpg", {"a.jpg": "less metadata", "z.jpg": "most metadata"})


def test_what_has_a_sidecar_is_kept(tmp_path: Path) -> None:
    first, last = made(tmp_path, "a.jpg", year=40), made(tmp_path, "z.jpg")
    made(tmp_path, "z.xmp")

    kept, reasons = choose(Chooser(), (first, measures()), (last, measures()))

    assert kept == "z.jpg"
    assert reasons["a.jpg"] == "fewer companions"


@pytest.mark.parametrize(
    ("names", "years", "kept"),
    [
        (("a.jpg", "z.jpg"), (50, 40), "z.jpg"),  # the oldest
        (("IMG 1 (1).jpg", "IMG 1.jpg"), (50, 50), "IMG 1.jpg"),
        (("Copy of x.jpg", "x.jpg"), (50, 50), "x.jpg"),
        (("b.jpg", "a.jpg"), (50, 50), "b.jpg"),  # as found, and not by alphabet
    ],
)
def test_of_equal_copies_the_oldest_is_kept_and_never_the_first_of_the_alphabet(
    tmp_path: Path, names: tuple[str, str], years: tuple[int, int], kept: str
) -> None:
    paths = [made(tmp_path, name, year=year) for name, year in zip(names, years, strict=True)]

    assert choose(Chooser(), *((path, measures()) for path in paths))[0] == kept


@pytest.mark.parametrize(
    ("strategy", "kept"),
    [
        ("best", "large.jpg"),
        ("oldest", "old.jpg"),
        ("newest", "new.jpg"),
        ("largest", "large.jpg"),
        ("first", "first.jpg"),
    ],
)
def test_each_strategy_keeps_another(tmp_path: Path, strategy: str, kept: str) -> None:
    pictures = [
        (made(tmp_path, "first.jpg", year=45), measures()),
        (made(tmp_path, "old.jpg", year=40), measures()),
        (made(tmp_path, "large.jpg", year=45), measures(width=900)),
        (made(tmp_path, "new.jpg", year=50), measures()),
    ]

    assert choose(Chooser(strategy), *pictures)[0] == kept
    assert strategy in STRATEGIES


def test_the_preferred_folder_comes_before_all_else_and_the_first_counts_most(
    tmp_path: Path,
) -> None:
    pictures = [
        (made(tmp_path, "a/large.jpg", year=40), measures(width=900)),
        (made(tmp_path, "b/1.jpg"), measures()),
        (made(tmp_path, "c/2.jpg"), measures()),
        (made(tmp_path, "cc/3.jpg"), measures(width=900)),  # begins like a preferred one
    ]
    folders = [str(tmp_path / name) for name in ("c", "b")]

    kept, reasons = choose(Chooser("best", folders), *pictures)

    assert kept == "2.jpg"
    assert reasons["large.jpg"] == "not in the preferred folder"
    assert reasons["2.jpg"] == "in the preferred folder"
    assert choose(Chooser("best", folders[::-1]), *pictures)[0] == "1.jpg"


@pytest.mark.skipif(os.name != "posix", reason="links as on POSIX")
def test_a_link_is_not_kept_for_a_file(tmp_path: Path) -> None:
    made(tmp_path, "elsewhere/a.jpg", year=40)
    (tmp_path / "a.jpg").symlink_to(tmp_path / "elsewhere" / "a.jpg")
    link, own = str(tmp_path / "a.jpg"), made(tmp_path, "b.jpg")

    kept, reasons = choose(Chooser(), (link, measures()), (own, measures()))

    assert (kept, reasons["a.jpg"]) == ("b.jpg", "a symbolic link")


def test_raw_photographs_are_spare_only_where_the_same_bytes_are_kept(tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    miniature = draw.integers(0, 255, measures().miniature.shape).astype(np.uint8)
    raw = measures(is_raw=True, miniature=miniature)
    jpeg = measures(miniature=miniature)
    pictures = [
        (made(tmp_path, "a/1.nef", content=b"raw"), raw),
        (made(tmp_path, "a/1.jpg", content=b"jpeg"), jpeg),
        (made(tmp_path, "b/1.nef", content=b"raw", year=60), raw),
        (made(tmp_path, "c/2.nef", content=b"another"), raw),
        (made(tmp_path, "c/small.jpg", content=b"small"), jpeg),
    ]
    n = len(pictures)
    dataset = Dataset(
        (),
        [path for path, _ in pictures],
        [Place(None)] * n,
        np.eye(n, dtype=np.float32),
        [told for _, told in pictures],
    )

    found = duplicates(dataset)

    said = {(f.kind[:5], f.path.removeprefix(str(tmp_path)), f.suggested == f.path) for f in found}
    assert said == {
        ("exact", "/a/1.nef", True),
        ("exact", "/b/1.nef", False),
        ("near-", "/a/1.nef", True),
        ("near-", "/a/1.jpg", True),  # what the camera wrote beside its raw photograph
        ("near-", "/c/2.nef", True),
        ("near-", "/c/small.jpg", False),
    }
