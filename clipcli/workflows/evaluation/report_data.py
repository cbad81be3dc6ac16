"""An evaluation as data: JSON, whose keys are a contract, TSV and CSV."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from clipcli.output.text import digits, visible
from clipcli.results import path_fields, path_text
from clipcli.version import __version__

if TYPE_CHECKING:
    from clipcli.workflows.evaluation.calibrate import CalibrationOutcome
    from clipcli.workflows.evaluation.evaluated import Evaluated, RivalComparison
    from clipcli.workflows.evaluation.figures import Figures, OutOfDistribution
    from clipcli.workflows.evaluation.out_of_distribution import Rejection
    from clipcli.workflows.evaluation.reliability import Bin

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
    figures, outcome = evaluated.figures, evaluated.calibration
    return {
        "version": __version__,
        "source": path_fields(evaluated.source)["path"],
        **figures_data(figures),
        "labels": [asdict(label) for label in figures.labels],
        "confusion": {
            "labels": [label.label for label in figures.labels],
            "counts": figures.confusion.tolist(),
        },
        "out_of_set": _out_of_set(evaluated, figures.out_of_set) if figures.out_of_set else None,
        "calibration": _calibration(evaluated, outcome) if outcome else None,
        "comparisons": [_comparison(comparison) for comparison in evaluated.comparisons],
        "skipped": [{**path_fields(one.path), "reason": one.reason} for one in evaluated.skipped],
        "provenance": asdict(evaluated.provenance),
    }


def figures_data(figures: Figures) -> dict[str, Any]:
    """Return the figures of one classifier."""
    return {
        "n_pictures": figures.n,
        "top1": asdict(figures.top1),
        "top5": asdict(figures.top5) if figures.top5 else None,
        "mean_per_class": asdict(figures.mean_per_class),
        "calibration_error": figures.calibration_error,
        "mean_probability": figures.mean_probability,
        "reliability": _bins(figures.bins),
        "coverage": [asdict(one) for one in figures.coverage],
        "decided": asdict(figures.decided) if figures.decided else None,
    }


def _bins(bins: Iterable[Bin]) -> list[dict[str, Any]]:
    return [asdict(one) for one in bins]


def _out_of_set(evaluated: Evaluated, out: OutOfDistribution) -> dict[str, Any]:
    return {
        "source": path_fields(evaluated.ood_source or "")["path"],
        "n_pictures": out.n,
        "scores": {name: asdict(detection) for name, detection in out.scores.items()},
        "thresholds": [_rejection(one) for one in out.thresholds],
        "turned_away": out.rejected,
    }


def _rejection(found: Rejection) -> dict[str, float]:
    """Return a threshold's row; the keys are a contract."""
    return {"threshold": found.threshold, "kept": found.kept, "turned_away": found.rejected}


def _calibration(evaluated: Evaluated, outcome: CalibrationOutcome) -> dict[str, Any]:
    fitted = outcome.calibration
    return {
        "file": path_fields(evaluated.calibration_file or "")["path"],
        "temperature": fitted.temperature,
        "logit_scale": fitted.logit_scale,
        "logit_bias": fitted.logit_bias,
        "reject_threshold": fitted.reject_threshold,
        "calibration_error_before": fitted.error_before,
        "calibration_error_after": fitted.error_after,
        "reliability_before": _bins(outcome.before),
        "reliability_after": _bins(outcome.after),
        "coverage_after": [asdict(one) for one in outcome.coverage],
        "kept": outcome.kept,
        "turned_away": outcome.rejected,
    }


def _comparison(comparison: RivalComparison) -> dict[str, Any]:
    return {
        "name": comparison.name,
        **figures_data(comparison.figures),
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
    figures = evaluated.figures
    yield "pictures", figures.n
    yield "skipped", len(evaluated.skipped)
    yield from _rows_of_figures("", figures)
    for comparison in evaluated.comparisons:
        name = " ".join(visible(comparison.name).split())
        yield from _rows_of_figures(f"{name}: ", comparison.figures)
        difference = comparison.difference.difference
        yield f"{name}: difference", difference.value, difference.low, difference.high
        yield f"{name}: p", comparison.difference.p_value
    if outcome := evaluated.calibration:
        yield "temperature", outcome.calibration.temperature
        yield "calibration error before", outcome.calibration.error_before
        yield "calibration error after", outcome.calibration.error_after
        yield "reject threshold", outcome.calibration.reject_threshold
    if out := figures.out_of_set:
        yield "out of set", out.n
        for name, detection in out.scores.items():
            yield f"AUROC, {name}", detection.auroc
            yield f"FPR at 95 % recall, {name}", detection.false_positive_rate


def _rows_of_figures(prefix: str, figures: Figures) -> Iterator[tuple[Cell, ...]]:
    intervals = {
        "top-1": figures.top1,
        "top-5": figures.top5,
        "mean per class": figures.mean_per_class,
    }
    for name, interval in intervals.items():
        if interval:
            yield f"{prefix}{name}", interval.value, interval.low, interval.high
    yield f"{prefix}calibration error", figures.calibration_error


def label_rows(evaluated: Evaluated) -> Iterator[Sequence[Cell]]:
    """One row a label, below a header."""
    yield "label", "classes", "n", "n_right", "n_predicted", "precision", "recall", "f1", "often"
    for one in evaluated.figures.labels:
        counts = (one.n, one.n_right, one.n_predicted)
        shares = (one.precision, one.recall, one.f1)
        yield (one.label, " | ".join(one.classes), *counts, *shares, one.often)


def confusion_rows(evaluated: Evaluated) -> Iterator[Sequence[Cell]]:
    """One row a true label, a column for each label it may have got."""
    names = [label.label for label in evaluated.figures.labels]
    yield ("true", *names)
    for name, counts in zip(names, evaluated.figures.confusion.tolist(), strict=True):
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
    from clipcli.workflows.evaluation.predictions import Predictions

    predictions = evaluated.predictions
    assert isinstance(predictions, Predictions)  # of rows there is no more than they say
    names = predictions.names
    for i, path in enumerate(predictions.paths):
        true, first = int(predictions.truth[i]), int(predictions.first[i])
        yield (
            path_text(path),
            "ok",
            names[true],
            names[first],
            float(predictions.probabilities[i, first]),
            float(predictions.probabilities[i, true]),
            int(predictions.ranks[i]) + 1,
            float(predictions.reject_scores[i]),
            None,
        )
    for skipped in evaluated.skipped:
        yield (path_text(skipped.path), "skipped", *[None] * 6, skipped.reason)


def cell(value: Cell) -> str:
    """Return a value as a cell of CSV."""
    if value is None:
        return ""
    return digits(value) if isinstance(value, float) else str(value)
