"""What is to be done about a step that is taken back: a look at what is on the disk."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal, TypeAlias

from clipcli.workflows.journal.filestate import (
    RefusedError,
    digest,
    is_beginning,
    look,
    n_links,
    place,
)
from clipcli.workflows.journal.records import Log, Step

# back: the file goes home; again: the same, once what a killed undo left there is gone;
# remove: our file, copy or link goes; restore: the file becomes what it was before it was replaced;
# folder: our folder goes if it is empty; none: nothing is to do.
How: TypeAlias = Literal["back", "again", "remove", "restore", "folder", "none"]


@dataclass(frozen=True, slots=True)
class Undone:
    """What becomes of a step, or why nothing does; paths are relative to the journal's roots."""

    step: Step
    how: How
    refusal: str = ""


def judge(step: Step, log: Log, *, is_thorough: bool) -> Undone:
    """Say what is to be done about a step; reads contents only if asked to be thorough."""
    look_at = {
        "folder": _judge_folder,
        "move": _judge_move,
        "copy": _judge_copy,
        "link": _judge_link,
        "hardlink": _judge_hardlink,
        "relink": _judge_relink,
        "trash": _judge_move,
        "rewrite": _judge_rewrite,
    }
    try:
        target, home = target_of(step, log), home_of(step, log)
        return Undone(step, look_at[step.action](step, log, home, target, is_thorough))
    except RefusedError as refusal:
        return Undone(step, "none", refusal.message)


def target_of(step: Step, log: Log) -> str:
    """Return the path that a step puts something at; raise :class:`RefusedError` as ``place``."""
    return place(log.roots[step.target_root], step.target)


def home_of(step: Step, log: Log) -> str:
    """Return the path that a step takes something from; raise as :func:`target_of`."""
    return place(log.roots[step.source_root], step.source)


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


def _judge_relink(step: Step, log: Log, home: str, target: str, is_thorough: bool) -> How:
    assert step.state is not None
    if not os.path.lexists(target):
        raise RefusedError("is gone")
    if look(target).inode == step.state.inode:
        return "none"  # it was never replaced; a file that is back may have its number again
    _check_content(target, step, is_thorough)
    is_back = n_links(target) == 1 and look(target).mtime_ns == step.state.mtime_ns
    return "none" if is_back else "restore"


def _judge_rewrite(step: Step, log: Log, home: str, target: str, is_thorough: bool) -> How:
    was_there = step.state is not None
    if not os.path.lexists(target):
        if was_there:
            raise RefusedError("is gone")
        return "none"
    size = look(target).size
    # Contents of one size are read even for a first look: an edit may change a single letter.
    if was_there and _is_content(target, step, is_thorough=True):
        return "none"
    if size == step.new_size and (not is_thorough or digest(target) == step.new_sha256):
        if was_there and not _is_content(log.kept(step), step, is_thorough):
            raise RefusedError("what it held was not kept, or has changed")
        return "restore" if was_there else "remove"
    if not was_there and not size and step.number not in log.done:
        return "remove"  # of a name that was claimed, and no more
    raise RefusedError("has changed since")


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
