"""``clipcli classify``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipcli.cli import options
from clipcli.errors import ExitCode, LabelSetError

if TYPE_CHECKING:
    from pathlib import Path

    from clipcli.cli.run import Run
    from clipcli.output.results import OutputRequest
    from clipcli.pipeline.classifier import Classifier
    from clipcli.pipeline.decisions import Decisions


def classify(
    paths: options.Paths = None,
    labels: options.Labels = None,
    templates: options.Templates = None,
    model: options.Model = None,
    top_k: options.TopK = 5,
    min_prob: options.MinProbByMode = None,
    independent: options.Independent = False,
    reject_threshold: options.RejectThreshold = None,
    calibration: options.CalibrationFile = None,
    probe: options.ProbeFile = None,
    no_calibration: options.NoCalibration = False,
    format_: options.Format = None,
    output: options.Outputs = None,
    overwrite: options.Overwrite = False,
    guard_formulas: options.GuardFormulas = False,
    from_file: options.FromFile = None,
    null: options.Null = False,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    backend: options.Backend = "torch",
    exact: options.Exact = False,
    max_pixels: options.MaxPixels = 200.0,
    no_cache: options.NoCache = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> ExitCode:
    """Say which label fits each picture, with probabilities.

    clipcli classify photos/ --labels animals
    """
    from clipcli.cli.progress import Notes
    from clipcli.cli.run import Inputs, ModelOptions, Run
    from clipcli.output.results import requested
    from clipcli.pipeline.decisions import Decisions

    decisions = Decisions(min_prob, reject_threshold, independent, calibration, no_calibration)
    request = requested(format_, output, overwrite=overwrite, guard_formulas=guard_formulas)
    run = Run(
        inputs=Inputs(tuple(paths or ()), from_file, null),
        model=ModelOptions(model, device, precision, exact, max_pixels, no_cache, backend),
        notes=Notes(quiet=quiet, verbose=verbose),
    )
    classifier = open_classifier(run, labels, templates, top_k, decisions, probe)
    return _classify(run, classifier, request)


def open_classifier(
    run: Run,
    labels: str | None,
    templates: str | None,
    top_k: int,
    decisions: Decisions,
    probe: Path | None = None,
) -> Classifier:
    """Make the classifier that the options of a command ask for."""
    from clipcli.labels.label_set import builtin_label_sets, load_label_set
    from clipcli.pipeline.classifier import Classifier
    from clipcli.pipeline.decisions import check_alone, decide, open_probe

    if probe is not None:
        check_alone(labels, templates, decisions)
        return open_probe(run, probe, top_k, decisions)
    if labels is None:
        raise LabelSetError(
            "no labels were given",
            hint="--labels FILE, --labels 'cat, dog', or a built-in set: "
            + ", ".join(sorted(builtin_label_sets())),
        )
    classifier = Classifier(
        load_label_set(labels),
        templates=templates,
        top_k=top_k,
        min_prob=decisions.least_probability,
        independent=decisions.independent,
        options=run.model.decoding(),
        encoder=run.encoder,
        cache=run.model.cache(),
        image_cache=run.image_cache,
    )
    classifier.tell_progress = run.tell_encoded
    return decide(classifier, decisions, run.notes)


def _classify(run: Run, classifier: Classifier, request: OutputRequest) -> ExitCode:
    """Send each result to the outputs; however the run ends, what is written is whole."""
    from clipcli.cli.run import reason_of
    from clipcli.output.results import Outputs
    from clipcli.pipeline.provenance import describe, now

    found, is_handful = run.find()
    outputs = Outputs(
        request,
        classifier.label_set,
        top_k=classifier.top_k,
        ranked=is_handful,
        independent=classifier.independent,
    )
    started = now()
    try:
        with run.notes.progress(run.total(), is_wanted=not outputs.fills_terminal) as advance:
            results = classifier.classify_found(found)
            for result in run.tally(results, are_shown=outputs.has_table):
                outputs.write(result)
                advance()
        outputs.finish(describe(classifier, started, run.counts()))
    except BaseException as error:
        outputs.end_early(describe(classifier, started, run.counts()), reason_of(error))
        raise
    if run.n_ok:
        run.tell_labels(classifier)
    return run.conclude()
