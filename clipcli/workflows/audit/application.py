"""Decisions carried out on a data set: pictures move to other classes, tables get other labels."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from clipcli.errors import InputError, UsageError
from clipcli.files import read_bytes
from clipcli.images.class_tree import LABEL_COLUMNS, PATH_COLUMNS, TABLE_DELIMITERS, ClassTree
from clipcli.images.companions import Companions, split_ending
from clipcli.images.find import FindReport
from clipcli.strict_csv import CsvError, read_rows
from clipcli.workflows.journal.filestate import FileState, RefusedError, look

if TYPE_CHECKING:
    from clipcli.pipeline.known_answers import KnownAnswers
    from clipcli.workflows.journal.changes import Changes


@dataclass(frozen=True, slots=True)
class Reassigned:
    """A picture that gets another place, or in a table another label."""

    path: str
    label: str | None  # None: it was rejected
    folder: str = ""  # where it goes
    states: dict[str, FileState] = field(default_factory=dict)  # of it and what goes along


@dataclass(frozen=True, slots=True)
class Unmoved:
    """A file that stays as it is, and why."""

    path: str
    reason: str


@dataclass(slots=True)
class Application:
    """All that decisions change in a data set, planned and then done."""

    tree: ClassTree
    rejected: str | None  # the folder that rejected pictures go to; None: they stay
    changes: list[Reassigned] = field(default_factory=list)
    unmoved: list[Unmoved] = field(default_factory=list)
    n_rejected: int = 0  # that stay
    n_right: int = 0  # are where they belong

    def plan(self, known: KnownAnswers) -> None:
        """Find the pictures again, and say where each belongs."""
        known.check_labels(self.tree.classes, "the classes")
        for entry in self.tree.find(FindReport()):
            decision = known.of(entry.path)
            if decision is None:
                continue
            if decision.is_rejected:
                self._reject(entry.path)
            elif decision.new in (None, self.tree.label_of(entry.path)):
                self.n_right += 1
            else:
                self._add(entry.path, decision.new, self._class_folder(entry.path, decision.new))

    def _reject(self, path: str) -> None:
        if self.rejected is None or self.tree.rows is not None:
            self.n_rejected += 1
            return
        parent = os.path.dirname(os.path.relpath(path, self.tree.source))
        self._add(path, None, os.path.join(self.rejected, parent))

    def _add(self, path: str, label: str | None, folder: str) -> None:
        try:
            states = {} if self.tree.rows is not None else _states(path)
        except RefusedError as refusal:
            self.unmoved.append(Unmoved(path, refusal.message))
            return
        self.changes.append(Reassigned(path, label, folder, states))

    def _class_folder(self, path: str, label: str | None) -> str:
        """Return the folder of a class in the picture's own split, with the folders below it."""
        if self.tree.rows is not None or label is None:
            return ""
        place = self.tree.place_of(path)
        parts = list(Path(os.path.relpath(path, self.tree.source)).parts[:-1])
        below = parts[(1 if place.split else 0) + (1 if place.label else 0) :]
        return os.path.join(self.tree.source, place.split, label, *below)

    def carry_out(self, changes: Changes) -> Iterator[str | Unmoved]:
        """Do all of it, and yield each file that was changed, or why one was not.

        Raises
        ------
        OutputError
            If the disk or the journal can take no more; what was done can be undone.
        """
        if self.tree.rows is not None:
            yield from self._rewrite(changes)
            return
        for change in self.changes:
            stem, _ = split_ending(os.path.basename(change.path))
            names = [os.path.basename(path)[len(stem) :] for path in change.states]
            try:
                yield from _move_all(changes, change, stem, names)
            except RefusedError as refusal:
                yield Unmoved(change.path, refusal.message)

    def _rewrite(self, changes: Changes) -> Iterator[str | Unmoved]:
        table = Path(self.tree.source)
        wanted = {change.path: change.label or "" for change in self.changes}
        try:
            state = look(str(table))
            content = relabelled(table, wanted)
            changes.rewrite(str(table), content, state)
        except RefusedError as refusal:
            yield Unmoved(str(table), refusal.message)
            return
        yield from wanted


def _states(path: str) -> dict[str, FileState]:
    """Return the state of a picture and of what goes along with it."""
    parent = os.path.dirname(path)
    beside = (os.path.join(parent, each.name) for each in Companions("").of(os.path.abspath(path)))
    return {each: look(each) for each in (path, *beside)}


def _move_all(
    changes: Changes, change: Reassigned, stem: str, rests: list[str]
) -> Iterator[str | Unmoved]:
    """Move a picture and its companions to names that are free for all of them."""
    for number in count(1):
        new = stem if number == 1 else f"{stem} ({number})"
        targets = [os.path.join(change.folder, new + rest) for rest in rests]
        if any(map(os.path.lexists, targets)):
            continue
        pairs = zip(change.states.items(), targets, strict=True)
        if all(changes.move(path, target, state) for (path, state), target in pairs):
            yield from change.states
            return
        yield Unmoved(change.path, "another program took its name meanwhile")
        return


def relabelled(table: Path, wanted: dict[str, str]) -> bytes:
    """Return a table's bytes with other labels; rows without a new one stay byte by byte.

    ``wanted`` has labels by path as a class tree has them.

    Raises
    ------
    UsageError
        If a row that changes spans several lines.
    """
    delimiter = TABLE_DELIMITERS[table.suffix.lower()]
    lines = read_bytes(table, InputError).decode("utf-8").splitlines(keepends=True)
    header = _cells(lines[0].removeprefix("\ufeff"), delimiter)
    path_at = next(header.index(name) for name in PATH_COLUMNS if name in header)
    label_at = next(header.index(name) for name in LABEL_COLUMNS if name in header)
    left = dict(wanted)
    for i, line in enumerate(lines[1:], start=1):
        cells = _cells(line, delimiter)
        if len(cells) != len(header):
            continue
        path = os.path.join(table.parent, cells[path_at])
        if path in left:
            cells[label_at] = left.pop(path)
            lines[i] = _row(cells, delimiter) + line[len(line.rstrip("\r\n")) :]
    if left:
        raise UsageError(
            f"{table}: the row of {next(iter(left))} spans several lines",
            hint="write each row on a line of its own",
        )
    return "".join(lines).encode("utf-8")


def _cells(line: str, delimiter: str) -> list[str]:
    """Return the cells of a row that is one line; none of others."""
    try:
        return next((row.cells for row in read_rows([line], delimiter=delimiter)), [])
    except CsvError:
        return []


def _row(cells: list[str], delimiter: str) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter, lineterminator="\r\n").writerow(cells)
    return buffer.getvalue().removesuffix("\r\n")
