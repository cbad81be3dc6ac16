"""What a journal says: steps, told before and after, as JSON and back."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clipcli.errors import InputError
from clipcli.workflows.sorting.filestate import FileState, is_relative
from clipcli.workflows.sorting.plan import Action, Places

MAGIC = "clipcli sort"
VERSION = 1

ACTIONS = ("folder", "move", "copy", "link", "hardlink")


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
        head = json.loads(lines[0])
        if head["journal"] != MAGIC:
            raise ValueError
        if head["version"] != VERSION:
            raise InputError(f"{path}: was written by another version of clipcli")
        log = _parse_head(head)
    except (IndexError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: is not a journal of clipcli") from error
    for number, line in enumerate(lines[1:], 2):
        try:
            _take_in(json.loads(line), log)
        except (ValueError, KeyError, TypeError, AttributeError):
            log.problems.append(f"{path}:{number}: is damaged and was passed over")
    return log


def _parse_head(head: Mapping[str, Any]) -> Log:
    places = Places(_text(head["source"]), _text(head["into"]))
    if not (os.path.isabs(places.source) and os.path.isabs(places.into)):
        raise ValueError
    folders = {_relative(name): int(mtime) for name, mtime in head["folders"].items()}
    return Log(places, _action(head["action"]), _text(head["started"]), folders)


def _take_in(record: Mapping[str, Any], log: Log) -> None:
    if "step" in record:
        log.steps.append(_parse_step(record))
    elif "void" in record:  # its name was taken when it came to it
        log.steps = [step for step in log.steps if step.number != int(record["void"])]
    elif "done" in record:
        log.done.add(int(record["done"]))
    elif "undo" in record:
        log.undo[int(record["undo"])] = _text(record["how"])
    elif "undone" in record:
        log.is_undone = True


def _parse_step(record: Mapping[str, Any]) -> Step:
    action, target = _action(record["do"]), _relative(record["to"])
    if action == "folder":
        return Step(int(record["step"]), action, target)
    keys = ("size", "mtime_ns", "mode", "device", "inode")
    state = FileState(*(int(record[key]) for key in keys))
    source, sha256 = _relative(record["from"]), _text(record.get("sha256", ""))
    if action in ("move", "copy") and len(sha256) != 64:
        raise ValueError
    return Step(int(record["step"]), action, target, source, state, sha256)


def _action(value: Any) -> Action:
    if value not in ACTIONS:
        raise ValueError
    return value  # type: ignore[no-any-return]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _relative(value: Any) -> str:
    if not is_relative(_text(value)):
        raise ValueError
    return str(value)
