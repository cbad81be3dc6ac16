"""Who is told beside the results where nobody listens: a library, a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext


class Silence:
    """A :class:`~clipcli.pipeline.session.Reporter` that says nothing."""

    def say(self, text: str) -> None: ...

    def detail(self, text: str) -> None: ...

    def summary(self, lines: Iterable[str]) -> None: ...

    def wait_for(self, describe: Callable[[], str]) -> None: ...

    def progress(
        self, count: Callable[[], int] | None, *, is_wanted: bool = True
    ) -> AbstractContextManager[Callable[[], None]]:
        del count, is_wanted
        return nullcontext(lambda: None)
