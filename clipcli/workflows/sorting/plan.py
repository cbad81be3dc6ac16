"""The plan of a sort: which file goes to which folder, under which name."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TypeAlias

from clipcli.errors import OutputExistsError
from clipcli.images.companions import Companions, split_ending
from clipcli.images.taken import taken_on
from clipcli.results import Classified, Result, Skipped
from clipcli.workflows.journal.filestate import FileState, RefusedError, is_beginning, look
from clipcli.workflows.journal.records import Action, Places
from clipcli.workflows.sorting.foldernames import fitting, name_key, numbered
from clipcli.workflows.sorting.rules import Goal, Rules
from clipcli.workflows.sorting.taken_names import TakenNames


@dataclass(frozen=True, slots=True)
class Member:
    """A file that goes somewhere; ``path`` is relative to SOURCE."""

    path: str
    rest: str  # of its name, after the stem that the group has in common
    state: FileState


@dataclass(frozen=True, slots=True)
class Group:
    """A picture and what follows it: they go to one folder, and stay alike in name."""

    result: Classified
    goal: Goal
    number: int  # 1: names stay; 2: "IMG (2).jpg"
    members: tuple[Member, ...]  # the picture first

    @property
    def folder(self) -> str:
        """The folder of DIR that they go to."""
        return self.goal.folder

    def name(self, member: Member, number: int | None = None) -> str:
        """Return a member's name in the folder."""
        return _name(self.goal, member, self.number if number is None else number)


@dataclass(frozen=True, slots=True)
class Left:
    """A file that stays where it is, and why; ``path`` is relative to SOURCE."""

    path: str
    reason: str


@dataclass(slots=True)
class Plan:
    """All that is going to happen, and what is not."""

    places: Places
    groups: list[Group] = field(default_factory=list)
    skipped: list[Left] = field(default_factory=list)  # could not be read
    left: list[Left] = field(default_factory=list)  # other reasons
    # Folders of SOURCE that nothing can be moved out of, and how many pictures would have been.
    locked: Counter[str] = field(default_factory=Counter)
    n_in_place: int = 0
    n_unsure: int = 0  # stay because no label was sure

    def counts(self) -> dict[str, int]:
        """Return how many files go to each folder, in the order of the folders' names."""
        counts: dict[str, int] = {}
        for group in self.groups:
            heading = group.goal.heading
            counts[heading] = counts.get(heading, 0) + len(group.members)
        return dict(sorted(counts.items()))

    def members(self) -> Iterator[tuple[Group, Member]]:
        """Yield every file that goes somewhere."""
        for group in self.groups:
            for member in group.members:
                yield group, member

    def companions(self) -> Iterator[str]:
        """Yield the paths of files that go along with a picture."""
        for group in self.groups:
            yield from (member.path for member in group.members[1:])


States: TypeAlias = Mapping[str, FileState]


