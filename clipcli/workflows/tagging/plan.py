"""The plan of tagging: which file gets which keywords, and what would become of it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

from clipcli.workflows.journal.filestate import FileState, RefusedError, look, open_file
from clipcli.workflows.tagging.containers import MAX_FILE_BYTES, embedded
from clipcli.workflows.tagging.keywords import EMPTY, Keyword, with_keywords, without_ours
from clipcli.workflows.tagging.packet import MAX_BYTES, UnreadablePacketError

if TYPE_CHECKING:
    from clipcli.labels.label_set import LabelSet
    from clipcli.results import Classified, LabelScore
    from clipcli.workflows.tagging.sidecars import Sidecars

Change: TypeAlias = Literal["new", "changed", "same"]


@dataclass(slots=True)
class TagTarget:
    """A file that gets keywords, or loses those that clipcli wrote: a sidecar, or a picture."""

    path: str
    is_picture: bool = False  # the keywords go inside
    pictures: list[str] = field(default_factory=list)
    keywords: list[Keyword] = field(default_factory=list)
    is_removal: bool = False


@dataclass(frozen=True, slots=True)
class TagChange:
    """What a file is to hold, and what it is now; no state: it is not there yet."""

    content: bytes
    state: FileState | None
    change: Change


@dataclass(slots=True)
class TagPlan:
    """All targets, and the pictures that no label was sure for."""

    targets: dict[str, TagTarget] = field(default_factory=dict)
    n_unsure: int = 0

    def roots(self) -> list[str]:
        """Return the folders that all targets lie under, none within another."""
        folders = sorted({os.path.dirname(os.path.abspath(path)) for path in self.targets})
        kept: list[str] = []
        for folder in folders:
            if not kept or not folder.startswith(kept[-1].rstrip(os.sep) + os.sep):
                kept.append(folder)
        return kept


@dataclass(frozen=True, slots=True)
class KeywordChoice:
    """Which labels of a result become keywords."""

    label_set: LabelSet
    min_prob: float
    top_k: int
    margin: float = 0.0

    def keywords(self, result: Classified) -> list[Keyword]:
        """Return the keywords of a picture; none where no label is sure."""
        parents = {x.name: x.parent for x in self.label_set.labels}
        if result.decision == "reviewed":
            return [] if result.known is None else [Keyword(result.known, parents[result.known])]
        if result.label is None or self._is_close(result):
            return []
        thresholds = {x.name: x.threshold for x in self.label_set.labels if x.threshold is not None}
        several: Iterable[LabelScore] = result.labels if result.labels is not None else result.top
        sure = [x.label for x in several if x.probability >= thresholds.get(x.label, self.min_prob)]
        return [Keyword(label, parents[label]) for label in sure[: self.top_k]]

    def _is_close(self, result: Classified) -> bool:
        if result.labels is not None or len(result.top) < 2:
            return False
        return result.top[0].probability - result.top[1].probability < self.margin


class TagPlanner:
    """Makes a plan of pictures, one after the other."""

    def __init__(self, sidecars: Sidecars, *, embed: bool) -> None:
        self.plan, self._sidecars, self._embed = TagPlan(), sidecars, embed

    def add(self, picture: str, keywords: list[Keyword]) -> None:
        """TagPlan to write keywords for a picture."""
        if not keywords:
            self.plan.n_unsure += 1
            return
        target = self._target(picture if self._embed else self._sidecars.of(picture), picture)
        target.keywords += [each for each in keywords if each not in target.keywords]

    def add_removal(self, picture: str) -> None:
        """TagPlan to take away what clipcli wrote for a picture."""
        paths = [picture] if self._embed else self._sidecars.existing(picture)
        for path in paths:
            self._target(path, picture).is_removal = True

    def _target(self, path: str, picture: str) -> TagTarget:
        target = self.plan.targets.setdefault(path, TagTarget(path, self._embed))
        target.pictures.append(picture)
        return target


def prepare(target: TagTarget) -> TagChange:
    """Read a target and say what it is to hold.

    Raises
    ------
    RefusedError, UnreadablePacketError
        If it stays as it is; the message is the bare reason.
    """
    change = partial(_changed, target)
    if not os.path.lexists(target.path) and not target.is_picture:
        return TagChange(change(None), None, "new")
    state = look(target.path)
    bound = MAX_FILE_BYTES if target.is_picture else MAX_BYTES
    try:
        with open_file(target.path) as stream:
            data = stream.read(bound + 1)
    except OSError as error:
        raise RefusedError(error.strerror or str(error)) from error
    if len(data) > bound:
        raise UnreadablePacketError(f"is too large ({state.size:,} bytes)")
    content = embedded(data, change) if target.is_picture else change(data)
    return TagChange(content, state, "same" if content == data else "changed")


def _changed(target: TagTarget, packet: bytes | None) -> bytes:
    if target.is_removal:
        return b"" if packet is None else without_ours(packet)
    return with_keywords(EMPTY if packet is None else packet, target.keywords)
