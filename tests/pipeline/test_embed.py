"""The pipeline: every input one record, in order, whatever the pictures and the producer do."""

from __future__ import annotations

import itertools
import random
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from clipcli.cache.codec import HALF, rounded
from clipcli.errors import ImageError
from clipcli.images import load
from clipcli.images.find import ImageFile
from clipcli.images.load import Loaded
from clipcli.pipeline import prefetch as feeder
from clipcli.pipeline.embed import DecodeOptions, Embedded, embed
from clipcli.pipeline.image_data import ImageData
from clipcli.results import Skipped
from tests.fakes import FakeEncoder

OPTIONS = DecodeOptions()
Decoder = Callable[[str], NDArray[np.uint8]]


def files(n: int) -> list[ImageFile | Skipped]:
    return [ImageFile(f"{i}.jpg") for i in range(n)]


def pixels(path: str) -> NDArray[np.uint8]:
    """Return a picture whose red says which one it is."""
    red = int(path.removesuffix(".jpg")) % 200 + 1
    return np.full((4, 4, 3), (red, 255 - red, 0), np.uint8)


@pytest.fixture
def decode_with(monkeypatch: pytest.MonkeyPatch) -> Callable[[Decoder], None]:
    """Return a function that puts another decoder in the place of the real one."""

    def replace(decoder: Decoder) -> None:
        monkeypatch.setattr(load, "load", lambda path, *_, **__: Loaded(decoder(path), 1))

    return replace


def run(inputs: list[ImageFile | Skipped], encoder: FakeEncoder) -> list[Embedded | Skipped]:
    return list(itertools.chain.from_iterable(embed(inputs, encoder, OPTIONS)))


def is_gone(name: str) -> bool:
    return not any(thread.name.startswith(name) for thread in threading.enumerate())


def wait_until(condition: Callable[[], bool], timeout_s: float = 10) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_order_is_kept_when_decoding_takes_any_time(decode_with: Callable[..., None]) -> None:
    pauses = {f"{i}.jpg": random.Random(i).random() / 50 for i in range(60)}

    def decode(path: str) -> NDArray[np.uint8]:
        time.sleep(pauses[path])
        return pixels(path)

    decode_with(decode)
    encoder = FakeEncoder(batch_size=7)

    entries = run(files(60), encoder)

    assert [entry.path for entry in entries] == [f"{i}.jpg" for i in range(60)]
    for entry in entries:
        assert isinstance(entry, Embedded)
        (expected,) = rounded(FakeEncoder().encode_images(pixels(entry.path)[None]), HALF)
        assert (entry.row == expected).all()


def test_skipped_inputs_stay_in_their_place(decode_with: Callable[..., None]) -> None:
    def decode(path: str) -> NDArray[np.uint8]:
        if path in ("0.jpg", "5.jpg", "6.jpg", "11.jpg"):
            raise ImageError("truncated JPEG")
        return pixels(path)

    decode_with(decode)
    inputs = files(12)
    inputs[3] = Skipped("missing.jpg", "no such file or folder")

    entries = run(inputs, FakeEncoder(batch_size=5))

    assert [entry.path for entry in entries] == [
        "missing.jpg" if i == 3 else f"{i}.jpg" for i in range(12)
    ]
    skipped = [i for i, entry in enumerate(entries) if isinstance(entry, Skipped)]
    assert skipped == [0, 3, 5, 6, 11]
    assert entries[5] == Skipped("5.jpg", "truncated JPEG")


@pytest.mark.parametrize("seed", range(10))
def test_a_bad_file_never_changes_anothers_result(
    seed: int, decode_with: Callable[..., None]
) -> None:
    draw = random.Random(seed)
    bad = {f"{i}.jpg" for i in draw.sample(range(40), 15)}

    def decode(path: str) -> NDArray[np.uint8]:
        if path in bad:
            raise ImageError("broken PNG")
        return pixels(path)

    decode_with(decode)

    entries = run(files(40), FakeEncoder(batch_size=draw.randint(1, 9)))

    assert len(entries) == 40
    for entry in entries:
        assert isinstance(entry, Skipped) == (entry.path in bad)
        if isinstance(entry, Embedded):
            (expected,) = rounded(FakeEncoder().encode_images(pixels(entry.path)[None]), HALF)
            assert (entry.row == expected).all()


