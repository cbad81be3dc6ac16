"""Carrying out a plan, each step recorded in the journal before it is taken."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, count
from typing import TypeAlias

from clipcli.errors import OutputError
from clipcli.images.files import failure_reason
from clipcli.process import held
from clipcli.workflows.journal import transfer
from clipcli.workflows.journal.filestate import (
    RefusedError,
    check_unchanged,
    digest,
    is_relative,
    place,
    sync_folder,
)
from clipcli.workflows.journal.journal import Journal
from clipcli.workflows.journal.records import Action, Places, Step, step_record
from clipcli.workflows.sorting.plan import Group, Left, Member, Plan

# Of one file, not of the place that all are going to.
_SINGLE = frozenset(
    {errno.ENOENT, errno.EINVAL, errno.EILSEQ, errno.ENAMETOOLONG, errno.ETXTBSY, errno.EMLINK}
)


@dataclass(frozen=True, slots=True)
class Placed:
    """A file that has come to its place; paths are relative to SOURCE and DIR."""

    path: str
    target: str


Outcome: TypeAlias = Placed | Left


def source_folders(plan: Plan) -> dict[str, int]:
    """Return the folders of SOURCE that files leave, and their mtime_ns, to be restored by undo."""
    paths = [member.path for _, member in plan.members()]
    relative = os.path.relpath(plan.places.into, plan.places.source)
    if is_relative(relative):  # a DIR inside of SOURCE changes the folder that it is made in
        paths.append(relative)
    found = {}
    for path in sorted(set(chain.from_iterable(map(_folders_above, paths)))):
        try:
            found[path] = os.stat(os.path.join(plan.places.source, path)).st_mtime_ns
        except OSError:  # gone; so are the files in it, and that will be reported
            continue
    return found


def _folders_above(path: str) -> Iterator[str]:
    while path:
        path = os.path.dirname(path)
        yield path


def carry_out(
    plan: Plan, action: Action, journal: Journal, numbers: Iterator[int] | None = None
) -> Iterator[Outcome]:
    """Do what the plan says, and yield what became of each file.

    An interrupt comes between two groups: a picture is not parted from its companions. ``numbers``
    counts the steps on where a journal has some.

    Raises
    ------
    OutputError
        If DIR or the journal can take no more: a full disk, a folder that may not be written. What
        was done stays done, and the journal has it.
    """
    runner = _Runner(plan.places, action, journal, numbers or count(1))
    for group in plan.groups:
        last, failure = None, None
        with held():
            try:
                for outcome in _put_group(runner, group):
                    if last is not None:
                        yield last
                    last = outcome
            except OutputError as error:
                failure = error
        if last is not None:  # outside, or else there would be no moment for an interrupt
            yield last
        if failure is not None:
            raise failure
    journal.write({"end": "done"})


def _put_group(runner: _Runner, group: Group) -> Iterator[Outcome]:
    number = group.number
    for i in range(len(group.members)):
        outcome, number = runner.take(group, i, number)
        yield outcome
        if i == 0 and isinstance(outcome, Left):
            yield from (Left(x.path, "its picture was left") for x in group.members[1:])
            return


class _Runner:
    """Takes steps, and counts them."""

    def __init__(
        self, places: Places, action: Action, journal: Journal, numbers: Iterator[int]
    ) -> None:
        self._places, self._action, self._journal = places, action, journal
        self._numbers = numbers
        self._folders: set[str] = set()

    def take(self, group: Group, i: int, number: int) -> tuple[Outcome, int]:
        """Put a group's i-th file where it belongs; returns the number that its name got."""
        member, n_to_follow = group.members[i], len(group.members) - 1 - i
        try:
            self._make_folder(group.folder)
            path = place(self._places.source, member.path)
            check_unchanged(path, member.state)
            needs_digest = self._action in ("move", "copy")
            sha256 = digest(path) if needs_digest else ""
            for tried in count(number):
                if i == 0 and self._is_taken(group, tried):
                    continue
                target = os.path.join(group.folder, group.name(member, tried))
                if self._put(path, target, member, sha256, n_to_follow):
                    return Placed(member.path, target), tried
                if i > 0:
                    raise RefusedError(f"{target} is there already")
        except RefusedError as refusal:
            return Left(member.path, refusal.message), number
        raise AssertionError("there is always a free number")

    def _is_taken(self, group: Group, number: int) -> bool:
        """Tell whether a number cannot be that of all members, since others came meanwhile."""
        if len(group.members) == 1:
            return False  # it is seen when it is put there
        names = (os.path.join(group.folder, group.name(each, number)) for each in group.members)
        return any(os.path.lexists(place(self._places.into, name)) for name in names)

    def _put(self, path: str, target: str, member: Member, sha256: str, n_to_follow: int) -> bool:
        """Take the step; False if the name was taken meanwhile."""
        goal = place(self._places.into, target)
        if os.path.lexists(goal):
            return False
        state = member.state
        step = Step(
            next(self._numbers),
            self._action,
            target,
            member.path,
            state,
            sha256,
            n_to_follow=n_to_follow,
        )
        self._journal.write(step_record(step))
        try:
            self._act(path, goal, step)
        except FileExistsError:
            # What lies there is somebody else's, even if it is the same in every byte.
            self._journal.write({"void": step.number})
            return False
        except OSError as error:
            raise _failure(error, step, path, goal) from error
        self._journal.write({"done": step.number}, is_urgent=False)
        return True

    def _act(self, path: str, goal: str, step: Step) -> None:
        assert step.state is not None
        match self._action:
            case "move":
                transfer.move(path, goal, step.state, step.sha256)
            case "copy":
                transfer.copy(path, goal, step.state, step.sha256)
            case "link":
                os.symlink(path, goal)
            case _:
                os.link(path, goal)  # of a regular file: it was looked at

    def _make_folder(self, folder: str) -> None:
        """Make a folder of DIR, and those above it; "" is DIR itself."""
        if folder in self._folders:
            return
        if folder:
            self._make_folder(os.path.dirname(folder))
        path = place(self._places.into, folder)
        if not os.path.lexists(path):
            step = Step(next(self._numbers), "folder", folder)
            self._journal.write(step_record(step))
            try:
                os.mkdir(path)
            except FileExistsError:
                pass
            except OSError as error:
                raise OutputError(f"{path}: {error.strerror or error}") from error
            else:
                self._journal.write({"done": step.number}, is_urgent=False)
                sync_folder(os.path.dirname(path))
        if os.path.islink(path) or not os.path.isdir(path):
            raise OutputError(f"{path}: is there and is not a folder")
        self._folders.add(folder)


def _failure(error: OSError, step: Step, path: str, goal: str) -> RefusedError | OutputError:
    """Tell a file that cannot go from a place that takes nothing."""
    is_of_source = error.filename == path and error.errno in (errno.EACCES, errno.EPERM)
    if step.action in ("link", "hardlink") and error.errno not in _SINGLE:
        return OutputError(
            f"{goal}: could not be linked ({error.strerror or error})",
            hint="not every file system and user can: --copy instead",
        )
    if error.errno in _SINGLE or is_of_source:
        return RefusedError(failure_reason(error, path))
    return OutputError(f"{goal}: could not be written ({error.strerror or error})")
