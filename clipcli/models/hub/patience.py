"""How long a hub may take for an answer, and what is no answer of one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from clipcli.errors import ModelError

ANSWER_S = 60.0  # for all of an answer, however it drips

T = TypeVar("T")


def no_hub() -> ModelError:
    """Return the error for an answer that no hub would give."""
    from huggingface_hub import constants

    return ModelError(
        f"{constants.ENDPOINT}: the answer is not a hub's",
        hint="check HF_ENDPOINT, and whether the network wants a login",
    )


@contextmanager
def answers_make_sense() -> Iterator[None]:
    """Turn what the hub's library raises on headers of wrong types into a :class:`ModelError`."""
    from huggingface_hub import errors

    try:
        yield
    except errors.HFValidationError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise no_hub() from error


def within(seconds: float, what: str, work: Callable[[], T]) -> T:
    """Return what ``work`` returns, if that takes no longer; Ctrl-C is heard all along.

    Subtle: a time-out of the library's counts from byte to byte, and a server may send one byte
    a second for ever. The thread that is left then ends with the process.
    """
    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # whatever it is, the caller has to meet it
            failures.append(error)

    thread = threading.Thread(target=run, name="hub", daemon=True)
    thread.start()
    deadline = time.monotonic() + seconds
    while thread.is_alive() and time.monotonic() < deadline:
        thread.join(min(0.5, max(0.0, deadline - time.monotonic())))
    if failures:
        raise failures[0]
    if not results:
        raise ModelError(
            f"{what}: the hub did not finish its answer within {seconds:,.0f} s",
            hint="run the same command again: it goes on where it stopped",
        )
    return results[0]
