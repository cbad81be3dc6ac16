"""What is done with spare copies: to the trash, into a folder, or links in their place.

One copy of each always stays, and is compared again before another goes. Everything is in a
journal, so that ``undo`` takes it back.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Literal, TypeAlias

from clipcli.errors import OutputError, OutputExistsError, UsageError
from clipcli.images.companions import Companion, Companions, split_ending
from clipcli.images.kinds import RAW
from clipcli.images.left_out import SIDECARS
from clipcli.process import held
from clipcli.workflows.audit.findings import Finding
from clipcli.workflows.journal import trash
from clipcli.workflows.journal.changes import Changes
from clipcli.workflows.journal.filestate import (
    FileState,
    RefusedError,
    check_unchanged,
    digest,
    is_within,
    look,
    real_path,
)

Disposal: TypeAlias = Literal["trash", "hardlink", "move"]
NOTES = SIDECARS | {".json"}  # what is written about a picture


@dataclass(frozen=True, slots=True)
class Spare:
    """A copy that may go, and the one that stays for it."""

    path: str
    kept: str
    is_exact: bool


@dataclass(frozen=True, slots=True)
class Disposed:
    """A file that went, and where to; or the file that it is a link to now."""

    path: str
    target: str


@dataclass(frozen=True, slots=True)
class Stayed:
    """A file that stays as it is, and why."""

    path: str
    reason: str


def spares_of(copies: Sequence[Finding], *, with_near: bool) -> list[Spare]:
    """Return the copies that may go, those with the same bytes first."""
    exact, near = "exact-duplicate", "near-duplicate"
    return [
        Spare(one.path, one.suggested, kind == exact)
        for kind in ((exact, near) if with_near else (exact,))
        for one in copies
        if one.kind == kind and one.suggested != one.path
    ]


def states_of(paths: Iterable[str]) -> dict[str, FileState]:
    """Return what files are before they are looked at; a link, or one that is gone, is left out."""
    found = {}
    for path in paths:
        try:
            found[path] = look(path)
        except RefusedError:
            continue
    return found


def roots_of(arguments: Iterable[str], paths: Iterable[str]) -> list[str]:
    """Return real folders that all files lie under: those that were named, or the files' own."""
    roots = [os.path.realpath(each) for each in arguments if os.path.isdir(each)]
    for folder in dict.fromkeys(os.path.dirname(real_path(path)) for path in paths):
        if not any(is_within(folder, root) for root in roots):
            roots.append(folder)
    return roots


def check_folder(folder: str, roots: Sequence[str]) -> None:
    """Refuse a folder that spare copies cannot go to.

    Raises
    ------
    UsageError
        If it lies in what is looked through: its files would be copies again the next time.
    OutputError, OutputExistsError
        If it cannot be made, is no folder, or cannot be written.
    """
    real = os.path.realpath(folder)
    inside = next((root for root in roots if is_within(real, root)), None)
    if inside is not None:
        raise UsageError(
            f"--move {folder}: lies in {inside}, which is looked through",
            hint="choose a folder outside of it",
        )
    if os.path.lexists(real) and not os.path.isdir(real):
        raise OutputExistsError(f"{folder}: is there and is not a folder", hint="choose another")
    parent = real if os.path.isdir(real) else os.path.dirname(real)
    if not os.path.isdir(parent):
        raise OutputError(
            f"{folder}: the folder {parent} does not exist", hint="make it, or choose another"
        )
    if not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(f"{folder}: the folder {parent} is not writable")


def common_folder(paths: Iterable[str]) -> str:
    """Return the innermost folder that all files lie in, by their real paths."""
    folders = [os.path.dirname(real_path(path)) for path in paths]
    try:
        return os.path.commonpath(folders)
    except ValueError:  # drives of Windows have nothing in common
        return ""


