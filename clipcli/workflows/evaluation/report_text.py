"""An evaluation as text: sections of headed rows.

The terminal and the page show the same sections.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipcli.output.table import percent, terminal
from clipcli.output.text import visible

if TYPE_CHECKING:
    from rich.text import Text

    from clipcli.workflows.evaluation.calibrate import CalibrationOutcome
    from clipcli.workflows.evaluation.chance import Interval
    from clipcli.workflows.evaluation.evaluated import Evaluated, RivalComparison
    from clipcli.workflows.evaluation.figures import Figures, LabelFigures, OutOfDistribution
    from clipcli.workflows.evaluation.reliability import Bin, Coverage


@dataclass(frozen=True, slots=True)
class Section:
    """Rows under a title; ``header`` names their columns, all but the first ``n_words`` numbers."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_words: int = 1
    note: str = ""


def sections(
    evaluated: Evaluated, *, pairs_shown: int, labels_shown: int | None = None
) -> Iterator[Section]:
    """Yield what there is to tell, the most important first."""
    figures = evaluated.figures
    yield _main(evaluated)
    if evaluated.comparisons:
        yield _comparisons(evaluated.comparisons, figures)
    if evaluated.calibration:
        yield _calibration(evaluated.calibration)
    if figures.out_of_set:
        yield _detections(figures.out_of_set)
        yield _thresholds(figures.out_of_set)
    if figures.pairs:
        yield _pairs(figures, pairs_shown)
    yield _labels(figures.labels, labels_shown)
    fitted = evaluated.calibration
    yield _reliability(fitted.after if fitted else figures.bins, is_fitted=bool(fitted))
    yield _coverage(fitted.coverage if fitted else figures.coverage)


def _main(evaluated: Evaluated) -> Section:
    figures = evaluated.figures
    rows = [_interval_row("top-1", figures.top1)]
    rows += [_interval_row("top-5", figures.top5)] if figures.top5 else []
    rows.append(_interval_row("mean per class", figures.mean_per_class))
    rows.append(("calibration error", percent(figures.calibration_error), ""))
    rows.append(("mean probability", percent(figures.mean_probability), ""))
    if figures.decided:
        rows.append(("answered", percent(figures.decided.answered), ""))
        rows.append(("right of those", share(figures.decided.accuracy), ""))
    n_labels = len(figures.labels)
    skipped = f", {len(evaluated.skipped):,} skipped" if evaluated.skipped else ""
    title = f"{figures.n:,} pictures, {n_labels:,} labels{skipped}"
    return Section(title, ("", "", "95 % interval"), tuple(rows))


def _interval_row(name: str, interval: Interval) -> tuple[str, str, str]:
    return name, percent(interval.value), f"{percent(interval.low)} to {percent(interval.high)}"


def _comparisons(comparisons: tuple[RivalComparison, ...], first: Figures) -> Section:
    rows = [
        ("as given", percent(first.top1.value), "", "", "", "", percent(first.calibration_error))
    ]
    for comparison in comparisons:
        paired = comparison.difference
        low, high = paired.difference.low, paired.difference.high
        rows.append(
            (
                comparison.name,
                percent(comparison.figures.top1.value),
                _points(paired.difference.value),
                f"{_points(low)} to {_points(high)}",
                f"{paired.only_second:,} / {paired.only_first:,}",
                _p_value(comparison.p_adjusted),
                percent(comparison.figures.calibration_error),
            )
        )
    return Section(
        "Compared on the same pictures",
        (
            "",
            "top-1",
            "points",
            "95 % interval",
            "only it / only the first right",
            "p",
            "cal. error",
        ),
        tuple(rows),
        note="p: McNemar's exact test"
        + (", adjusted for several comparisons (Holm)" if len(comparisons) > 1 else ""),
    )


def _points(difference: float) -> str:
    return f"{difference * 100:+.1f}"


