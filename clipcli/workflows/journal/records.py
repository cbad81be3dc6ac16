"""What a journal says: steps, recorded before and after, as JSON and back.

A sort's journal (version 1) names two roots, SOURCE and DIR; that of another command (version 2) as
many as it needs. Paths of steps are relative to a root, and lead down from it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from clipcli.errors import InputError
from clipcli.strict_json import Bounds, parse_json
from clipcli.workflows.journal.filestate import FileState, is_relative

MAGIC = "clipcli sort"
OF_A_SORT, OF_CHANGES = 1, 2  # versions
SOURCE, DIR = 0, 1  # a sort's roots

RECORD = Bounds(n_bytes=16 * 1024**2, items=1_000_000, with_path_bytes=True)  # a line of it
SHA256 = re.compile(r"[0-9a-f]{64}")
TEMPORARY = re.compile(r"\.clipcli-[0-9a-f]{16}")
COMMAND = re.compile(r"[a-z][a-z -]{0,40}")
NOTE = re.compile(r"\[Trash Info\]\n.{0,100000}", re.DOTALL)
NOTE_ENDING = ".trashinfo"
ROOTS_MAX = 100_000

Action: TypeAlias = Literal[
    "folder", "move", "copy", "link", "hardlink", "relink", "trash", "rewrite"
]
# Those whose content is known by its hash.
ACTIONS_OF_CONTENT = ("move", "copy", "relink", "trash")
ACTIONS = ("folder", "link", "hardlink", "rewrite", *ACTIONS_OF_CONTENT)


@dataclass(frozen=True, slots=True)
class Places:
    """SOURCE and DIR as the file system knows them: absolute, no link in them."""

    source: str
    into: str


@dataclass(frozen=True, slots=True)
class Step:
    """One change; ``source`` and ``target`` are relative to the roots of those numbers."""

    number: int
    action: Action
    target: str  # what comes to be; of "relink" and "rewrite": what is replaced
    source: str = ""  # of a folder, and of what is rewritten: none; of "relink": the file kept
    state: FileState | None = None  # of what moves, or is replaced; none: there was nothing
    sha256: str = ""  # of the same
    source_root: int = SOURCE
    target_root: int = DIR
    temporary: str = ""  # the name beside the target under which something new is written first
    new_size: int = 0  # of what a file is rewritten with
    new_sha256: str = ""
    note: str = ""  # beside what is in the trash: where it came from; relative to the target's root
    note_text: str = ""
    n_to_follow: int = 0  # of a sort's group: files that belong to this one, and come after it


@dataclass(slots=True)
class Log:
    """What a journal says."""

    command: str  # "sort", "dedup" ...
    roots: tuple[str, ...]  # absolute folders
    started: str
    store: str  # the folder for what files held before
    folders: dict[tuple[int, str], int]  # by root and path, with their mtime_ns before
    steps: list[Step] = field(default_factory=list)
    done: set[int] = field(default_factory=set)
    undo: dict[int, str] = field(default_factory=dict)  # how a step was about to be taken back
    is_ended: bool = False  # nothing was interrupted
    is_undone: bool = False  # all of it
    problems: list[str] = field(default_factory=list)

    def kept(self, step: Step) -> str:
        """Return where what a file held before a step is kept."""
        return os.path.join(self.store, str(step.number))

    @property
    def places(self) -> Places:
        """Return SOURCE and DIR of a sort."""
        assert self.command == "sort"
        return Places(*self.roots)


def store_of(journal: Path) -> str:
    """Return the folder, beside a journal, where old contents of files are kept."""
    return str(journal.with_suffix(".kept"))


def step_record(step: Step) -> dict[str, Any]:
    """Return what is written before a step."""
    record: dict[str, Any] = {"step": step.number, "do": step.action, "to": step.target}
    if step.target_root != DIR:
        record["to_root"] = step.target_root
    if step.source:
        record["from"] = step.source
        if step.source_root != SOURCE:
            record["from_root"] = step.source_root
    if step.state is not None:
        state = step.state
        record |= {"size": state.size, "mtime_ns": state.mtime_ns}
        record |= {"mode": state.mode, "device": state.device, "inode": state.inode}
    texts = {"sha256": step.sha256, "beside": step.temporary, "new_sha256": step.new_sha256}
    texts |= {"note": step.note, "note_text": step.note_text}
    record |= {key: text for key, text in texts.items() if text}
    if step.n_to_follow:
        record["to_follow"] = step.n_to_follow
    return record | ({"new_size": step.new_size} if step.new_sha256 else {})


def folder_record(root: int, path: str, mtime_ns: int) -> dict[str, Any]:
    """Return what is written before something in a folder changes."""
    return {"folder": path, "root": root, "mtime_ns": mtime_ns}


def parse(path: Path, lines: Sequence[bytes]) -> Log:
    """Return what the lines of a journal say; a damaged one is passed over and noted.

    Raises
    ------
    InputError
        If the first line is not that of a journal.
    """
    try:
        head = _record(lines[0] if lines else b"")
        if head.get("journal") != MAGIC:
            raise ValueError(MAGIC)
        if head.get("version") not in (OF_A_SORT, OF_CHANGES):
            raise InputError(f"{path}: was written by another version of clipcli")
        log = _parse_head(head, store_of(path))
    except ValueError as error:
        raise InputError(f"{path}: is not a journal of clipcli") from error
    voided: set[int] = set()
    for number, line in enumerate(lines[1:], 2):
        try:
            _take_in(_record(line), log, voided)
        except ValueError:
            log.problems.append(f"{path}:{number}: is damaged and was passed over")
    log.steps = [step for step in log.steps if step.number not in voided]
    return log


def _record(line: bytes) -> dict[str, Any]:
    record = parse_json(line, RECORD)
    if not isinstance(record, dict):
        raise ValueError("no object")
    return record


def _parse_head(head: Mapping[str, Any], store: str) -> Log:
    if head["version"] == OF_CHANGES:
        roots = head.get("roots")
        if not isinstance(roots, list) or not 0 < len(roots) <= ROOTS_MAX:
            raise ValueError("roots")
        command = _matching(head, "command", COMMAND)
        return Log(command, tuple(map(_root, roots)), _text(head, "started"), store, {})
    _action(head, "action")
    folders = head.get("folders")
    if not isinstance(folders, dict):
        raise ValueError("folders")
    mtimes = {(SOURCE, _relative(folders, key, key)): _time(folders, key) for key in folders}
    places = (_root(head.get("source")), _root(head.get("into")))
    return Log("sort", places, _text(head, "started"), store, mtimes)


def _root(folder: object) -> str:
    if not isinstance(folder, str):
        raise ValueError("a folder")
    if not os.path.isabs(folder) or os.path.normpath(folder) != folder or "\0" in folder:
        raise ValueError("a folder that is none")
    return folder


def _take_in(record: Mapping[str, Any], log: Log, voided: set[int]) -> None:
    if "step" in record:
        step = _parse_step(record, len(log.roots))
        if any(step.number <= other.number for other in log.steps[-1:]):
            raise ValueError("steps are numbered in their order")
        log.steps.append(step)
        log.is_ended = False
    elif "end" in record:
        log.is_ended = True
    elif "void" in record:  # its name was taken when it came to it
        voided.add(_count(record, "void"))
    elif "done" in record:
        log.done.add(_count(record, "done"))
    elif "folder" in record:
        key = _number_of_root(record, "root", SOURCE, len(log.roots)), _relative(record, "folder")
        log.folders.setdefault(key, _time(record, "mtime_ns"))
    elif "undo" in record:
        log.undo[_count(record, "undo")] = _text(record, "how")
    elif "undone" in record:
        log.is_undone = True


def _parse_step(record: Mapping[str, Any], n_roots: int) -> Step:
    number, action = _count(record, "step"), _action(record, "do")
    target, target_root = _relative(record, "to"), _number_of_root(record, "to_root", DIR, n_roots)
    if action == "folder":
        return Step(number, action, target, target_root=target_root)
    has_source = action != "rewrite"
    if not target or (has_source and not record.get("from")):
        raise ValueError("a file without a name")
    is_new = action == "rewrite" and "size" not in record
    state = None if is_new else _state(record)
    needs_sha256 = action in ACTIONS_OF_CONTENT or (action == "rewrite" and not is_new)
    return Step(
        number,
        action,
        target,
        source=_relative(record, "from") if has_source else "",
        state=state,
        sha256=_matching(record, "sha256", SHA256) if needs_sha256 else "",
        source_root=_number_of_root(record, "from_root", SOURCE, n_roots),
        target_root=target_root,
        temporary=(
            _matching(record, "beside", TEMPORARY) if action in ("relink", "rewrite") else ""
        ),
        new_size=_count(record, "new_size") if action == "rewrite" else 0,
        new_sha256=_matching(record, "new_sha256", SHA256) if action == "rewrite" else "",
        note=_note(record) if action == "trash" else "",
        note_text=_matching(record, "note_text", NOTE) if action == "trash" else "",
        n_to_follow=_count(record, "to_follow") if "to_follow" in record else 0,
    )


def _note(record: Mapping[str, Any]) -> str:
    path = _relative(record, "note")
    if not path.endswith(NOTE_ENDING):
        raise ValueError("note")
    return path


def _state(record: Mapping[str, Any]) -> FileState:
    return FileState(
        size=_count(record, "size"),
        mtime_ns=_time(record, "mtime_ns"),
        mode=_count(record, "mode"),
        device=_count(record, "device"),
        inode=_count(record, "inode"),
    )


def _action(record: Mapping[str, Any], key: str) -> Action:
    value = _text(record, key)
    if value not in ACTIONS:
        raise ValueError(key)
    return value  # type: ignore[return-value]


def _number_of_root(record: Mapping[str, Any], key: str, default: int, n_roots: int) -> int:
    value = _count(record, key) if key in record else default
    if value >= n_roots:
        raise ValueError(key)
    return value


def _text(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str):
        raise ValueError(key)
    return value


def _matching(record: Mapping[str, Any], key: str, pattern: re.Pattern[str]) -> str:
    value = _text(record, key)
    if not pattern.fullmatch(value):
        raise ValueError(key)
    return value


def _count(record: Mapping[str, Any], key: str) -> int:
    value = record.get(key)
    if type(value) is not int or value < 0:
        raise ValueError(key)
    return value


def _time(record: Mapping[str, Any], key: str) -> int:
    """Return a time in nanoseconds that a file system accepts."""
    value = record.get(key)
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise ValueError(key)
    return value


def _relative(record: Mapping[str, Any], key: str, value: str | None = None) -> str:
    path = _text(record, key) if value is None else value
    if not is_relative(path):
        raise ValueError(key)
    return path
