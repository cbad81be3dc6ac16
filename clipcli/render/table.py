"""This file knows about results on a terminal: a ranked list an image, or one line an image."""

from __future__ import annotations

import sys
from typing import IO, TYPE_CHECKING

from clipcli.render.text import visible
from clipcli.results import Classified, LabelScore, Result, Skipped

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

RANKED_IMAGES = 8  # up to so many images get a ranked list each; more get one line each
BAR_CELLS = 24
LABEL_CELLS = 28
VERDICTS = {"below_threshold": "unsure", "rejected": "none of these"}


class Table:
    """Prints results as they come; ``ranked`` lists every label, otherwise the first one."""

    def __init__(self, file: IO[str] | None = None, *, ranked: bool) -> None:
        from rich.console import Console

        # Text of users is only ever added as Text, so markup and emoji codes must stay off.
        self._console = Console(
            file=file or sys.stdout, markup=False, emoji=False, highlight=False, soft_wrap=True
        )
        self._ranked = ranked

    def write(self, result: Result) -> None:
        """Print one result."""
        lines = self._ranked_lines(result) if self._ranked else [self._one_line(result)]
        for line in lines:
            self._console.print(line)

    def _ranked_lines(self, result: Result) -> list[Text]:
        from rich.text import Text

        path = Text(visible(result.path), style="bold")
        if isinstance(result, Skipped):
            return [path, Text(f"  skipped: {visible(result.reason)}", style="red"), Text()]
        if result.decision != "label":
            path.append(f"  {VERDICTS[result.decision]}", style="yellow")
        width = min(LABEL_CELLS, max(Text(visible(s.label)).cell_len for s in result.top))
        bars = [self._bar_line(s, width, is_first=i == 0) for i, s in enumerate(result.top)]
        groups = [self._bar_line(s, width, is_first=False) for s in result.parents[:3]]
        heading = [Text("  in groups", style="dim")] if groups else []
        return [path, *bars, *heading, *groups, Text()]

    def _bar_line(self, score: LabelScore, width: int, *, is_first: bool) -> Text:
        from rich.text import Text

        style = "green" if is_first else ""
        label = Text(visible(score.label), style=style)
        label.truncate(max(width, 1), overflow="ellipsis", pad=True)
        line = Text("  ").append_text(label)
        line.append(f"  {percent(score.probability):>7}  ", style=style)
        return line.append(bar(score.probability, self._console), style=style or "dim")

    def _one_line(self, result: Result) -> Text:
        from rich.text import Text

        path = Text(visible(result.path), overflow="ellipsis")
        if isinstance(result, Skipped):
            verdict = Text(f"skipped: {visible(result.reason)}", style="red")
        else:
            verdict = _verdict(result)
        cells = max(20, self._console.width - max(verdict.cell_len, 40) - 2)
        return _fit_tail(path, cells).append("  ").append_text(verdict)


def _verdict(result: Classified) -> Text:
    from rich.text import Text

    best = result.top[0]
    text = Text(f"{percent(best.probability):>7}  ")
    if result.decision == "label":
        return text.append(visible(best.label), style="green")
    text.append(VERDICTS[result.decision], style="yellow")
    return text.append(f" (best: {visible(best.label)})", style="dim")


def _fit_tail(path: Text, cells: int) -> Text:
    """Pad a path, or keep its end, where names differ, and mark the cut."""
    if path.cell_len > cells:
        plain = path.plain
        while path.cell_len > cells - 1:
            plain = plain[max(1, path.cell_len - cells + 1) :]
            path = type(path)(plain)
        path = type(path)("…" + plain)
    path.pad_right(max(0, cells - path.cell_len))
    return path


def percent(probability: float) -> str:
    """Write a probability as people read it; 100 % only for what is 1 to six digits."""
    if probability >= 0.99995:
        return "100 %" if probability >= 0.999999 else ">99.9 %"
    return f"{probability * 100:.1f} %" if probability >= 0.0005 else "<0.1 %"


def bar(probability: float, console: Console) -> str:
    """Return a bar of up to :data:`BAR_CELLS` cells, in eighths where the terminal has them."""
    if not (console.encoding or "").lower().startswith("utf"):
        return "#" * round(probability * BAR_CELLS)
    eighths = round(probability * BAR_CELLS * 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()