def _p_value(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _calibration(outcome: CalibrationOutcome) -> Section:
    fitted = outcome.calibration
    rows = [
        ("temperature", f"{fitted.temperature:.3g}"),
        ("calibration error before", percent(fitted.error_before)),
        ("calibration error after", percent(fitted.error_after)),
        ("reject threshold", f"{fitted.reject_threshold:.3g}"),
        ("pictures of the set that pass it", percent(outcome.kept)),
    ]
    if outcome.rejected is not None:
        rows.append(("out-of-set pictures rejected", percent(outcome.rejected)))
    note = "fitted on all pictures; errors and passing are of fits that had not seen the picture"
    return Section("Calibration", ("", ""), tuple(rows), note=note)


def _detections(out: OutOfDistribution) -> Section:
    rows = [
        (name, f"{found.auroc * 100:.1f}", percent(found.false_positive_rate))
        for name, found in out.scores.items()
    ]
    return Section(
        f"None of these: {out.n:,} pictures out of the set",
        ("score", "AUROC", "pass where 95 % of the set do"),
        tuple(rows),
        note=""
        if out.rejected is None
        else f"the label set's own prompts and thresholds reject {percent(out.rejected)}",
    )


def _thresholds(out: OutOfDistribution) -> Section:
    rows = [
        (f"{one.threshold:.3g}", percent(one.kept), percent(one.rejected)) for one in out.thresholds
    ]
    return Section(
        "What --reject-threshold would do",
        ("threshold", "of the set kept", "out of the set rejected"),
        tuple(rows),
        n_words=0,
    )


def _pairs(figures: Figures, limit: int) -> Section:
    names = [label.label for label in figures.labels]
    rows = [
        (names[i], names[j], f"{n:,} of {figures.labels[i].n:,}")
        for i, j, n in figures.pairs[:limit]
    ]
    left = len(figures.pairs) - len(rows)
    note = f"{left:,} more pairs: --confusion FILE.csv" if left else ""
    return Section("Most confused", ("is", "is taken for", "how often"), tuple(rows), 2, note)


def _labels(labels: tuple[LabelFigures, ...], limit: int | None) -> Section:
    shown = list(labels)
    if limit is not None and len(labels) > limit:
        known = [label for label in labels if label.recall is not None]
        shown = sorted(known, key=lambda label: label.recall or 0)[:limit]
    rows = [
        (x.label, x.often or "", f"{x.n:,}", share(x.precision), share(x.recall), share(x.f1))
        for x in shown
    ]
    left = len(labels) - len(shown)
    return Section(
        "Labels" if not left else f"The {len(shown)} labels that are found least",
        ("label", "mostly taken for", "pictures", "precision", "recall", "F1"),
        tuple(rows),
        n_words=2,
        note=f"{left:,} more: -o FILE.csv" if left else "",
    )


def share(value: float | None) -> str:
    """Write a share that may have nothing to be a share of."""
    return "-" if value is None else percent(value)


def _reliability(bins: Sequence[Bin], *, is_fitted: bool) -> Section:
    rows = [
        (
            f"{one.low * 100:.0f} to {one.high * 100:.0f} %",
            f"{one.n:,}",
            percent(one.mean_probability),
            percent(one.accuracy),
        )
        for one in bins
    ]
    header = ("probability", "pictures", "mean probability", "right")
    return Section(RELIABILITY[is_fitted], header, tuple(rows))


def _coverage(covered: Sequence[Coverage]) -> Section:
    rows = [
        (f"{one.min_prob:.3f}", percent(one.coverage), percent(one.accuracy)) for one in covered
    ]
    return Section(
        COVERAGE,
        ("--min-prob", "answered", "right of those"),
        tuple(rows),
        n_words=0,
    )


RELIABILITY = ("Can probabilities be believed?", "Can probabilities be believed? (calibrated)")
COVERAGE = "What --min-prob would do"
PAIRS_SHOWN = 10
LABELS_SHOWN = 30
WORD_CELLS = 32  # of a label or a rival's name; longer ones are cut


def print_report(evaluated: Evaluated) -> None:
    """Print all sections."""
    console = terminal(sys.stdout)
    shown = sections(evaluated, pairs_shown=PAIRS_SHOWN, labels_shown=LABELS_SHOWN)
    for i, section in enumerate(shown):
        if i:
            console.print()
        for line in section_lines(section):
            console.print(line)


def section_lines(section: Section) -> list[Text]:
    """Return a section as lines in which columns stand below each other."""
    from rich.text import Text

    lines = [Text(visible(section.title), style="bold")]
    rows = [[_fitted(cell) for cell in row] for row in (section.header, *section.rows)]
    widths = [max(text.cell_len for text in column) for column in zip(*rows, strict=True)]
    has_header = any(section.header)
    printed = rows if has_header else rows[1:]
    lines += [_line(row, widths, section.n_words) for row in printed]
    if has_header:
        lines[1].stylize("dim")
    if section.note:
        lines.append(Text(f"  {visible(section.note)}", style="dim"))
    return lines


def _fitted(cell: str) -> Text:
    from rich.text import Text

    text = Text(visible(cell))
    text.truncate(WORD_CELLS, overflow="ellipsis")
    return text


def _line(row: list[Text], widths: list[int], n_words: int) -> Text:
    """Put cells side by side: words to the left, numbers to the right."""
    from rich.text import Text

    line = Text()
    for i, (cell, width) in enumerate(zip(row, widths, strict=True)):
        gap = " " * (width - cell.cell_len)
        line.append("  ")
        if i < n_words:
            line.append_text(cell).append(gap)
        else:
            line.append(gap).append_text(cell)
    line.rstrip()
    return line
