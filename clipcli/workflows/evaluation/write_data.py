"""An evaluation as data: JSON, whose keys are a contract, TSV and CSV."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from clipcli.output.text import digits, visible
from clipcli.results import path_fields
from clipcli.version import __version__

if TYPE_CHECKING:
    from clipcli.workflows.evaluation.calibrating import Calibrating
    from clipcli.workflows.evaluation.comparing import Comparison
    from clipcli.workflows.evaluation.evaluated import Evaluated
    from clipcli.workflows.evaluation.reliability import Bin
    from clipcli.workflows.evaluation.report import OutOfSet, Report

Cell = str | float | int | None


def json_text(evaluated: Evaluated, *, ascii_only: bool = False) -> str:
    """Return the whole evaluation as JSON, each key of it in a line of its own."""
    data = _shortened(evaluation_data(evaluated))
    lines = [
        f'"{key}": {json.dumps(value, ensure_ascii=ascii_only, allow_nan=False)}'
        for key, value in data.items()
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def evaluation_data(evaluated: Evaluated) -> dict[str, Any]:
    """Return the whole evaluation as JSON data; keys are only ever added."""
    report, calibrating = evaluated.report, evaluated.calibrating
    return {
        "version": __version__,
        "source": path_fields(evaluated.source)["path"],
        **report_data(report),
        "labels": [asdict(label) for label in report.labels],
        "confusion": {
            "labels": [label.label for label in report.labels],
            "counts": report.confusion.tolist(),
        },
        "out_of_set": _out_of_set(evaluated, report.out_of_set) if report.out_of_set else None,
        "calibration": _calibration(evaluated, calibrating) if calibrating else None,
        "comparisons": [_comparison(comparison) for comparison in evaluated.comparisons],
        "skipped": [{**path_fields(one.path), "reason": one.reason} for one in evaluated.skipped],
        "provenance": asdict(evaluated.provenance),
    }


def report_data(report: Report) -> dict[str, Any]:
    """Return the figures of one classifier."""
    return {
        "n_pictures": report.n,
        "top1": asdict(report.top1),
        "top5": asdict(report.top5) if report.top5 else None,
        "mean_per_class": asdict(report.mean_per_class),
        "calibration_error": report.calibration_error,
        "mean_probability": report.mean_probability,
        "reliability": _bins(report.bins),
        "coverage": [asdict(one) for one in report.coverage],
        "decided": asdict(report.decided) if report.decided else None,
    }


def _bins(bins: Iterable[Bin]) -> list[dict[str, Any]]:
    return [asdict(one) for one in bins]


def _out_of_set(evaluated: Evaluated, out: OutOfSet) -> dict[str, Any]:
    return {
        "source": path_fields(evaluated.strangers_source or "")["path"],
        "n_pictures": out.n,
        "scores": {name: asdict(detection) for name, detection in out.scores.items()},
        "thresholds": [asdict(one) for one in out.thresholds],
        "turned_away": out.turned_away,
    }


def _calibration(evaluated: Evaluated, calibrating: Calibrating) -> dict[str, Any]:
    fitted = calibrating.calibration
    return {
        "file": path_fields(evaluated.calibration_file or "")["path"],
        "temperature": fitted.temperature,
        "logit_scale": fitted.logit_scale,
        "logit_bias": fitted.logit_bias,
        "reject_threshold": fitted.reject_threshold,
        "calibration_error_before": fitted.error_before,
        "calibration_error_after": fitted.error_after,
        "reliability_before": _bins(calibrating.before),
        "reliability_after": _bins(calibrating.after),
        "coverage_after": [asdict(one) for one in calibrating.coverage],
        "kept": calibrating.kept,
        "turned_away": calibrating.turned_away,
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {
        "name": comparison.name,
        **report_data(comparison.report),
        **asdict(comparison.difference),
        "p_adjusted": comparison.p_adjusted,
    }


def _shortened(data: Any) -> Any:
    """Return the same data with six significant digits; lists of whole numbers stay."""
    if isinstance(data, float):
        return float(digits(data))
    if isinstance(data, dict):
        return {key: _shortened(value) for key, value in data.items()}
    return [_shortened(item) for item in data] if isinstance(data, list | tuple) else data


def tsv_text(evaluated: Evaluated) -> str:
    """Return the main figures, one a line: name, value, and an interval's ends where it has one."""
    return "".join("\t".join(map(cell, row)).rstrip("\t") + "\n" for row in _figures(evaluated))


