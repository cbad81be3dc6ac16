"""Taking changes back: step by step, the last one first, looking before each.

What the journal says was about to happen is compared with what is on the disk. Only what is as the
journal left it is touched; everything else is refused, with the reason, and stays.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

from clipcli.errors import OutputError
from clipcli.images.files import failure_reason
from clipcli.process import held
from clipcli.workflows.journal import transfer
from clipcli.workflows.journal.filestate import RefusedError, look, open_file, place, sync_folder
from clipcli.workflows.journal.journal import Journal
from clipcli.workflows.journal.judging import Undone, home_of, judge, target_of
from clipcli.workflows.journal.records import Log, Step
from clipcli.workflows.journal.replacing import restore, sweep

CLOCK_SLACK_NS = 2 * 10**9  # FAT keeps even seconds; a folder and the journal have two clocks


def plan_undo(log: Log) -> list[Undone]:
    """Return what an undo would do, judged by names and sizes; contents are read when it is done.

    Steps that need nothing are left out.
    """
    if log.is_undone:
        return []
    files = [step for step in reversed(log.steps) if step.action != "folder"]
    plan = [judge(step, log, is_thorough=False) for step in files]
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
        journal.drop_store()
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
            journal.drop_store()


def take_back_interrupted(log: Log, journal: Journal) -> None:
    """Take back what a sort was in the middle of when it was killed: the last of its groups.

    Of a file alone, what had begun to be written goes where its original is still at home. Of a
    picture with companions, of which some are at home, those that had gone come back as well.
    """
    steps = [step for step in log.steps if step.action != "folder"]
    if log.is_undone or log.is_ended or not steps:
        return
    if steps[-1].number in log.done and not steps[-1].n_to_follow:
        return
    group = _last_group(steps)
    is_alone = len(group) == 1 and not group[0].n_to_follow
    allowed = ("remove",) if is_alone else ("remove", "back", "again")
    for step in reversed(group):
        judged = judge(step, log, is_thorough=True)
        if judged.how in allowed and not judged.refusal:
            with contextlib.suppress(RefusedError, OSError):  # then it stays where it is
                _act(judged, log)
                journal.write({"void": step.number})


def _last_group(steps: list[Step]) -> list[Step]:
    """Return the last steps that belong together: each says how many are to follow it."""
    group = [steps[-1]]
    for step in reversed(steps[:-1]):
        if step.n_to_follow <= group[0].n_to_follow:
            break
        group.insert(0, step)
    return group


def _take_back(step: Step, log: Log) -> Undone:
    """Judge by the contents, and act."""
    judged = judge(step, log, is_thorough=True)
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
    target = target_of(step, log)
    if step.temporary:
        sweep(target, step.temporary)
    match judged.how:
        case "back" | "again":
            _bring_home(step, target, log, is_again=judged.how == "again")
        case "remove":
            os.unlink(target)
        case "restore":
            content = log.kept(step) if step.action == "rewrite" else target
            assert step.state is not None
            restore(target, content, step.sha256, step.state, step.temporary)
        case "folder":
            with contextlib.suppress(OSError):  # not empty: there is something of others in it
                os.rmdir(target)
        case "none":
            if log.undo.get(step.number) in ("back", "again"):
                _restore_mtime(step, home_of(step, log))
    if step.note:
        _remove_note(step, log)


def _bring_home(step: Step, target: str, log: Log, *, is_again: bool) -> None:
    home = home_of(step, log)
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


def _remove_note(step: Step, log: Log) -> None:
    """Remove what the trash says of a file that is not in it; if it is ours, all or begun."""
    text = step.note_text.encode("utf-8", "surrogateescape")
    with contextlib.suppress(RefusedError, FileNotFoundError):
        note = place(log.roots[step.target_root], step.note)
        with open_file(note) as file:
            is_ours = text.startswith(file.read(len(text) + 1))
        if is_ours:
            os.unlink(note)


# --- folders


def _untouched_folders(log: Log, journal: Journal) -> dict[tuple[int, str], int]:
    """Return the folders whose times are to be set back: those that nobody changed meanwhile."""
    latest = journal.modified_ns() + CLOCK_SLACK_NS
    found: dict[tuple[int, str], int] = {}
    for folder, mtime_ns in log.folders.items():
        try:
            status = os.lstat(place(log.roots[folder[0]], folder[1]))
        except (OSError, RefusedError):  # gone; it is made again as files come back
            found[folder] = mtime_ns
            continue
        if stat.S_ISDIR(status.st_mode) and status.st_mtime_ns <= latest:
            found[folder] = mtime_ns
    return found


def _restore_folders(log: Log, mtimes: dict[tuple[int, str], int]) -> None:
    """Set times back, and have all on the disk before the journal says that it is done."""
    for folder in log.folders:
        with contextlib.suppress(OSError, OverflowError, RefusedError):  # gone, another user's
            path = place(log.roots[folder[0]], folder[1])
            if folder in mtimes:
                os.utime(path, ns=(os.stat(path).st_atime_ns, mtimes[folder]))
            sync_folder(path)


def _failure(error: OSError, step: Step, log: Log) -> OutputError:
    path = os.path.join(log.roots[step.source_root], step.source)
    if not step.source or step.action == "relink":
        path = os.path.join(log.roots[step.target_root], step.target)
    return OutputError(f"{path}: could not be brought back ({failure_reason(error, path)})")