class Planner:
    """Makes a plan of results, one after the other.

    Parameters
    ----------
    states
        What each picture was when it was found, by its path relative to SOURCE: a file that has
        changed by the time it is to be moved may not be what was classified.
    companions
        What follows pictures; None if nothing does.
    """

    def __init__(
        self,
        places: Places,
        rules: Rules,
        states: States,
        *,
        action: Action = "move",
        companions: Companions | None = None,
    ) -> None:
        self.plan, self._action = Plan(places), action
        self._rules, self._states, self._companions = rules, states, companions
        self._taken: dict[str, TakenNames] = {}  # in each folder of DIR, by its key
        self._listed: set[str] = set()  # folders of DIR
        self._numbers: dict[tuple[str, str], int] = {}  # the last one, by folder and name
        self._same: dict[tuple[str, str], bool] = {}
        self._writable: dict[str, bool] = {}  # folders of SOURCE

    def add(self, path: str, result: Result) -> None:
        """Plan for one result; ``path`` is relative to SOURCE."""
        if isinstance(result, Skipped):
            self.plan.skipped.append(Left(path, result.reason))
            return
        source = os.path.join(self.plan.places.source, path)
        goal = self._rules.goal(path, result, lambda: taken_on(source))
        if goal is None:
            self.plan.n_unsure += 1
        elif self._is_in_place(path, goal.folder):
            self.plan.n_in_place += 1
        elif path not in self._states:
            self._leave(path, "vanished while it was being read")
        elif self._action != "move" and self._is_there(path, goal):
            self.plan.n_in_place += 1
        elif self._action == "move" and not self._may_leave(path):
            self.plan.locked[os.path.dirname(path)] += 1
        else:
            self._add_group(path, result, goal)

    def _add_group(self, path: str, result: Classified, goal: Goal) -> None:
        members = self._members(path)
        if goal.is_renamed:
            goal = replace(goal, stem=fitting(goal.stem, (member.rest for member in members)))
        if not self._reserve(goal.folder):
            self._leave(path, f"a file is to have the name of its folder, {goal.folder}")
            return
        number = self._free_number(goal, members)
        self.plan.groups.append(Group(result, goal, number, members))

    def _leave(self, path: str, reason: str) -> None:
        self.plan.left.append(Left(path, reason))

    def _members(self, path: str) -> tuple[Member, ...]:
        parent, name = os.path.split(path)
        ending = split_ending(name)[1]
        members = [Member(path, ending, self._states[path])]
        rests = {name_key(ending)}
        for follower in self._companions.of(path) if self._companions else ():
            relative = os.path.join(parent, follower.name)
            try:
                state = look(os.path.join(self.plan.places.source, relative))
            except RefusedError as refusal:
                self._leave(relative, refusal.message)
                continue
            if name_key(follower.rest) in rests:
                self._leave(relative, "another file beside it has its name on some systems")
                continue
            rests.add(name_key(follower.rest))
            members.append(Member(relative, follower.rest, state))
        return tuple(members)

    def _free_number(self, goal: Goal, members: tuple[Member, ...]) -> int:
        parent, name = os.path.split(members[0].path)
        origin = parent, split_ending(name)[0]
        taken = self._names_in(goal.folder)
        known = name_key(goal.folder), name_key(goal.stem + members[0].rest)
        for number in count(self._numbers.get(known, 1)):
            names = [_name(goal, member, number) for member in members]
            if taken.take(numbered(goal.stem, "", number), names, origin):
                self._numbers[known] = number
                return number
        raise AssertionError("there is always a free number")

    def _reserve(self, folder: str) -> bool:
        """Keep the names of a folder and of those above it free of files; tell whether they are."""
        self._names_in(folder)  # an error if there is something else on the disk
        above, name = os.path.split(folder)
        return not name or (self._reserve(above) and self._names_in(above).reserve(name))

    def _names_in(self, folder: str) -> TakenNames:
        taken = self._taken.setdefault(name_key(folder), TakenNames())
        if folder not in self._listed:
            self._listed.add(folder)
            for name, is_folder in _list(os.path.join(self.plan.places.into, folder)):
                taken.note_disk(name, is_folder=is_folder)
        return taken

    def _is_in_place(self, path: str, folder: str) -> bool:
        key = os.path.dirname(path), folder
        if key not in self._same:
            source, into = self.plan.places.source, self.plan.places.into
            self._same[key] = _is_same_folder(
                os.path.join(source, key[0]),
                os.path.join(into, folder),
            )
        return self._same[key]

    def _is_there(self, path: str, goal: Goal) -> bool:
        """Tell whether an earlier sort has put the same there, under any number."""
        source = os.path.join(self.plan.places.source, path)
        ending = split_ending(os.path.basename(path))[1]
        stem = fitting(goal.stem, [ending]) if goal.is_renamed else goal.stem
        taken = self._names_in(goal.folder)
        for number in count(1):
            name = numbered(stem, ending, number)
            target = os.path.join(self.plan.places.into, goal.folder, name)
            if os.path.lexists(target):
                if _is_equivalent(target, source, self._action):
                    return True
            elif not taken.has_stem(numbered(stem, "", number)):
                return False
        raise AssertionError("there is always a free number")

    def _may_leave(self, path: str) -> bool:
        parent = os.path.dirname(path)
        if parent not in self._writable:
            folder = os.path.join(self.plan.places.source, parent)
            # One that is gone is told by name later on.
            self._writable[parent] = os.access(folder, os.W_OK) or not os.path.isdir(folder)
        return self._writable[parent]


def _name(goal: Goal, member: Member, number: int) -> str:
    if number == 1 and not goal.is_renamed:
        return os.path.basename(member.path)
    return numbered(goal.stem, member.rest, number)


def _is_equivalent(target: str, source: str, action: Action) -> bool:
    try:
        match action:
            case "link":
                return os.path.islink(target) and os.readlink(target) == source
            case "hardlink":
                mine, other = look(target), look(source)
                return (mine.device, mine.inode) == (other.device, other.inode)
            case _:
                return look(target).size == look(source).size and is_beginning(target, source)
    except (OSError, RefusedError):
        return False


def _list(path: str) -> list[tuple[str, bool]]:
    """Return what is in a folder that pictures are going to, and which of it are folders."""
    if not os.path.lexists(path):
        return []
    if os.path.islink(path) or not os.path.isdir(path):
        raise OutputExistsError(
            f"{path}: is there and is not a folder", hint="move it away, or choose another DIR"
        )
    with os.scandir(path) as entries:
        return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]


def _is_same_folder(first: str, second: str) -> bool:
    try:
        return os.path.samefile(first, second)
    except OSError:
        return False
