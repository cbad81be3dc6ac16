"""``clipcli classify``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipcli.cli import options
from clipcli.errors import ExitCode

if TYPE_CHECKING:
    from clipcli.output.results import OutputRequest
    from clipcli.pipeline.classifier import Classifier
    from clipcli.pipeline.session import Session


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
    from clipcli.cli.open_classifier import open_classifier
    from clipcli.cli.progress import Notes
    from clipcli.output.results import requested
    from clipcli.pipeline.decisions import Decisions
    from clipcli.pipeline.inputs import Inputs
    from clipcli.pipeline.session import ModelOptions, Session

    decisions = Decisions(min_prob, reject_threshold, independent, calibration, no_calibration)
    request = requested(format_, output, overwrite=overwrite, guard_formulas=guard_formulas)
    session = Session(
        inputs=Inputs(tuple(paths or ()), from_file, null),
        model=ModelOptions(model, device, precision, exact, max_pixels, no_cache, backend),
        notes=Notes(quiet=quiet, verbose=verbose),
    )
    classifier = open_classifier(session, labels, templates, top_k, decisions, probe)
    return _classify(session, classifier, request)


def _classify(session: Session, classifier: Classifier, request: OutputRequest) -> ExitCode:
    """Send each result to the outputs; however the run ends, what is written is whole."""
    from clipcli.cli.conclude import conclude, reason_of
    from clipcli.output.results import Outputs
    from clipcli.output.table import RANKED_IMAGES
    from clipcli.pipeline.provenance import now

    found, is_handful = session.find(RANKED_IMAGES)
    outputs = Outputs(
        request,
        classifier.label_set,
        top_k=classifier.top_k,
        ranked=is_handful,
        independent=classifier.independent,
    )
    started = now()
    try:
        with session.notes.progress(
            session.total(), is_wanted=not outputs.fills_terminal
        ) as advance:
            results = classifier.classify_found(found)
            for result in session.tally(results, are_shown=outputs.has_table):
                outputs.write(result)
                advance()
        outputs.finish(session.provenance(classifier, started))
    except BaseException as error:
        outputs.end_early(session.provenance(classifier, started), reason_of(error))
        raise
    return conclude(session, classifier)
