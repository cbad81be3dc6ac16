"""What is said beside the results: notes and progress on standard error."""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from clipcli.cli.pace import Pace
from clipcli.errors import ClipcliError
from clipcli.installation import in_own_way
from clipcli.output.text import visible

if TYPE_CHECKING:
    from rich.progress import Progress, Task, TaskID
    from rich.text import Text


class Notes:
    """One line at a time on standard error; ``quiet`` keeps all but errors to itself."""

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self._quiet, self._verbose = quiet, verbose
        self._progress: Progress | None = None
        self._describe: Callable[[], str] = str  # nothing is waited for

    def say(self, text: str) -> None:
        """Report something that the user would want to know."""
        if not self._quiet:
            self._line(f"clipcli: {visible(in_own_way(text))}")

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

    def wait_for(self, describe: Callable[[], str]) -> None:
        """Let a progress bar say ``describe()`` as long as nothing is done."""
        self._describe = describe

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
        pace = Pace()
        progress, task = _make_progress(pace, self._describe)
        n_done = itertools.count(1)

        def advance() -> None:
            progress.advance(task)
            pace.note(next(n_done))

        with progress:
            self._progress = progress
            if count is not None:
                _count_on_the_side(progress, task, count)
            try:
                yield advance
            finally:
                self._progress = None


def _count_on_the_side(progress: Progress, task: TaskID, count: Callable[[], int]) -> None:
    def work() -> None:
        with suppress(ClipcliError):  # the run itself meets the same, and reports it
            progress.update(task, total=count())

    threading.Thread(target=work, name="count", daemon=True).start()


def _make_progress(pace: Pace, describe: Callable[[], str]) -> tuple[Progress, TaskID]:
    """Return a line that says what is waited for, and a bar with figures once there are some."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.text import Text

    class Figures(TextColumn):
        """Pictures a second and the time left; before the first picture, what is waited for."""

        def __init__(self) -> None:
            super().__init__("")

        def render(self, task: Task) -> Text:
            return Text(figures(pace, describe, round(task.completed), task.total), style="cyan")

    progress = Progress(
        BarColumn(),
        MofNCompleteColumn(),
        Figures(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,  # results go their own way
        redirect_stderr=False,
    )
    return progress, progress.add_task("classify", total=None)


def figures(pace: Pace, describe: Callable[[], str], n_done: int, total: float | None) -> str:
    """Say how it goes; what is not known yet is left out."""
    if not n_done:
        return describe()
    rate = pace.per_s()
    if rate is None:
        return ""
    text = f"{rate:.0f}/s" if rate >= 10 else f"{rate:.1f}/s"
    left_s = pace.left_s(round(total) - n_done) if total is not None else None
    if left_s is None:
        return text
    minutes, seconds = divmod(round(left_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{text}  {hours}:{minutes:02}:{seconds:02} left"
