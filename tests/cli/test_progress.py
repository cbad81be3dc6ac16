"""What a progress bar says, and what it does not say yet."""

from __future__ import annotations

import pytest

from clipcli.cli.pace import Pace
from clipcli.cli.progress import figures


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_there_is_no_rate_before_three_seconds(clock: Clock) -> None:
    pace = Pace(clock)
    for n in range(1, 10_001):  # cached pictures come at once
        pace.note(n)
    clock.now += 2.9
    pace.note(10_032)

    assert pace.per_s() is None
    assert figures(pace, str, 10_032, 20_000) == ""


def test_the_rate_is_that_of_what_is_done_after_the_first_batch(clock: Clock) -> None:
    pace = Pace(clock)
    pace.note(10_000)
    for n in range(1, 6):
        clock.now += 2
        pace.note(10_000 + 32 * n)

    assert pace.per_s() == pytest.approx(16)
    assert figures(pace, str, 10_160, 10_160 + 16 * 3725) == "16/s  1:02:05 left"
    assert figures(pace, str, 10_160, None) == "16/s"


def test_the_rate_follows_what_changed_half_a_minute_ago(clock: Clock) -> None:
    pace = Pace(clock)
    n = 0
    for rate in (100, 2):
        for _ in range(60):
            clock.now += 1
            n += rate
            pace.note(n)

    assert pace.per_s() == pytest.approx(2, rel=0.1)


def test_before_the_first_picture_it_says_what_is_waited_for(clock: Clock) -> None:
    assert figures(Pace(clock), lambda: "loading mini …", 0, None) == "loading mini …"