def _figures(evaluated: Evaluated) -> Iterator[tuple[Cell, ...]]:
    report = evaluated.report
    yield "pictures", report.n
    yield "skipped", len(evaluated.skipped)
    yield from _report_figures("", report)
    for comparison in evaluated.comparisons:
        name = " ".join(visible(comparison.name).split())
        yield from _report_figures(f"{name}: ", comparison.report)
        difference = comparison.difference.difference
        yield f"{name}: difference", difference.value, difference.low, difference.high
        yield f"{name}: p", comparison.difference.p_value
    if calibrating := evaluated.calibrating:
        yield "temperature", calibrating.calibration.temperature
        yield "calibration error before", calibrating.calibration.error_before
        yield "calibration error after", calibrating.calibration.error_after
        yield "reject threshold", calibrating.calibration.reject_threshold
    if out := report.out_of_set:
        yield "out of set", out.n
        for name, detection in out.scores.items():
            yield f"AUROC, {name}", detection.auroc
            yield f"FPR at 95 % recall, {name}", detection.false_positive_rate


def _report_figures(prefix: str, report: Report) -> Iterator[tuple[Cell, ...]]:
    intervals = {
        "top-1": report.top1,
        "top-5": report.top5,
        "mean per class": report.mean_per_class,
    }
    for name, interval in intervals.items():
        if interval:
            yield f"{prefix}{name}", interval.value, interval.low, interval.high
    yield f"{prefix}calibration error", report.calibration_error


def label_rows(evaluated: Evaluated) -> Iterator[Sequence[Cell]]:
    """One row a label, below a header."""
    yield "label", "classes", "n", "n_right", "n_predicted", "precision", "recall", "f1", "often"
    for one in evaluated.report.labels:
        counts = (one.n, one.n_right, one.n_predicted)
        shares = (one.precision, one.recall, one.f1)
        yield (one.label, " | ".join(one.classes), *counts, *shares, one.often)


def confusion_rows(evaluated: Evaluated) -> Iterator[Sequence[Cell]]:
    """One row a true label, a column for each label it may have got."""
    names = [label.label for label in evaluated.report.labels]
    yield ("true", *names)
    for name, counts in zip(names, evaluated.report.confusion.tolist(), strict=True):
        yield (name, *counts)


def picture_rows(evaluated: Evaluated) -> Iterator[Sequence[Cell]]:
    """One row a picture, below a header; pictures that were skipped come last."""
    yield (
        "path",
        "status",
        "true_label",
        "label",
        "probability",
        "true_probability",
        "true_rank",
        "reject_score",
        "reason",
    )
    answers = evaluated.answers
    names = answers.rules.names
    for i, path in enumerate(answers.paths):
        true, first = int(answers.truth[i]), int(answers.first[i])
        yield (
            path_fields(path)["path"],
            "ok",
            names[true],
            names[first],
            float(answers.probabilities[i, first]),
            float(answers.probabilities[i, true]),
            int(answers.ranks[i]) + 1,
            float(answers.reject_scores[i]),
            None,
        )
    for skipped in evaluated.skipped:
        yield (path_fields(skipped.path)["path"], "skipped", *[None] * 6, skipped.reason)


def cell(value: Cell) -> str:
    """Return a value as a cell of CSV."""
    if value is None:
        return ""
    return digits(value) if isinstance(value, float) else str(value)
