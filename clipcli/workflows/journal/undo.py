"""Taking a sort back: step by step, the last one first, looking before each.

What the journal says was about to happen is compared with what is on the disk. Only what is as the
sort left it is touched; everything else is refused, with the reason, and stays.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from clipcli.errors import OutputError
from clipcli.images.files import failure_reason
from clipcli.process import held
from clipcli.workflows.journal import transfer
from clipcli.workflows.journal.filestate import (
    RefusedError,
    digest,
    is_beginning,
    look,
    place,
    sync_folder,
)
from clipcli.workflows.journal.journal import Journal
from clipcli.workflows.journal.records import Log, Step

CLOCK_SLACK_NS = 2 * 10**9  # FAT keeps even seconds; a folder and the journal have two clocks

# back: the file goes home; again: the same, once what a killed undo left there is gone;
# remove: our copy or link goes; folder: our folder goes if it is empty; none: nothing is to do.
How: TypeAlias = Literal["back", "again", "remove", "folder", "none"]


@dataclass(frozen=True, slots=True)
class Undone:
    """What becomes of a step, or why nothing does; paths are relative to DIR and SOURCE."""

    step: Step
    how: How
    refusal: str = ""


def plan_undo(log: Log) -> list[Undone]:
    """Return what an undo would do, judged by names and sizes; contents are read when it is done.

    Steps that need nothing are left out.
    """
    if log.is_undone:
        return []
    files = [step for step in reversed(log.steps) if step.action != "folder"]
    plan = [_judge(step, log, is_thorough=False) for step in files]
    return [entry for entry in plan if entry.refusal or entry.how != "none"]


def undo(log: Log, journal: Journal) -> Iterator[Undone]:
    """Take back what can be, and yield what became of each step; folders are left out.

    An interrupt comes between two files; another undo goes on from there.

    Raises
    ------
    OutputError
        If SOURCE or the journal can take no more. What was brought back stays so.
    """
    if log.is_undone:
        return
    mtimes = _untouched_folders(log, journal)
    # The steps back are recorded all at once: each can be seen on the disk to be taken or not.
    journal.write(*({"undo": e.step.number, "how": e.how} for e in plan_undo(log) if not e.refusal))
    n_refused = 0
    for step in reversed(log.steps):
        with held():
            outcome = _take_back(step, log)
        n_refused += bool(outcome.refusal)
        if step.action != "folder" and (outcome.refusal or outcome.how != "none"):
            yield outcome
    with held():
        _restore_folders(log, mtimes)
        if not n_refused:
            journal.write({"undone": "all"})


def take_back_interrupted(log: Log, journal: Journal) -> None:
    """Remove what the last step had begun to write, where its original is still at home."""
    if log.is_undone or not log.steps or log.steps[-1].number in log.done:
        return
    step = log.steps[-1]
    judged = _judge(step, log, is_thorough=True)
    if judged.how == "remove" and not judged.refusal:
        with contextlib.suppress(RefusedError, OSError):  # then it stays, beside the whole one
            _act(judged, log)
            journal.write({"void": step.number})


def _take_back(step: Step, log: Log) -> Undone:
    """Judge by the contents, and act."""
    judged = _judge(step, log, is_thorough=True)
    if judged.refusal:
        return judged
    try:
        _act(judged, log)
    except RefusedError as refusal:
        return Undone(step, judged.how, refusal.message)
    except FileExistsError:
        return Undone(step, judged.how, "something else lies in its old place now")
    except OSError as error:
        raise _failure(error, step, log) from error
    return judged


def _act(judged: Undone, log: Log) -> None:
    step = judged.step
    target = place(log.places.into, step.target)
    match judged.how:
        case "back" | "again":
            _bring_home(step, target, log, is_again=judged.how == "again")
        case "remove":
            os.unlink(target)
        case "folder":
            with contextlib.suppress(OSError):  # not empty: there is something of others in it
                os.rmdir(target)
        case "none":
            if log.undo.get(step.number) in ("back", "again"):
                _restore_mtime(step, place(log.places.source, step.source))


def _bring_home(step: Step, target: str, log: Log, *, is_again: bool) -> None:
    home = place(log.places.source, step.source)
    os.makedirs(os.path.dirname(home), exist_ok=True)
    if is_again:
        os.unlink(home)
    transfer.move(target, home, look(target), step.sha256)
    _restore_mtime(step, home)


def _restore_mtime(step: Step, home: str) -> None:
    """Set back the time where a file system in between was coarser, or somebody touched it."""
    assert step.state is not None
    status = os.lstat(home)
    if status.st_mtime_ns != step.state.mtime_ns:
        with contextlib.suppress(OSError, OverflowError):  # a time that this file system has not
            os.utime(home, ns=(status.st_atime_ns, step.state.mtime_ns))


# --- looking


def _judge(step: Step, log: Log, *, is_thorough: bool) -> Undone:
    """Say what is to be done about a step; reads contents only if asked to be thorough."""
    look_at = {
        "folder": _judge_folder,
        "move": _judge_move,
        "copy": _judge_copy,
        "link": _judge_link,
        "hardlink": _judge_hardlink,
    }
    try:
        target = place(log.places.into, step.target)
        home = place(log.places.source, step.source)
        return Undone(step, look_at[step.action](step, log, home, target, is_thorough))
    except RefusedError as refusal:
        return Undone(step, "none", refusal.message)


def _judge_folder(step: Step, log: Log, home: str, target: str, is_thorough: bool) -> How:
    is_folder = os.path.isdir(target) and not os.path.islink(target)
    return "folder" if is_folder else "none"


def _judge_move(step: Step, log: Log, home: str, target: str, is_thorough: bool) -> How:
    if not os.path.lexists(target):
        if os.path.lexists(home) and _is_content(home, step, is_thorough):
            return "none"  # it never left, or is back
        raise RefusedError("is gone")
    if not os.path.lexists(home):
        _check_content(target, step, is_thorough)
        return "back"
    if log.undo.get(step.number) in ("back", "again") and _is_content(target, step, is_thorough):
        # An undo was killed while it brought the file home: what lies there is what it had written.
        if is_thorough and not is_beginning(home, target):
            raise RefusedError("something else lies in its old place now")
        return "again"
    if _is_content(home, step, is_thorough):
        return _judge_leftover(step, log, home, target, is_thorough)
    raise RefusedError("something else lies in its old place now")


def _judge_leftover(step: Step, log: Log, home: str, target: str, is_thorough: bool) -> How:
    """Say what to do about a target whose original is at home: a copy that is whole or was begun.

    It may go if all that it holds is in the original as well, so that nothing can be lost.
    """
    if not is_thorough:
        return "remove"
    if step.number in log.done and not _is_content(target, step, is_thorough=True):
        raise RefusedError("has changed since")
    if not is_beginning(target, home):
        raise RefusedError("is not the copy that was begun")
    return "remove"


def _judge_copy(step: Step, log: Log, home: str, target: str, is_thorough: bool) -> How:
    if not os.path.lexists(target):
        return "none"
    if step.number in log.done:
        _check_content(target, step, is_thorough)
    if not os.path.lexists(home) or not _is_content(home, step, is_thorough):
        raise RefusedError("its original has changed or is gone, so the copy is kept")
    return _judge_leftover(step, log, home, target, is_thorough)


def _judge_link(step: Step, log: Log, home: str, target: str, is_thorough: bool) -> How:
    if not os.path.lexists(target):
        return "none"
    if not os.path.islink(target) or os.readlink(target) != home:
        raise RefusedError("is not the link that was made")
    return "remove"


def _judge_hardlink(step: Step, log: Log, home: str, target: str, is_thorough: bool) -> How:
    if not os.path.lexists(target):
        return "none"
    state = look(target)
    original = look(home) if os.path.lexists(home) else None
    if original is None:
        raise RefusedError("its original is gone, so the link is kept")
    if (state.device, state.inode) != (original.device, original.inode):
        raise RefusedError("is another file than its original now")
    return "remove"


def _is_content(path: str, step: Step, is_thorough: bool) -> bool:
    assert step.state is not None
    try:
        if look(path).size != step.state.size:
            return False
    except RefusedError:
        return False
    return not is_thorough or digest(path) == step.sha256


def _check_content(path: str, step: Step, is_thorough: bool) -> None:
    look(path)
    if not _is_content(path, step, is_thorough):
        raise RefusedError("has changed since")


# --- folders of SOURCE


def _untouched_folders(log: Log, journal: Journal) -> dict[str, int]:
    """Return the folders whose times are to be set back: those that nobody changed meanwhile."""
    latest = journal.modified_ns() + CLOCK_SLACK_NS
    found = {}
    for folder, mtime_ns in log.folders.items():
        try:
            status = os.lstat(place(log.places.source, folder))
        except (OSError, RefusedError):  # gone; it is made again as files come back
            found[folder] = mtime_ns
            continue
        if stat.S_ISDIR(status.st_mode) and status.st_mtime_ns <= latest:
            found[folder] = mtime_ns
    return found


def _restore_folders(log: Log, mtimes: dict[str, int]) -> None:
    """Set times back, and have all on the disk before the journal says that it is done."""
    for folder in log.folders:
        with contextlib.suppress(OSError, OverflowError, RefusedError):  # gone, another user's
            path = place(log.places.source, folder)
            if folder in mtimes:
                os.utime(path, ns=(os.stat(path).st_atime_ns, mtimes[folder]))
            sync_folder(path)


def _failure(error: OSError, step: Step, log: Log) -> OutputError:
    path = os.path.join(log.places.source, step.source)
    return OutputError(f"{path}: could not be brought back ({failure_reason(error, path)})")
