"""What a journal says: steps, recorded before and after, as JSON and back."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from clipcli.errors import InputError
from clipcli.strict_json import Bounds, parse_json
from clipcli.workflows.journal.filestate import FileState, is_relative

MAGIC = "clipcli sort"
VERSION = 1

RECORD = Bounds(n_bytes=16 * 1024**2, items=1_000_000, with_path_bytes=True)  # a line of it
SHA256 = re.compile(r"[0-9a-f]{64}")
ACTIONS = ("folder", "move", "copy", "link", "hardlink")


Action: TypeAlias = Literal["folder", "move", "copy", "link", "hardlink"]


@dataclass(frozen=True, slots=True)
class Places:
    """SOURCE and DIR as the file system knows them: absolute, no link in them."""

    source: str
    into: str


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a sort does; paths are relative to SOURCE and DIR."""

    number: int
    action: Action
    target: str
    source: str = ""  # of a folder: none
    state: FileState | None = None
    sha256: str = ""  # of what is moved or copied


@dataclass(slots=True)
class Log:
    """What a journal says."""

    places: Places
    action: Action
    started: str
    folders: dict[str, int]  # of SOURCE that files leave, with their mtime_ns before
    steps: list[Step] = field(default_factory=list)
    done: set[int] = field(default_factory=set)
    undo: dict[int, str] = field(default_factory=dict)  # how a step was about to be taken back
    is_undone: bool = False  # all of it
    problems: list[str] = field(default_factory=list)


def step_record(step: Step) -> dict[str, Any]:
    """Return what is written before a step."""
    record: dict[str, Any] = {"step": step.number, "do": step.action, "to": step.target}
    if step.state is not None:
        state = step.state
        record |= {"from": step.source, "size": state.size, "mtime_ns": state.mtime_ns}
        record |= {"mode": state.mode, "device": state.device, "inode": state.inode}
    return record | ({"sha256": step.sha256} if step.sha256 else {})


def parse(path: Path, lines: list[bytes]) -> Log:
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
        if head.get("version") != VERSION:
            raise InputError(f"{path}: was written by another version of clipcli")
        log = _parse_head(head)
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


def _parse_head(head: Mapping[str, Any]) -> Log:
    places = Places(_text(head, "source"), _text(head, "into"))
    for folder in (places.source, places.into):
        if not os.path.isabs(folder) or os.path.normpath(folder) != folder or "\0" in folder:
            raise ValueError("a folder that is none")
    folders = head.get("folders")
    if not isinstance(folders, dict):
        raise ValueError("folders")
    mtimes = {_relative(folders, name, name): _time(folders, name) for name in folders}
    return Log(places, _action(head, "action"), _text(head, "started"), mtimes)


def _take_in(record: Mapping[str, Any], log: Log, voided: set[int]) -> None:
    if "step" in record:
        step = _parse_step(record)
        if any(step.number <= other.number for other in log.steps[-1:]):
            raise ValueError("steps are numbered in their order")
        log.steps.append(step)
    elif "void" in record:  # its name was taken when it came to it
        voided.add(_count(record, "void"))
    elif "done" in record:
        log.done.add(_count(record, "done"))
    elif "undo" in record:
        log.undo[_count(record, "undo")] = _text(record, "how")
    elif "undone" in record:
        log.is_undone = True


def _parse_step(record: Mapping[str, Any]) -> Step:
    number, action = _count(record, "step"), _action(record, "do")
    target = _relative(record, "to")
    if action == "folder":
        return Step(number, action, target)
    if not target or not record.get("from"):
        raise ValueError("a file without a name")
    state = FileState(
        size=_count(record, "size"),
        mtime_ns=_time(record, "mtime_ns"),
        mode=_count(record, "mode"),
        device=_count(record, "device"),
        inode=_count(record, "inode"),
    )
    source = _relative(record, "from")
    sha256 = _text(record, "sha256") if "sha256" in record else ""
    if action in ("move", "copy") and not SHA256.fullmatch(sha256):
        raise ValueError("sha256")
    return Step(number, action, target, source, state, sha256)


def _action(record: Mapping[str, Any], key: str) -> Action:
    value = _text(record, key)
    if value not in ACTIONS:
        raise ValueError(key)
    return value  # type: ignore[return-value]


def _text(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str):
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
