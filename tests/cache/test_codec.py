"""The form of what is stored: rounding within its bound, and checks that find damage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from clipcli.cache.codec import (
    HALF,
    SINGLE,
    is_sound,
    pack,
    rounded,
    tag_of,
    unpack_reason,
    unpack_vectors,
    value_bytes,
    vector_type,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

TAG = tag_of(b"a picture's hash")


def unit_rows(n: int, d: int, seed: int) -> NDArray[np.float32]:
    draw = np.random.default_rng(seed)
    # Some numbers of a row are far smaller than others, beyond what a half can hold exactly.
    rows = draw.normal(size=(n, d)) * np.exp(draw.uniform(-20, 0, (n, d)))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("d", [2, 256, 512, 1024])
def test_rounding_moves_no_cosine_by_more_than_its_bound(d: int) -> None:
    rows, others = unit_rows(300, d, seed=1), unit_rows(200, d, seed=2)

    moved = np.abs(rounded(rows, HALF) @ others.T - rows @ others.T)

    assert moved.max() <= 2**-11
    assert moved.max() > 0


def test_rounded_rows_have_length_one() -> None:
    lengths = np.linalg.norm(rounded(unit_rows(300, 512, seed=3), HALF), axis=1)

    assert lengths == pytest.approx(1, abs=1e-6)


def test_exact_rows_are_not_rounded() -> None:
    rows = unit_rows(10, 64, seed=4)

    assert (rounded(rows, SINGLE) == rows).all()
    assert (vector_type(exact=True), vector_type(exact=False)) == (SINGLE, HALF)


@pytest.mark.parametrize("kind", [HALF, SINGLE])
def test_what_is_unpacked_is_what_every_run_sees(kind: str) -> None:
    rows = unit_rows(50, 512, seed=5)
    values = [pack(row.astype(kind).tobytes(), i, TAG, i % 3) for i, row in enumerate(rows)]

    unpacked, n_pixels, notes = unpack_vectors(values, 512, kind)

    assert (unpacked == rounded(rows, kind)).all()
    assert n_pixels.tolist() == list(range(50))
    assert notes.tolist() == [i % 3 for i in range(50)]
    assert {len(value) for value in values} == {value_bytes(512, kind)}


def test_a_row_alone_is_as_it_is_among_others() -> None:
    rows = unit_rows(64, 511, seed=6)

    alone = np.concatenate([rounded(row[None], HALF) for row in rows])

    assert (rounded(rows, HALF) == alone).all()


def test_any_changed_bit_is_noticed() -> None:
    value = pack(b"truncated JPEG", 0, TAG)

    assert is_sound(value, TAG)
    for bit in range(8 * len(value)):
        changed = bytearray(value)
        changed[bit // 8] ^= 1 << (bit % 8)
        assert not is_sound(bytes(changed), TAG)


def test_another_pictures_value_is_noticed() -> None:
    assert not is_sound(pack(b"truncated JPEG", 0, TAG), tag_of(b"another hash"))


@pytest.mark.parametrize("value", [b"", b"abc", bytes(12)])
def test_foreign_bytes_are_no_value(value: bytes) -> None:
    assert not is_sound(value, TAG)


def test_reasons_keep_their_letters() -> None:
    assert unpack_reason(pack("zu groß".encode(), 0, TAG)) == "zu groß"
