"""Results on a terminal: a ranked list an image, or one line an image."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

from clipcli.output.text import visible
from clipcli.results import Classified, LabelScore, Provenance, Result, Skipped

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

RANKED_IMAGES = 8  # up to so many images get a ranked list each; more get one line each
PARENTS_SHOWN = 3
PERCENT_CELLS = 7
LABEL_CELLS = 28
BAR_CELLS = 24
SHORT_BAR_CELLS = 4  # where less than this is left, there is no bar
# What is shown where there is no label.
VERDICTS = {"below_threshold": "unsure", "rejected": "none of these", "reviewed": "none of these"}
REVIEWED = "reviewed"  # beside what somebody decided


class Table:
    """Prints results as they come; ``ranked`` lists every label, otherwise the first one."""

    def __init__(
        self,
        names: Sequence[str],
        *,
        ranked: bool,
        n_shown: int = 1,  # labels a line, where each image has one line
        console: Console | None = None,
    ) -> None:
        self._console = console or terminal(sys.stdout)
        self._ranked, self._n_shown = ranked, n_shown
        at_least = 0 if ranked else max(map(len, VERDICTS.values()))
        widths = (_cells(visible(name)) for name in names)
        self._label_cells = min(LABEL_CELLS, max(at_least, *widths))

    def write(self, result: Result) -> None:
        """Print one result."""
        from rich.text import Text

        lines = self._ranked_lines(result) if self._ranked else [self._one_line(result)]
        self._console.print(Text("\n").join(lines))

    def finish(self, provenance: Provenance, error: str | None) -> None:
        """Do nothing: every line is complete."""

    def _ranked_lines(self, result: Result) -> list[Text]:
        from rich.text import Text

        path = Text(visible(result.path), style="bold")
        if isinstance(result, Skipped):
            return [path, Text(f"  skipped: {visible(result.reason)}", style="red"), Text()]
        if result.decision == "reviewed":
            told = VERDICTS[result.decision] if result.label is None else visible(result.label)
            path.append(f"  {told}, {REVIEWED}", style="green")
        elif result.decision != "label":
            path.append(f"  {VERDICTS[result.decision]}", style="yellow")
        is_sure = result.decision == "label"
        best = result.top[:1] if result.labels is None else result.labels
        bars = [self._bar_line(s, is_best=is_sure and s in best) for s in result.top]
        groups = [self._bar_line(s, is_best=False) for s in result.parents[:PARENTS_SHOWN]]
        heading = [Text("  in groups", style="dim")] if groups else []
        return [path, *bars, *heading, *groups, Text()]

    def _bar_line(self, score: LabelScore, *, is_best: bool) -> Text:
        """Two cells, the label, the probability, and a bar where there is room for one."""
        from rich.text import Text

        style = "green" if is_best else ""
        room = self._console.width - PERCENT_CELLS - 4  # cells for label and bar
        label_cells = max(1, min(self._label_cells, room))
        line = Text("  ").append_text(_fitted(score.label, label_cells, style))
        line.append(f"  {percent(score.probability):>{PERCENT_CELLS}}", style=style)
        bar_cells = min(BAR_CELLS, room - label_cells - 2)
        if bar_cells >= SHORT_BAR_CELLS:
            shown = bar(score.probability, bar_cells, self._console.encoding)
            line.append(f"  {shown}", style=style or "dim")
        return line

    def _one_line(self, result: Result) -> Text:
        """Write probability, label and path: what may be long is last, so that nothing is cut."""
        from rich.text import Text

        if isinstance(result, Skipped):
            line = Text(f"{'skipped':>{PERCENT_CELLS}}  ", style="red")
            line.append(" " * self._label_cells + f"  {visible(result.path)}: ")
            return line.append(visible(result.reason))
        line = Text(f"{percent(result.probability):>{PERCENT_CELLS}}  ")
        line.append_text(self._verdict(result))
        line.append(f"  {visible(result.path)}")
        if result.decision == "reviewed":
            line.append(f"  {REVIEWED}", style="green")
        if others := (result.labels or ())[1:]:
            line.append("  also " + ", ".join(visible(s.label) for s in others), style="green")
        elif self._n_shown > 1:
            scores = result.top[1 : self._n_shown]
            rest = (f"{visible(s.label)} {percent(s.probability)}" for s in scores)
            line.append("  then " + ", ".join(rest), style="dim")
        return line

    def _verdict(self, result: Classified) -> Text:
        if result.label is not None:
            return _fitted(result.label, self._label_cells, "green")
        return _fitted(VERDICTS[result.decision], self._label_cells, "yellow")


def terminal(file: IO[str]) -> Console:
    """Return a console that shows text of users as it is, and leaves a closed pipe to others."""
    from rich.console import Console

    class OurConsole(Console):
        def on_broken_pipe(self) -> None:
            """Let it through: how a closed pipe ends a run is not rich's to decide."""
            raise BrokenPipeError

    # A character that the terminal's encoding lacks becomes a question mark, not a crash.
    if isinstance(file, io.TextIOWrapper):
        file.reconfigure(errors="replace")
    # Text of users is only ever added as Text, so markup and emoji codes must stay off.
    return OurConsole(file=file, markup=False, emoji=False, highlight=False, soft_wrap=True)


def _cells(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


def _fitted(name: str, cells: int, style: str) -> Text:
    """Return a name in exactly so many cells, cut with an ellipsis or padded."""
    from rich.text import Text

    text = Text(visible(name), style=style)
    text.truncate(cells, overflow="ellipsis", pad=True)
    return text


def percent(probability: float) -> str:
    """Write a probability as people read it; 0 % and 100 % only for what is that to six digits."""
    if 0.9995 <= probability < 0.999999:
        return ">99.9 %"
    if 0.000001 <= probability < 0.0005:
        return "<0.1 %"
    return f"{probability * 100:.1f} %"


def bar(probability: float, cells: int, encoding: str) -> str:
    """Return a bar of up to so many cells, in eighths of a cell where the encoding has them."""
    if not encoding.lower().startswith("utf"):
        return "#" * round(probability * cells)
    eighths = round(probability * cells * 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()