@dataclass(frozen=True, slots=True)
class Disposer:
    """Puts spare copies away, one by one.

    Parameters
    ----------
    states
        What each file was before it was looked at.
    folder, base
        Of "move": where files go, and the folder that their folders are counted from.
    """

    action: Disposal
    changes: Changes
    states: Mapping[str, FileState]
    folder: str = ""
    base: str = ""

    def dispose(self, spares: Sequence[Spare]) -> Iterator[Disposed | Stayed]:
        """Put copies away and yield what became of each, and of what belongs to it.

        Raises
        ------
        OutputError
            If the disk or the journal can take no more.
        """
        companions, digests = Companions(""), _Digests(self.states)
        for spare in spares:
            with held():  # an interrupt does not part a picture from its notes
                outcomes = list(self._take(spare, companions, digests))
            yield from outcomes

    def _take(
        self, spare: Spare, companions: Companions, digests: _Digests
    ) -> Iterator[Disposed | Stayed]:
        try:
            followers = self._followers(spare, companions)
            sha256 = digests.of_kept(spare)
            state = _state(spare.path, self.states)
            target = self._put(spare, state, sha256)
        except RefusedError as refusal:
            yield Stayed(spare.path, refusal.message)
            return
        yield Disposed(spare.path, target)
        for follower in followers:
            yield self._take_along(spare, follower, target)

    def _put(self, spare: Spare, state: FileState, sha256: str) -> str:
        match self.action:
            case "trash":
                folder = trash.trash_for(spare.path)
                return trash.put(self.changes, folder, spare.path, state, sha256)
            case "move":
                return self._move(spare.path, state, sha256, self._targets(spare.path))
            case "hardlink":
                kept_state = self.states[spare.kept]
                self.changes.hardlink(spare.path, spare.kept, state, kept_state)
                return spare.kept

    def _move(self, path: str, state: FileState, sha256: str, targets: Iterable[str]) -> str:
        for target in targets:
            if self.changes.move(path, target, state, sha256):
                return target
        raise AssertionError("there is always a free name")

    def _targets(self, path: str) -> Iterator[str]:
        """Yield names in the folder that a file may get; the folders that it lies in are kept."""
        real = real_path(path)
        within = os.path.relpath(real, self.base) if self.base else os.path.splitdrive(real)[1]
        return numbered(os.path.join(self.folder, within.lstrip(os.sep)))

    def _followers(self, spare: Spare, companions: Companions) -> list[Companion]:
        """Return what goes along: notes, and films that stay beside the picture that is kept."""
        if self.action == "hardlink":  # the picture stays in its place
            return []
        kept = real_path(spare.kept)
        beside = {each.rest: each.name for each in companions.of(kept)}
        found = []
        for each in companions.of(real_path(spare.path)):
            ending = split_ending(each.name)[1].lower()
            if ending in RAW.endings:
                continue  # a photograph of its own
            if ending not in NOTES:
                mine = _beside(spare.path, each.name)
                if each.rest not in beside or not _are_same(mine, _beside(kept, beside[each.rest])):
                    raise RefusedError(f"has {each.name} beside it, which {spare.kept} has not")
            found.append(each)
        return found

    def _take_along(self, spare: Spare, follower: Companion, target: str) -> Disposed | Stayed:
        path = _beside(spare.path, follower.name)
        try:
            state = look(path)
            if self.action == "trash":
                where = trash.put(self.changes, trash.trash_for(path), path, state)
            else:
                stem = target.removesuffix(split_ending(os.path.basename(target))[1])
                where = self._move(path, state, "", numbered(stem + follower.rest))
        except RefusedError as refusal:
            return Stayed(path, refusal.message)
        return Disposed(path, where)


class _Digests:
    """The contents of what is kept, read once and looked at each time."""

    def __init__(self, states: Mapping[str, FileState]) -> None:
        self._states = states
        self._known: dict[str, str] = {}

    def of_kept(self, spare: Spare) -> str:
        """Return the sha256 that a spare copy must have; "" of a near one, which has another."""
        kept = spare.kept
        try:
            check_unchanged(kept, _state(kept, self._states))
            if not spare.is_exact:
                return ""
            if kept not in self._known:
                self._known = {kept: digest(kept)}  # groups come one after the other
            return self._known[kept]
        except RefusedError as refusal:
            raise RefusedError(f"{kept}, which is kept: {refusal.message}") from refusal


def numbered(path: str) -> Iterator[str]:
    """Yield a path, and others of its kind: ``a.jpg``, ``a (2).jpg``."""
    stem, ending = os.path.splitext(path)
    yield path
    for number in count(2):
        yield f"{stem} ({number}){ending}"


def are_linkable(
    spare: Spare, states: Mapping[str, FileState]
) -> Literal["linkable", "linked", "beyond"]:
    """Tell whether a link can replace a copy, or has, or whether links do not reach so far."""
    one, other = states.get(spare.path), states.get(spare.kept)
    if one is None or other is None:
        return "linkable"  # not at all, and that is told when it comes to it
    if one.device != other.device:
        return "beyond"
    return "linked" if one.inode == other.inode else "linkable"


def _state(path: str, states: Mapping[str, FileState]) -> FileState:
    if path not in states:
        look(path)  # which says why: a link
        raise RefusedError("changed since it was looked at")
    return states[path]


def _beside(path: str, name: str) -> str:
    return os.path.join(os.path.dirname(path), name)


def _are_same(path: str, other: str) -> bool:
    try:
        return look(path).size == look(other).size and digest(path) == digest(other)
    except RefusedError:
        return False
