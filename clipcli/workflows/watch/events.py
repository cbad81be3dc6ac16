"""What happens in a folder, as the system tells it (inotify, FSEvents and the like)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from clipcli.errors import InputError, MissingExtraError

TICK_MS = 250  # how often somebody looks whether files have settled


def changes_in(folder: str) -> Iterator[set[str]]:
    """Yield paths that something happened to; an empty set several times a second.

    Raises
    ------
    MissingExtraError
        Without watchfiles.
    InputError
        If the system watches no more folders, or this one is gone.
    """
    watch = require_watchfiles().watch
    # What lies there is looked at first: an empty set starts that before anything happens.
    yield set()
    try:
        for changes in watch(
            folder,
            watch_filter=None,
            debounce=TICK_MS,
            step=50,
            rust_timeout=TICK_MS,
            yield_on_timeout=True,
            raise_interrupt=True,
        ):
            yield {path for _, path in changes}
    except OSError as error:
        yield set()  # who listens looks whether the folder is gone, and says so better
        raise InputError(f"{folder}: cannot be watched ({error.strerror or error})") from error


def require_watchfiles() -> Any:
    """Import watchfiles, or say how to get it."""
    try:
        import watchfiles
    except ImportError as error:
        raise MissingExtraError(
            "watch needs watchfiles, which is not installed",
            hint='pip install "clipcli[watch]"',
        ) from error
    return watchfiles
