"""What is said beside the results: notes and progress on standard error."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from clipcli.errors import ClipcliError
from clipcli.output.text import visible

if TYPE_CHECKING:
    from rich.progress import Progress, Task, TaskID
    from rich.text import Text


class Notes:
    """One line at a time on standard error; ``quiet`` keeps all but errors to itself."""

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self._quiet, self._verbose = quiet, verbose
        self._progress: Progress | None = None

    def say(self, text: str) -> None:
        """Report something that the user would want to know."""
        if not self._quiet:
            self._line(f"clipcli: {visible(text)}")

    def detail(self, text: str) -> None:
        """Report something for ``--verbose``."""
        if self._verbose:
            self._line(f"clipcli: {visible(text)}")

    def summary(self, lines: Iterable[str]) -> None:
        """Print lines as they are, for somebody who watches: on a terminal only."""
        if not self._quiet and sys.stderr.isatty():
            for line in lines:
                self._line(visible(line))

    def _line(self, line: str) -> None:
        if self._progress is None:
            print(line, file=sys.stderr)  # noqa: T201 - this is the place that prints notes
        else:
            from rich.text import Text

            self._progress.console.print(Text(line), soft_wrap=True)

    @contextmanager
    def progress(
        self, count: Callable[[], int] | None, *, is_wanted: bool = True
    ) -> Iterator[Callable[[], None]]:
        """Show a bar with rate and time left, on a terminal only; yields what counts one on.

        ``count`` finds out the total; it runs on the side, since a large tree takes a while.
        """
        if self._quiet or not is_wanted or not sys.stderr.isatty():
            yield lambda: None
            return
        progress, task = _make_progress()
        with progress:
            self._progress = progress
            if count is not None:
                _count_on_the_side(progress, task, count)
            try:
                yield lambda: progress.advance(task)
            finally:
                self._progress = None


def _count_on_the_side(progress: Progress, task: TaskID, count: Callable[[], int]) -> None:
    def work() -> None:
        with suppress(ClipcliError):  # the run itself meets the same, and reports it
            progress.update(task, total=count())

    threading.Thread(target=work, name="count", daemon=True).start()


def _make_progress() -> tuple[Progress, TaskID]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(TextColumn):
        """Pictures a second since the first one."""

        def __init__(self) -> None:
            super().__init__("")

        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:.0f}/s" if task.speed else "", style="cyan")

    progress = Progress(
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,  # results go their own way
        redirect_stderr=False,
    )
    return progress, progress.add_task("classify", total=None)
