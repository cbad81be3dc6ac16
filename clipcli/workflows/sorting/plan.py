"""The plan of a sort: which file goes to which folder, under which name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import TypeAlias

from clipcli.errors import OutputExistsError
from clipcli.results import Classified, Result, Skipped
from clipcli.workflows.journal.filestate import FileState, RefusedError, is_beginning, look
from clipcli.workflows.journal.records import Action, Places
from clipcli.workflows.sorting.foldernames import name_key, numbered
from clipcli.workflows.sorting.sidecars import Sidecars


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
    folder: str  # a name in DIR
    stem: str
    number: int  # 1: names stay; 2: "IMG (2).jpg"
    members: tuple[Member, ...]  # the picture first

    def name(self, member: Member, number: int | None = None) -> str:
        """Return a member's name in the folder."""
        return numbered(self.stem, member.rest, self.number if number is None else number)


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
    left: list[Left] = field(default_factory=list)
    n_in_place: int = 0

    def counts(self) -> dict[str, int]:
        """Return how many files go to each folder, in the order of the folders' names."""
        counts: dict[str, int] = {}
        for group in self.groups:
            counts[group.folder] = counts.get(group.folder, 0) + len(group.members)
        return dict(sorted(counts.items()))

    def members(self) -> Iterator[tuple[Group, Member]]:
        """Yield every file that goes somewhere."""
        for group in self.groups:
            for member in group.members:
                yield group, member


@dataclass(frozen=True, slots=True)
class Rules:
    """How a result becomes a folder."""

    folders: Mapping[str, str]  # by label
    unsure: str
    margin: float = 0.0

    def folder(self, result: Classified) -> str:
        """Return the folder that a picture belongs in."""
        if result.label is None or self._is_close(result):
            return self.unsure
        return self.folders[result.label]

    def _is_close(self, result: Classified) -> bool:
        if len(result.top) < 2:
            return False
        return result.top[0].probability - result.top[1].probability < self.margin


States: TypeAlias = Mapping[str, FileState]


class Planner:
    """Makes a plan of results, one after the other.

    Parameters
    ----------
    states
        What each picture was when it was found, by its path relative to SOURCE: a file that has
        changed by the time it is to be moved may not be what was classified.
    """

    def __init__(
        self,
        places: Places,
        rules: Rules,
        states: States,
        *,
        action: Action = "move",
        with_sidecars: bool = False,
    ) -> None:
        self.plan, self._action = Plan(places), action
        self._rules, self._states = rules, states
        self._sidecars = Sidecars(places.source) if with_sidecars else None
        self._taken: dict[str, set[str]] = {}  # names in each folder of DIR
        self._numbers: dict[tuple[str, str], int] = {}  # the last one, by folder and name
        self._same: dict[tuple[str, str], bool] = {}

    def add(self, path: str, result: Result) -> None:
        """Plan for one result; ``path`` is relative to SOURCE."""
        if isinstance(result, Skipped):
            self.plan.left.append(Left(path, result.reason))
            return
        folder = self._rules.folder(result)
        if self._is_in_place(path, folder):
            self.plan.n_in_place += 1
            return
        if path not in self._states:
            self.plan.left.append(Left(path, "vanished while it was being read"))
            return
        if self._action != "move" and self._is_there(path, folder):
            self.plan.n_in_place += 1
            return
        stem, members = self._members(path)
        number = self._free_number(folder, stem, members)
        self.plan.groups.append(Group(result, folder, stem, number, members))

    def _members(self, path: str) -> tuple[str, tuple[Member, ...]]:
        parent, name = os.path.split(path)
        stem, ending = os.path.splitext(name)
        members = [Member(path, ending, self._states[path])]
        for follower in self._sidecars.take(path) if self._sidecars else ():
            relative = os.path.join(parent, follower)
            try:
                state = look(os.path.join(self.plan.places.source, relative))
            except RefusedError as refusal:
                self.plan.left.append(Left(relative, refusal.message))
            else:
                members.append(Member(relative, follower[len(stem) :], state))
        return stem, tuple(members)

    def _free_number(self, folder: str, stem: str, members: tuple[Member, ...]) -> int:
        taken = self._names_in(folder)
        known = folder, name_key(stem + members[0].rest)
        for number in count(self._numbers.get(known, 1)):
            keys = {name_key(numbered(stem, member.rest, number)) for member in members}
            if keys.isdisjoint(taken):
                taken |= keys
                self._numbers[known] = number
                return number
        raise AssertionError("there is always a free number")

    def _names_in(self, folder: str) -> set[str]:
        if folder not in self._taken:
            path = os.path.join(self.plan.places.into, folder)
            self._taken[folder] = {name_key(name) for name in _list(path)}
        return self._taken[folder]

    def _is_in_place(self, path: str, folder: str) -> bool:
        key = os.path.dirname(path), folder
        if key not in self._same:
            source, into = self.plan.places.source, self.plan.places.into
            self._same[key] = _is_same_folder(
                os.path.join(source, key[0]),
                os.path.join(into, folder),
            )
        return self._same[key]

    def _is_there(self, path: str, folder: str) -> bool:
        """Tell whether an earlier sort has put the same there, under any number."""
        source = os.path.join(self.plan.places.source, path)
        stem, ending = os.path.splitext(os.path.basename(path))
        for number in count(1):
            name = numbered(stem, ending, number)
            target = os.path.join(self.plan.places.into, folder, name)
            if not os.path.lexists(target):
                return False
            if _is_equivalent(target, source, self._action):
                return True
        raise AssertionError("there is always a free number")


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


def _list(path: str) -> list[str]:
    """Return the names in a folder that pictures are going to, none if it is yet to be made."""
    if not os.path.lexists(path):
        return []
    if os.path.islink(path) or not os.path.isdir(path):
        raise OutputExistsError(
            f"{path}: is there and is not a folder", hint="move it away, or choose another DIR"
        )
    return os.listdir(path)


def _is_same_folder(first: str, second: str) -> bool:
    try:
        return os.path.samefile(first, second)
    except OSError:
        return False
