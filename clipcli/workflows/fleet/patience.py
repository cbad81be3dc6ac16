"""Waiting for somebody else's server, but not for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, TypeVar

T = TypeVar("T")


def within(seconds: float, call: Callable[[], T]) -> T:
    """Return what a call returns, or raise what it raises.

    Raises
    ------
    TimeoutError
        If it takes longer; the call is left to itself, on a thread that ends with the process.
    """
    answer: Future[Any] = Future()

    def work() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:  # whatever it is, it belongs to the thread that waits
            answer.set_exception(error)

    threading.Thread(target=work, name="within", daemon=True).start()
    try:
        result: T = answer.result(timeout=seconds)
    except FutureTimeoutError as error:
        if answer.done():  # the call itself gave up
            raise
        raise TimeoutError(f"no answer within {seconds:.0f} s") from error
    return result
