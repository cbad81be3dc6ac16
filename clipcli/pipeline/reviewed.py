"""Decisions that somebody made on a page, as the page saves them in ``decisions.jsonl``.

The first line tells version and count, so that half a file is recognised; each other line is about
one picture. Files may be joined one behind the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from clipcli.errors import ClipcliError, several
from clipcli.files import numbered_lines, read_text
from clipcli.strict_json import LINE, JsonError, parse_json
from clipcli.strict_records import Between, ReadingRules, read_record

VERSION = 1
MOST = 10_000_000  # decisions in a file
SAVE_AGAIN = "save the decisions again from the page"
_SHA256 = re.compile(r"[0-9a-f]{64}")


class DecisionsError(ClipcliError):
    """A file of decisions that cannot be read, or says two things of one picture."""


@dataclass(frozen=True, slots=True)
class DecisionsHeader:
    """The first line of a file of decisions."""

    clipcli: Literal["decisions"]
    version: int
    page: str  # the page's id
    count: Annotated[int, Between(0, MOST)]


@dataclass(frozen=True, slots=True)
class PictureDecision:
    """What somebody said of one picture."""

    path: str  # as the page had it
    sha256: str  # of the file's content, in hex
    bytes: Annotated[int, Between(0, 2**53)]  # the file's size
    old: str | None  # the label that the picture had
    new: str | None  # the one that it has now; None: there is none, or the page knew no labels
    verdict: Literal["accept", "relabel", "reject"]
    when: str  # ISO 8601, UTC

    @property
    def is_rejected(self) -> bool:
        """Whether no label fits, or the picture is not wanted."""
        return self.verdict == "reject"


def read_decisions(path: Path) -> tuple[PictureDecision, ...]:
    """Read a file of decisions, each picture's once.

    Raises
    ------
    DecisionsError
        If it is of another version, not whole, or contradicts itself; names the line.
    """
    text = read_text(path, DecisionsError)
    found: dict[tuple[str, str], tuple[int, PictureDecision]] = {}
    labels: dict[str, tuple[int, str]] = {}  # by content
    for number, decision in _decisions(path, text):
        key = decision.sha256, decision.path
        earlier = found.setdefault(key, (number, decision))
        if (earlier[1].new, earlier[1].verdict) != (decision.new, decision.verdict):
            raise _contradiction(path, earlier[0], number, decision.path)
        if decision.new is not None:
            line, label = labels.setdefault(decision.sha256, (number, decision.new))
            if label != decision.new:
                raise _contradiction(path, line, number, decision.path)
    return tuple(decision for _, decision in found.values())


def _contradiction(path: Path, first: int, second: int, picture: str) -> DecisionsError:
    return DecisionsError(
        f"{path}: lines {first} and {second} contradict each other about {picture}",
        hint="remove the line that is wrong, or settle it on the page and save again",
    )


def _decisions(path: Path, text: str) -> Iterator[tuple[int, PictureDecision]]:
    """Yield decisions with their lines; every header's count must be met."""
    n_expected = n_found = 0
    is_begun = False
    for number, line in numbered_lines(text):
        where = f"{path}:{number}"
        data = _parsed(where, line)
        if isinstance(data, dict) and "clipcli" in data:
            if is_begun:
                _check_count(path, n_found, n_expected)
            n_expected, n_found, is_begun = _header(where, data).count, 0, True
            continue
        if not is_begun:
            raise DecisionsError(
                f"{where}: is no file of decisions",
                hint="press Save decisions on a page of clipcli",
            )
        n_found += 1
        yield number, _decision(where, data)
    if not is_begun:
        raise DecisionsError(f"{path}: is empty", hint=SAVE_AGAIN)
    _check_count(path, n_found, n_expected)


def _parsed(where: str, line: str) -> Any:
    try:
        return parse_json(line, LINE)
    except JsonError as error:
        fact = error.fact.partition(":")[0]  # not where a reader of JSON stopped
        raise DecisionsError(
            f"{where}: {fact}, so the file is not whole or no file of decisions", hint=SAVE_AGAIN
        ) from error


def _header(where: str, data: dict[str, Any]) -> DecisionsHeader:
    version = data.get("version")
    if data["clipcli"] == "decisions" and isinstance(version, int) and version > VERSION:
        raise DecisionsError(
            f"{where}: is of version {version}, and this clipcli reads up to {VERSION}",
            hint="bring clipcli up to date",
        )
    header = read_record(data, DecisionsHeader, ReadingRules(where, DecisionsError))
    if header.version != VERSION or isinstance(version, bool):
        raise DecisionsError(f"{where}: version: there is no version {version}", hint=SAVE_AGAIN)
    return header


def _check_count(path: Path, n_found: int, n_expected: int) -> None:
    if n_found != n_expected:
        raise DecisionsError(
            f"{path}: holds {n_found:,} of {several(n_expected, 'decision')}, so it is not whole",
            hint=SAVE_AGAIN,
        )


def _decision(where: str, data: Any) -> PictureDecision:
    decision = read_record(data, PictureDecision, ReadingRules(where, DecisionsError))
    if not _SHA256.fullmatch(decision.sha256):
        raise DecisionsError(f"{where}: sha256: expected 64 hexadecimal digits", hint=SAVE_AGAIN)
    fits = {
        "accept": decision.new == decision.old,
        "relabel": decision.new is not None and decision.new != decision.old,
        "reject": decision.new is None,
    }
    if not fits[decision.verdict]:
        raise DecisionsError(
            f"{where}: the verdict {decision.verdict!r} does not fit the labels", hint=SAVE_AGAIN
        )
    return decision


def labels_of(decisions: Sequence[PictureDecision]) -> tuple[str, ...]:
    """Return the labels that were given, the first given first."""
    return tuple(dict.fromkeys(one.new for one in decisions if one.new is not None))
