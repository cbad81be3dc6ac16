"""``clipcli eval --boxes``."""

from __future__ import annotations

from pathlib import Path

from clipcli.cli.groups import ModelOptions, NoteOptions, OutputOptions
from clipcli.errors import ExitCode, UsageError


def eval_boxes(
    folder: Path,
    annotations: Path,
    model: ModelOptions,
    output: OutputOptions,
    notes: NoteOptions,
    *,
    is_alone: bool,
    coarse: bool,
) -> ExitCode:
    """Judge located boxes by annotated ones, and send the figures to the outputs.

    Raises
    ------
    UsageError
        If options were given that are about labels (not ``is_alone``).
    """
    from clipcli.cli.conclude import conclude_inputs, note_files
    from clipcli.encoder.locator import Question
    from clipcli.images.find import ImageFile
    from clipcli.output.report import send
    from clipcli.pipeline.inputs import Inputs
    from clipcli.pipeline.locating.opened import open_for
    from clipcli.pipeline.provenance import now
    from clipcli.workflows.locate.annotations import read_annotations
    from clipcli.workflows.locate.boxes_report import FORMATS, BoxesReport
    from clipcli.workflows.locate.judging import judge, paths_of
    from clipcli.workflows.locate.precision import MOST

    if not is_alone:
        raise UsageError(
            "--boxes: the options about labels, calibration and rivals do not go with it",
            hint="only the model, the outputs and the messages can be chosen",
        )
    request, started = output.request(FORMATS), now()
    known = read_annotations(annotations)
    paths = paths_of(known, folder)
    session = model.session(Inputs(tuple(paths)), notes)
    question = Question.of_names(list(dict.fromkeys(known.categories.values())))
    opened = open_for(session, question, 0.0, MOST, None, coarse=coarse)
    with session.notes.progress(lambda: len(paths)) as advance:
        # As they are named: for a walk, two names of one file are one picture.
        entries = session.tally(opened.locate(map(ImageFile, paths)))
        judged = judge(known, entries, paths, advance)
    if session.n_ok:
        provenance = opened.provenance(started, session.counts())
        send(BoxesReport(judged, provenance | {"annotations": str(annotations)}), request)
        note_files(session, request)
    return conclude_inputs(session)
