from __future__ import annotations

import pytest

from clipcli.training.averaging import ema_decay
from clipcli.training.config import OptimiserConfig, Stage
from clipcli.training.schedule import Budget, learning_rate, short_warmup, stage_size


@pytest.mark.parametrize(
    ("step", "progress", "expected"),
    [
        (0, 0.0, 0.5),  # a quarter of the warm-up
        (1, 0.0, 1.0),
        (3, 0.0, 2.0),  # warm-up is over
        (50, 0.5, 1.0),  # half of a cosine
        (75, 2 / 3, 0.5),  # cos(120 degrees) = -1/2
        (100, 1.0, 0.0),
    ],
)
def test_learning_rate_by_hand(step: int, progress: float, expected: float) -> None:
    config = OptimiserConfig(lr=2.0, warmup_steps=4)

    rate = learning_rate(config, step, progress)

    assert rate == pytest.approx(expected, abs=1e-12)


def test_learning_rate_ends_at_the_share_that_is_asked_for() -> None:
    config = OptimiserConfig(lr=2.0, warmup_steps=0, final_lr=0.1)

    assert learning_rate(config, 0, 0.0) == pytest.approx(2.0)
    assert learning_rate(config, 9, 1.0) == pytest.approx(0.2)


def test_progress_by_steps_or_by_time() -> None:
    assert Budget(steps=10).progress(4, seconds=999.0) == 0.4
    assert Budget(seconds=60.0).progress(4, seconds=15.0) == 0.25
    assert Budget(seconds=60.0).progress(4, seconds=99.0) == 1.0


def test_stages_follow_progress_in_any_order() -> None:
    stages = (Stage(0.5, 64), Stage(0.0, 32))

    sizes = [stage_size(stages, progress, 96) for progress in (0.0, 0.49, 0.5, 1.0)]

    assert sizes == [32, 32, 64, 64]


def test_native_size_before_the_first_stage() -> None:
    assert stage_size((), 0.7, 96) == 96
    assert stage_size((Stage(0.5, 64),), 0.2, 96) == 96


def test_average_has_a_short_memory_at_first() -> None:
    assert ema_decay(0.999, 0) == 0.1
    assert ema_decay(0.999, 90) == 0.91
    assert ema_decay(0.9, 1000) == 0.9


def test_a_short_run_warms_up_in_a_tenth_of_it() -> None:
    settings = OptimiserConfig(warmup_steps=100)

    assert short_warmup(settings, Budget(steps=50)).warmup_steps == 5
    assert short_warmup(settings, Budget(steps=3)).warmup_steps == 1
    assert short_warmup(settings, Budget(steps=5000)).warmup_steps == 100
    assert short_warmup(settings, Budget(seconds=60.0)).warmup_steps == 100
