"""``clipcli dedup`` of pictures that are no files: in archives, behind URLs, vectors of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipcli.errors import ExitCode, UsageError, several

if TYPE_CHECKING:
    from clipcli.cli.groups import FindingsOutput
    from clipcli.output.request import OutputRequest
    from clipcli.pipeline.session import Session
    from clipcli.workflows.audit.index_choice import IndexChoice


def dedup_archived(
    session: Session,
    request: OutputRequest,
    output: FindingsOutput,
    index: IndexChoice,
    refused: str,
) -> ExitCode | tuple[str, ...]:
    """Say which pictures are copies; or, of a batch over files that are here, which may be.

    Parameters
    ----------
    session, request, output
        As for files.
    index
        How copies are found among many.
    refused
        The option that does not go with pictures that are no files; "" if there is none.

    Returns
    -------
    ExitCode, or tuple of str
        The paths of files that are worth a look, and then have to be looked at.

    Raises
    ------
    UsageError
        If something is to be done with them.
    """
    from clipcli.cli.conclude import conclude, note_files
    from clipcli.images.class_tree import Place
    from clipcli.output.html.thumbnails import spooled
    from clipcli.output.report import send
    from clipcli.pipeline.provenance import now
    from clipcli.workflows.audit.choice import Chooser
    from clipcli.workflows.audit.copies import duplicates
    from clipcli.workflows.audit.copies_report import CopiesReport
    from clipcli.workflows.audit.gather import Gathering
    from clipcli.workflows.audit.index_choice import uses_index
    from clipcli.workflows.audit.vector_copies import are_here, worth_a_look

    started, source = now(), session.inputs.in_words()
    if refused and not _may_be_files(session):
        raise _no_files(source, refused)
    found, _ = session.find()
    with spooled(is_wanted=request.wants("html")) as spool:
        dataset = Gathering(session, (), lambda _: Place(None), spool).gather_passing(found)
        by_index = uses_index(index, len(dataset), session.notes.say)
        is_here = not dataset.measures and are_here(dataset)
        if is_here and (chosen := worth_a_look(dataset, by_index=by_index)):
            session.notes.say(
                f"{several(len(chosen), 'picture')} of {len(dataset):,} may have copies by their "
                "vectors, and are looked at"
            )
            return tuple(chosen)
        if refused and not is_here:
            raise _no_files(source, refused)
        for skipped, _ in dataset.broken:
            session.notes.say(f"skipped {skipped.path}: {skipped.reason}")
        copies = tuple(duplicates(dataset, Chooser(), by_index=by_index))
        provenance = session.vector_provenance(started)
        guarded = output.guard_formulas
        send(CopiesReport(dataset, copies, provenance, spool, guarded, source), request)
        note_files(session, request)
    return conclude(session)


def _may_be_files(session: Session) -> bool:
    """Tell whether the pictures may be files of this machine: where a batch was made of them."""
    from clipcli.pipeline.source_names import URL, is_local_batch, kind_of_source

    return all(
        is_local_batch(path) or (bool(URL.match(path)) and kind_of_source(path)[0] == "picture")
        for path in session.inputs.paths
    )


def _no_files(source: str, option: str) -> UsageError:
    return UsageError(
        f"{source}: its pictures are no files of this machine, so {option} does not go with it",
        hint="leave that out: dedup says which are copies",
    )
