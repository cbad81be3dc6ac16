from __future__ import annotations

import os
import signal

import pytest

from clipcli.training.signals import StopSignal


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stop_waits_until_it_is_asked_for(number: int) -> None:
    before = signal.getsignal(number)

    with StopSignal() as stop:
        os.kill(os.getpid(), number)
        was_set = stop.is_set
        with pytest.raises(KeyboardInterrupt):
            stop.raise_if_set()

    assert was_set
    assert signal.getsignal(number) is before


def test_second_stop_is_obeyed_at_once() -> None:
    with StopSignal():
        os.kill(os.getpid(), signal.SIGTERM)

        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)


def test_ignored_signals_stay_ignored() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)

    with StopSignal() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        stop.raise_if_set()

    signal.signal(signal.SIGTERM, before)
    assert not stop.is_set
