"""``clipcli eval`` of rows: what ``batch classify``, or ``classify``, has said already."""

from __future__ import annotations

from pathlib import Path

from clipcli.cli.groups import NoteOptions, OutputOptions
from clipcli.errors import ExitCode, UsageError, several

FORMATS = ("table", "tsv", "csv", "json")


def are_rows(source: str) -> bool:
    """Tell whether a source holds answers and not pictures."""
    from clipcli.pipeline.source_names import PARQUET_ENDINGS, URL, is_local_batch

    return (
        bool(URL.match(source))
        or source.lower().endswith(PARQUET_ENDINGS)
        or is_local_batch(source)
    )


def eval_rows(
    source: str,
    truth: Path | None,
    labels: str | None,
    output: OutputOptions,
    confusion: Path | None,
    notes: NoteOptions,
    *,
    is_alone: bool,
) -> ExitCode:
    """Judge rows by the truth in their keys, or in a table.

    Raises
    ------
    UsageError
        If options were given that ask a model (not ``is_alone``).
    """
    from clipcli.images.key_truth import read_key_truth
    from clipcli.labels.label_set import load_label_set
    from clipcli.output.report import send
    from clipcli.output.summary import written
    from clipcli.pipeline.batches import find_batch
    from clipcli.workflows.evaluation.report import EvaluationReport, csv_tables
    from clipcli.workflows.evaluation.rows import RowSource, evaluate_rows

    if not is_alone:
        raise UsageError(
            f"{source}: holds answers, so no other can be asked for",
            hint="only --truth, --labels, the outputs and the messages can be chosen",
        )
    request = output.request(FORMATS, tables=csv_tables(confusion, None))
    said = notes.notes()
    known = read_key_truth(truth)
    label_set = None if labels is None else load_label_set(labels)
    rows = RowSource.of(source, find_batch(source))
    with said.progress(None) as advance:
        evaluated, n_unknown = evaluate_rows(rows, known, label_set, advance)
    if rows.error:
        said.say(f"{source} is not complete: {rows.error}")
    if n_unknown:
        said.say(f"{several(n_unknown, 'row')} left out, whose true class is not known")
    send(EvaluationReport(evaluated), request)
    said.summary(written(request.files, ""))
    if evaluated.skipped:
        said.say(f"{several(len(evaluated.skipped), 'row')} of skipped pictures not judged")
    return ExitCode.SKIPPED if evaluated.skipped else ExitCode.DONE
