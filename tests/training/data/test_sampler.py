from __future__ import annotations

import numpy as np
import pytest

from clipcli.errors import InputError
from clipcli.training.data.packed import Pairs
from clipcli.training.data.sampler import BatchOrder


def some_pairs(n: int, sources: list[str] | None = None) -> Pairs:
    empty = np.empty((n, 1, 1, 3), dtype=np.uint8)
    said = [("x",)] * n
    return Pairs(empty, sources or ["a"] * n, ["p"] * n, said, [()] * n, np.arange(n))


def epoch_of(order: BatchOrder, epoch: int) -> list[int]:
    first = epoch * order.batches_per_epoch
    steps = range(first, first + order.batches_per_epoch)
    return np.concatenate([order.batch(step) for step in steps]).tolist()


def test_each_epoch_has_each_row_once() -> None:
    order = BatchOrder(some_pairs(12), 4, seed=0)

    first, second = epoch_of(order, 0), epoch_of(order, 1)

    assert sorted(first) == sorted(second) == list(range(12))
    assert first != second


def test_last_short_batch_is_dropped() -> None:
    order = BatchOrder(some_pairs(11), 4, seed=0)

    assert order.batches_per_epoch == 2
    assert len(set(epoch_of(order, 0))) == 8


def test_any_step_can_be_asked_for_first() -> None:
    in_order, jumping = (BatchOrder(some_pairs(20), 4, seed=5) for _ in range(2))

    steps = [in_order.batch(step).tolist() for step in range(17)]

    assert jumping.batch(16).tolist() == steps[16]
    assert jumping.batch(3).tolist() == steps[3]


def test_seed_decides_the_order() -> None:
    assert epoch_of(BatchOrder(some_pairs(20), 4, 0), 0) != epoch_of(
        BatchOrder(some_pairs(20), 4, 1), 0
    )


def test_sources_are_seen_by_their_weights() -> None:
    sources = ["often"] * 4 + ["never"] * 4 + ["once"] * 4
    order = BatchOrder(some_pairs(12, sources), 4, seed=0, weights={"often": 2.0, "never": 0.0})

    rows = epoch_of(order, 0)

    assert sorted(rows) == [0, 0, 1, 1, 2, 2, 3, 3, 8, 9, 10, 11]


def test_weights_below_one_take_part_by_chance() -> None:
    order = BatchOrder(some_pairs(1000), 10, seed=0, weights={"a": 0.5})

    seen = [len(set(epoch_of(order, epoch))) for epoch in range(3)]

    assert order.batches_per_epoch == 50
    assert all(430 <= n <= 500 for n in seen)  # 500, less the repeats that fill up a short epoch


def test_unknown_source_is_refused() -> None:
    with pytest.raises(InputError, match="'b' is not a source"):
        BatchOrder(some_pairs(12), 4, seed=0, weights={"b": 2.0})


def test_batch_larger_than_the_data_is_refused() -> None:
    with pytest.raises(InputError, match="batch_size 13: the data has only 12 pairs"):
        BatchOrder(some_pairs(12), 13, seed=0)