def test_lack_of_memory_for_one_picture_is_a_skipped_record(
    decode_with: Callable[..., None],
) -> None:
    def decode(path: str) -> NDArray[np.uint8]:
        if path == "1.jpg":
            raise MemoryError
        return pixels(path)

    decode_with(decode)

    entries = run(files(3), FakeEncoder())

    assert isinstance(entries[1], Skipped)
    assert "not enough memory" in entries[1].reason


def test_an_unexpected_error_is_not_swallowed(decode_with: Callable[..., None]) -> None:
    def decode(path: str) -> NDArray[np.uint8]:
        raise ZeroDivisionError(path)

    decode_with(decode)

    with pytest.raises(ZeroDivisionError):
        run(files(3), FakeEncoder())


def test_without_a_picture_that_can_be_read_the_model_is_not_loaded() -> None:
    encoder = FakeEncoder()

    entries = run([ImageFile("missing.jpg"), Skipped("other.jpg", "broken")], encoder)

    assert all(isinstance(entry, Skipped) for entry in entries)
    assert (encoder.n_starts, encoder.batches) == (0, [])


def test_no_inputs_give_no_blocks() -> None:
    assert list(embed([], FakeEncoder(), OPTIONS)) == []


def test_batches_grow_to_the_encoders_size_after_a_small_first_one(
    decode_with: Callable[..., None],
) -> None:
    decode_with(pixels)
    encoder = FakeEncoder(batch_size=16)

    run(files(40), encoder)

    assert encoder.batches == [4, 16, 16, 4]


def test_what_is_under_way_is_bounded(
    decode_with: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeder, "WINDOW_IMAGES", 10)
    monkeypatch.setattr(feeder, "FOUND_AHEAD", 20)
    monkeypatch.setattr(feeder, "LOOK_UP_AT_ONCE", 5)
    n_decoded = n_taken = 0

    def decode(path: str) -> NDArray[np.uint8]:
        nonlocal n_decoded
        n_decoded += 1
        return pixels(path)

    def inputs() -> Iterator[ImageFile]:
        nonlocal n_taken
        for i in range(500):
            n_taken += 1
            yield ImageFile(f"{i}.jpg")

    decode_with(decode)
    blocks = embed(inputs(), FakeEncoder(batch_size=8), OPTIONS)
    next(blocks)
    time.sleep(0.2)  # the feeder has all the time that it wants

    assert n_decoded <= 10 + 4  # the window and the first batch
    assert n_taken <= 10 + 4 + 20 + 5  # and those that wait to be looked up
    blocks.close()


def test_memory_does_not_grow_with_the_number_of_pictures(
    decode_with: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeder, "WINDOW_IMAGES", 10)
    alive: set[str] = set()
    most = 0

    def decode(path: str) -> NDArray[np.uint8]:
        nonlocal most
        picture = pixels(path)
        alive.add(path)
        weakref.finalize(picture, alive.discard, path)
        most = max(most, len(alive))
        return picture

    decode_with(decode)

    for block in embed(files(600), FakeEncoder(batch_size=8), OPTIONS):
        del block

    assert most <= 10 + 8 + 2  # the window, a batch, and what is being handed over


def test_a_slow_producer_gets_results_for_what_it_has_given(
    decode_with: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeder, "PATIENCE_S", 0.05)
    decode_with(pixels)
    goes_on = threading.Event()

    def inputs() -> Iterator[ImageFile]:
        yield ImageFile("0.jpg")
        goes_on.wait(10)
        yield ImageFile("1.jpg")

    blocks = embed(inputs(), FakeEncoder(), OPTIONS)

    assert [entry.path for entry in next(blocks)] == ["0.jpg"]
    goes_on.set()
    assert [entry.path for entry in next(blocks)] == ["1.jpg"]
    assert list(blocks) == []


