"""Sending entries to outputs as they come; however the run ends, what is written is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from clipcli.output.streams import Streams
    from clipcli.pipeline.session import Session

Entry = TypeVar("Entry")
Origin = TypeVar("Origin")


def send_all(
    session: Session,
    outputs: Streams[Entry, Origin],
    entries: Iterable[Entry],
    provenance: Callable[[], Origin],
) -> None:
    """Send each entry to the outputs, and complete them also where the run ends early.

    Raises
    ------
    ClipcliError, KeyboardInterrupt, BrokenPipeError
        What ended it; the files then hold what was done, and say that there is more.
    """
    from clipcli.cli.conclude import reason_of

    is_wanted = not outputs.fills_terminal
    try:
        with session.notes.progress(session.total(), is_wanted=is_wanted) as advance:
            for entry in session.tally(entries, are_shown=outputs.has_table):
                outputs.write(entry)
                advance()
        outputs.finish(provenance())
    except BaseException as error:
        outputs.end_early(provenance(), reason_of(error))
        raise
