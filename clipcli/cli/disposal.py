"""Putting spare copies away under the user's eyes: plan, question, bar, last words."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clipcli.cli.prompt import ask
from clipcli.cli.sort_progress import SkipReasons, for_each
from clipcli.errors import several
from clipcli.output.text import visible
from clipcli.workflows.audit.disposal import (
    Disposed,
    Disposer,
    Spare,
    Stayed,
    are_linkable,
    check_folder,
    common_folder,
    spares_of,
)
from clipcli.workflows.journal.changes import begun_changes
from clipcli.workflows.journal.filestate import RefusedError
from clipcli.workflows.journal.trash import trash_for

if TYPE_CHECKING:
    from clipcli.pipeline.session import Reporter
    from clipcli.workflows.audit.disposal import Disposal
    from clipcli.workflows.audit.findings import Finding
    from clipcli.workflows.journal.filestate import FileState

MB = 1e6
FOLDERS_SHOWN = 3  # of those that are read-only


@dataclass(frozen=True, slots=True)
class Wish:
    """What the options say is to be done with spare copies."""

    action: Disposal
    folder: Path | None  # of "move"
    with_near: bool
    is_dry: bool
    is_agreed: bool

    def check(self, roots: Sequence[str]) -> None:
        """Refuse a folder that they cannot go to."""
        if self.folder is not None:
            check_folder(str(self.folder), roots)

    def question(self, what: str) -> str:
        """Return what is asked before it is done."""
        return {
            "trash": f"put {what} into the trash?",
            "hardlink": f"replace {what} by hard links?",
            "move": f"move {what} into {self.folder}?",
        }[self.action]

    @property
    def done(self) -> str:
        """What is said once it is done, after a count."""
        return {
            "trash": "put into the trash",
            "hardlink": "replaced by hard links",
            "move": f"moved into {self.folder}",
        }[self.action]


def carry_out(
    wish: Wish | None,
    copies: Sequence[Finding],
    states: Mapping[str, FileState],
    roots: Sequence[str],
    notes: Reporter,
) -> bool:
    """Do with spare copies what is wished, after a question; tell whether some were left.

    Raises
    ------
    OutputError
        If the disk or the journal can take no more; what was done can be undone.
    """
    if wish is None:
        _say_what_could_be_done(copies, notes)
        return False
    spares = spares_of(copies, with_near=wish.with_near)
    n_spares = len(spares)
    spares = _writable(spares, notes)
    if wish.action == "hardlink":
        spares, n_linked = _linkable(spares, states, notes)
        n_spares -= n_linked
    n_beyond = n_spares - len(spares)  # known to stay
    if not spares:
        notes.say("nothing can be put away" if n_beyond else _nothing(wish, copies))
        return n_beyond > 0
    size = sum(states[spare.path].size for spare in spares if spare.path in states)
    files = f"{several(len(spares), 'spare copy', 'spare copies')} ({size / MB:,.1f} MB)"
    places = _trash_roots(spares) if wish.action == "trash" else {}
    if wish.is_dry:
        for path in places:
            notes.say(f"trash: {path}")
        notes.say(f"{files} would be {wish.done}; nothing was done")
        return n_beyond > 0
    if not wish.is_agreed:
        for path in places:
            typer.echo(visible(f"trash: {path}"), err=True)
        ask(wish.question(files), is_agreed=False)
    n_left = _dispose(wish, spares, states, [*roots, *places.values()], notes)
    return n_left + n_beyond > 0


def _writable(spares: list[Spare], notes: Reporter) -> list[Spare]:
    """Return the copies that do not lie in folders that are read-only."""
    folders = {str(Path(spare.path).parent) for spare in spares}
    locked = {each for each in folders if not os.access(each, os.W_OK | os.X_OK)}
    if not locked:
        return spares
    left = [spare for spare in spares if str(Path(spare.path).parent) not in locked]
    shown = ", ".join(sorted(locked)[:FOLDERS_SHOWN])
    more = f" and {len(locked) - FOLDERS_SHOWN:,} more" if len(locked) > FOLDERS_SHOWN else ""
    are = "is" if len(locked) == 1 else "are"
    n_left = several(len(spares) - len(left), "copy", "copies")
    notes.say(f"left {n_left}: {shown}{more} {are} read-only")
    return left


def _linkable(
    spares: list[Spare], states: Mapping[str, FileState], notes: Reporter
) -> tuple[list[Spare], int]:
    """Return the copies that links can replace, and how many are links already."""
    how = [are_linkable(spare, states) for spare in spares]
    n_linked, n_beyond = how.count("linked"), how.count("beyond")
    if n_linked:
        notes.say(f"{several(n_linked, 'copy is a hard link', 'copies are hard links')} already")
    if n_beyond:
        lie = several(n_beyond, "copy lies", "copies lie")
        notes.say(
            f"{lie} on another file system than what is kept, where hard links do not reach: "
            "--trash or --move DIR instead"
        )
    return [spare for spare, told in zip(spares, how, strict=True) if told == "linkable"], n_linked


def _dispose(
    wish: Wish,
    spares: Sequence[Spare],
    states: Mapping[str, FileState],
    roots: list[str],
    notes: Reporter,
) -> int:
    folder = os.path.realpath(wish.folder) if wish.folder else ""
    n_done, reasons, paths = 0, SkipReasons(notes), {spare.path for spare in spares}
    with begun_changes("dedup", [*roots, folder] if folder else roots) as changes:
        disposer = Disposer(wish.action, changes, states, folder, common_folder(states))
        notes.say(f"journal: {changes.path}")
        try:
            with notes.progress(lambda: len(spares)) as advance:

                def report(outcome: Disposed | Stayed) -> None:
                    nonlocal n_done
                    if isinstance(outcome, Stayed):
                        reasons.report(outcome.path, outcome.reason)
                    else:
                        n_done += 1
                        notes.detail(f"{outcome.path} -> {outcome.target}")
                    if outcome.path in paths:  # not what belongs to a copy
                        advance()

                for_each(disposer.dispose(spares), report)
        except BaseException:
            notes.say(f"stopped: {_outcome(n_done, wish)}")
            raise
    reasons.conclude()
    notes.say(_outcome(n_done, wish))
    return reasons.n


def _trash_roots(spares: Sequence[Spare]) -> dict[str, str]:
    """Return the trash folders that files go to, and the folder of each that is there already."""
    found = {}
    for spare in spares:
        with suppress(RefusedError, OSError):  # told when it comes to it
            trash = trash_for(spare.path)
            found[trash.path] = trash.root
    return found


def _say_what_could_be_done(copies: Sequence[Finding], notes: Reporter) -> None:
    spares = spares_of(copies, with_near=False)
    if spares:
        n = several(len(spares), "spare copy", "spare copies")
        notes.say(
            f"{n} with the same bytes; --trash, --move DIR or --hardlink puts {_them(spares)} away"
        )


def _them(spares: Sequence[Spare]) -> str:
    return "it" if len(spares) == 1 else "them"


def _nothing(wish: Wish, copies: Sequence[Finding]) -> str:
    if copies and not wish.with_near and wish.action != "hardlink":
        return "no spare copies with the same bytes; --near takes near copies too"
    return "there are no spare copies to put away"


def _outcome(n_done: int, wish: Wish) -> str:
    if not n_done:
        return f"no file was {wish.done}"
    return f"{several(n_done, 'file')} {wish.done}; `clipcli undo` takes that back"
