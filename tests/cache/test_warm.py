"""Warm runs: what is known is neither decoded nor hashed, and what has changed is seen."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from clipcli.cache import identity
from clipcli.cache.image_cache import ImageCache
from clipcli.errors import ImageError
from clipcli.images import load
from clipcli.pipeline import reader as decoding
from tests.cache.conftest import Runner
from tests.fakes import FakeEncoder

NAMES = {"red.png", "green.png", "blue.png"}


def paint(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (8, 6)) -> None:
    Image.new("RGB", size, colour).save(path, "BMP")  # whose length does not depend on colours


@pytest.mark.usefixtures("settled")
def test_what_is_known_is_neither_decoded_nor_hashed(run: Runner, pictures: Path) -> None:
    cold = run(pictures)

    warm = run(pictures)

    assert (cold.n_decoded, cold.n_hashed) == (3, 3)
    assert (warm.n_decoded, warm.n_hashed) == (0, 0)
    assert warm.answers == cold.answers
    assert set(warm.answers) == NAMES


def test_every_run_sees_the_same_vectors(run: Runner, pictures: Path) -> None:
    cold = run(pictures, max_pixels=100)

    assert run(pictures, max_pixels=100).answers == cold.answers
    assert run(pictures, max_pixels=100, cache=ImageCache(None)).answers == cold.answers


def test_without_a_cache_nothing_is_hashed_or_kept(
    run: Runner, pictures: Path, cache_folder: Path
) -> None:
    outcome = run(pictures, cache=ImageCache(None))

    assert (outcome.n_decoded, outcome.n_hashed) == (3, 0)
    assert not cache_folder.exists()


def test_young_files_are_hashed_again(run: Runner, pictures: Path) -> None:
    run(pictures)

    again = run(pictures)

    assert (again.n_decoded, again.n_hashed) == (0, 3)


@pytest.mark.usefixtures("settled")
def test_a_moved_a_copied_and_a_touched_file_are_known_by_their_bytes(
    run: Runner, pictures: Path, tmp_path: Path
) -> None:
    cold = run(pictures)
    (pictures / "red.png").rename(pictures / "moved.png")
    shutil.copy(pictures / "green.png", tmp_path / "copied.png")
    (pictures / "blue.png").touch()

    warm = run(pictures, tmp_path / "copied.png")

    assert warm.n_decoded == 0
    assert warm.answers["moved.png"] == cold.answers["red.png"]
    assert warm.answers["copied.png"] == cold.answers["green.png"]
    assert warm.answers["blue.png"] == cold.answers["blue.png"]
    assert run(pictures, tmp_path / "copied.png").n_hashed == 0


@pytest.mark.usefixtures("settled")
def test_new_bytes_under_the_same_name_size_and_time_are_seen(run: Runner, tmp_path: Path) -> None:
    path = tmp_path / "picture.bmp"
    paint(path, (255, 0, 0))
    before, times = run(path).answers, path.stat()
    paint(path, (0, 0, 255))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    after = run(path)

    assert path.stat().st_size == times.st_size
    assert path.stat().st_mtime_ns == times.st_mtime_ns
    assert after.n_decoded == 1
    assert after.answers != before


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("whole_file_bytes", [2**20, 10])
def test_a_file_that_is_replaced_while_it_is_read_is_looked_at_again(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole_file_bytes: int
) -> None:
    path = tmp_path / "picture.bmp"
    paint(path, (255, 0, 0))
    monkeypatch.setattr(decoding, "WHOLE_FILE_BYTES", whole_file_bytes)

    def after(hash_it: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
        def hash_slowly(source: Any) -> bytes:
            digest = hash_it(source)
            paint(path, (0, 0, 255), (9, 9))
            return digest

        return hash_slowly

    monkeypatch.setattr(decoding, "hash_content", after(identity.hash_content))
    monkeypatch.setattr(decoding, "hash_stream", after(identity.hash_stream))
    run(path)
    monkeypatch.undo()

    outcome = run(path, cache=ImageCache(tmp_path / "other"))

    assert run(path).answers == outcome.answers


def test_large_files_are_known_as_well(
    run: Runner, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipcli.cache.identity.YOUNG_NS", -(10**9))
    small = run(pictures, cache=ImageCache(None))
    monkeypatch.setattr(decoding, "WHOLE_FILE_BYTES", 10)
    cold = run(pictures)
    shutil.copytree(pictures, pictures.with_name("copies"))

    warm = run(pictures.with_name("copies"))

    assert cold.answers == warm.answers == small.answers
    assert (cold.n_decoded, warm.n_decoded) == (3, 0)


@pytest.mark.usefixtures("settled")
def test_a_broken_picture_is_not_decoded_again(run: Runner, pictures: Path) -> None:
    path = pictures / "red.png"
    path.write_bytes(path.read_bytes()[:40])
    cold = run(path)
    shutil.copy(path, pictures / "copy.png")

    reason = cold.answers["red.png"]
    assert "PNG" in reason
    assert (run(path).n_decoded, run(path).answers) == (0, cold.answers)
    assert run(pictures / "copy.png").answers == {"copy.png": reason}
    assert run(pictures / "copy.png").n_decoded == 0


@pytest.mark.usefixtures("settled")
def test_a_reason_that_may_pass_is_not_kept(
    run: Runner, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ImageError('HEIC needs an extra: pip install "clipcli[heif]"')

    with monkeypatch.context() as patch:
        patch.setattr(load, "load", fail)
        assert "extra" in str(run(pictures / "red.png").answers["red.png"])

    assert isinstance(run(pictures / "red.png").answers["red.png"], list)


@pytest.mark.usefixtures("settled")
def test_the_limit_of_pixels_holds_for_what_is_known(run: Runner, tmp_path: Path) -> None:
    path = tmp_path / "picture.bmp"
    paint(path, (255, 0, 0), (10, 10))
    small, large = {"max_pixels": 99}, {"max_pixels": 100}

    refused, taken = run(path, **small), run(path, **large)

    assert "10 x 10 pixels" in str(refused.answers["picture.bmp"])
    assert isinstance(taken.answers["picture.bmp"], list)
    assert run(path, **small).answers == refused.answers
    assert run(path, max_pixels=500).answers == taken.answers
    assert run(path, max_pixels=500).n_decoded == 0


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize(
    "encoder",
    [
        pytest.param(FakeEncoder(fingerprint="e" * 64), id="another model"),
        pytest.param(type("Bf16", (FakeEncoder,), {"precision": "bf16"})(), id="precision"),
    ],
)
def test_another_model_or_precision_has_vectors_of_its_own(
    run: Runner, pictures: Path, encoder: FakeEncoder
) -> None:
    run(pictures)
    if encoder.precision != "fp32":
        encoder.asked = ("cpu", encoder.precision)

    assert run(pictures, encoder=encoder).n_decoded == 3
    assert run(pictures, encoder=encoder).n_decoded == 0
    assert run(pictures).n_decoded == 0


@pytest.mark.usefixtures("settled")
def test_exact_vectors_are_others(run: Runner, pictures: Path) -> None:
    run(pictures)

    assert run(pictures, exact=True).n_decoded == 3
    assert run(pictures, exact=True).n_decoded == 0


@pytest.mark.usefixtures("settled")
def test_another_decoder_decodes_again(
    run: Runner, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(pictures)

    monkeypatch.setattr("PIL.__version__", "99.0")

    assert run(pictures).n_decoded == 3


@pytest.mark.usefixtures("settled")
def test_half_known_folders_keep_their_order(run: Runner, tmp_path: Path) -> None:
    for i in range(40):
        paint(tmp_path / f"{i}.bmp", (5 * i, 255 - 5 * i, 0))
    run(*(tmp_path / f"{i}.bmp" for i in range(0, 40, 3)))
    (tmp_path / "5.bmp").write_bytes(b"BM")

    outcome = run(tmp_path)

    assert list(outcome.answers) == [f"{i}.bmp" for i in range(40)]
    assert outcome.n_decoded == 40 - 14
    assert outcome.answers == run(tmp_path, cache=ImageCache(None)).answers


@pytest.mark.usefixtures("settled")
def test_a_warm_run_asks_the_encoder_for_nothing(run: Runner, pictures: Path) -> None:
    class Untouchable(FakeEncoder):
        """Fails when it is loaded."""

        device = precision = batch_size = property(lambda self: 1 / 0)

        def __init__(self) -> None:
            self.config = FakeEncoder().config

    cold = run(pictures)

    assert run(pictures, encoder=Untouchable()).answers == cold.answers


@pytest.mark.usefixtures("settled")
def test_where_nobody_knows_the_precision_the_encoder_is_asked_once(
    run: Runner, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cold = run(pictures)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")  # a fact that a choice depends on

    warm = run(pictures)

    assert (warm.n_decoded, warm.answers) == (0, cold.answers)


def test_one_picture_twice_in_a_folder_is_decoded_and_kept(run: Runner, pictures: Path) -> None:
    shutil.copy(pictures / "red.png", pictures / "again.png")

    outcome = run(pictures)

    assert outcome.answers["again.png"] == outcome.answers["red.png"]
    assert outcome.problem is None