def test_a_slow_picture_does_not_hold_back_those_before_it(
    decode_with: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeder, "PATIENCE_S", 0.05)
    goes_on = threading.Event()

    def decode(path: str) -> NDArray[np.uint8]:
        if path == "1.jpg":
            goes_on.wait(10)
        return pixels(path)

    decode_with(decode)

    blocks = embed(files(3), FakeEncoder(), OPTIONS)

    assert [entry.path for entry in next(blocks)] == ["0.jpg"]
    goes_on.set()
    assert [entry.path for block in blocks for entry in block] == ["1.jpg", "2.jpg"]


def test_an_error_of_the_finder_arrives_after_what_came_before(
    decode_with: Callable[..., None],
) -> None:
    decode_with(pixels)

    def inputs() -> Iterator[ImageFile]:
        yield from files(4)  # type: ignore[misc]
        raise LookupError("the list is gone")

    blocks = embed(inputs(), FakeEncoder(), OPTIONS)

    assert len(next(blocks)) == 4
    with pytest.raises(LookupError, match="the list is gone"):
        next(blocks)


@pytest.mark.parametrize("n_read", [0, 1, 3])
def test_closing_early_ends_the_threads(n_read: int, decode_with: Callable[..., None]) -> None:
    decode_with(pixels)
    endless = (ImageFile(f"{i}.jpg") for i in itertools.count())

    blocks = embed(endless, FakeEncoder(), OPTIONS)
    for _ in range(n_read):
        next(blocks)
    blocks.close()

    assert wait_until(lambda: is_gone("feed") and is_gone("decode"))


def test_a_failing_encoder_ends_the_threads(decode_with: Callable[..., None]) -> None:
    decode_with(pixels)

    class Failing(FakeEncoder):
        def encode_images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
            raise LookupError("no such device")

    with pytest.raises(LookupError):
        run(files(2000), Failing())

    assert wait_until(lambda: is_gone("feed") and is_gone("decode"))


def test_options_reach_the_decoder(pictures: Path) -> None:
    inputs = [ImageFile(str(pictures / "red.png"))]

    (block,) = embed(inputs, FakeEncoder(), DecodeOptions(max_pixels=47))

    assert isinstance(block[0], Skipped)
    assert "8 x 6 pixels" in block[0].reason


def test_pictures_from_archives_are_not_piled_up_in_memory(
    monkeypatch: pytest.MonkeyPatch, decode_with: Callable[[Decoder], None]
) -> None:
    monkeypatch.setattr(feeder, "HELD_BYTES", 100)
    gate = threading.Event()
    handed_over: list[int] = []
    decode_with(lambda _: np.zeros((4, 4, 3), np.uint8))

    def read() -> bytes:
        gate.wait(10)
        return b"picture"

    def archive() -> Iterator[ImageData]:
        for i in range(20):
            handed_over.append(i)
            # The last is longer than all that may be held, and comes all the same.
            yield ImageData(f"{i}.jpg", read, 40 if i < 19 else 500)

    found: list[Embedded | Skipped] = []
    reader = threading.Thread(target=lambda: _collect(archive(), found), daemon=True)
    reader.start()

    assert wait_until(lambda: len(handed_over) == 3)  # two are held, one waits for room
    time.sleep(0.1)
    assert len(handed_over) == 3
    gate.set()
    reader.join(10)

    assert [entry.path for entry in found] == [f"{i}.jpg" for i in range(20)]


def _collect(inputs: Iterator[ImageData], found: list[Embedded | Skipped]) -> None:
    for entries in embed(inputs, FakeEncoder(), OPTIONS):
        found += entries
