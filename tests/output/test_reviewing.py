"""What pages carry for a review: hashes, dates, an id, small vectors."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from clipcli.output.html.reviewing import PageContents, Review, facts_of, quantised


def unpacked(told: dict[str, Any] | None) -> np.ndarray[Any, np.dtype[np.int8]]:
    assert told is not None
    flat = np.frombuffer(base64.b64decode(told["data"]), np.int8)
    return flat.reshape(-1, told["size"])


def test_facts_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x0132] = "2021:05:06 07:08:09"
    Image.new("RGB", (8, 8)).save(path, exif=exif)

    facts = facts_of(str(path))

    assert facts is not None
    assert facts.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (facts.n_bytes, facts.taken) == (path.stat().st_size, "2021-05-06 07:08")
    assert facts_of(str(tmp_path / "gone.jpg")) is None
    assert facts_of("archive.tar::a.jpg") is None


def test_small_vectors_tell_groups_apart() -> None:
    draw = np.random.default_rng(5)
    centres = draw.normal(size=(4, 256))
    groups = np.repeat(np.arange(4), 25)
    rows = centres[groups] + 0.3 * draw.normal(size=(100, 256))

    numbers = unpacked(quantised([row.astype(np.float16) for row in rows])).astype(float)

    alike = numbers @ numbers.T / 127**2
    same = groups[:, None] == groups
    assert numbers.shape == (100, 64)
    assert np.abs(np.linalg.norm(numbers, axis=1) / 127 - 1).max() < 0.02  # unit rows, rounded
    assert alike[same].min() > 0.6 > alike[~same].max()


def test_pictures_without_a_vector_have_zeros() -> None:
    rows = [np.float16([1, 0, 0]), None, np.float16([0, 1, 0])]

    numbers = unpacked(quantised(rows))

    assert not numbers[1].any()
    assert (numbers[0] == -numbers[2]).all()  # centred, two points lie opposite each other
    assert quantised([None, np.float16([1, 0])]) is None


def test_the_id_is_that_of_the_content() -> None:
    def page_id(*names: str) -> str:
        contents = PageContents()
        for name in names:
            contents.add({"name": name, "title": "cat"}, None)
        data = contents.data(Review(("cat",)))
        assert data is not None
        return str(data["id"])

    assert page_id("a", "b") == page_id("a", "b")
    assert len({page_id("a", "b"), page_id("b", "a"), page_id("ab"), page_id("a")}) == 4
    assert PageContents().data(None) is None
