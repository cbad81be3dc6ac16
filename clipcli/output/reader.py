"""Reading results back: JSONL, JSON, CSV and TSV as ``classify`` writes them.

What a file is shows in its first bytes. TSV has neither reasons nor decisions, and CSV shows U+FFFD
in names that are not UTF-8; all else comes back as it was.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from clipcli.errors import InputError

HEAD_BYTES = 400
OTHERS = {b"PAR1": "Parquet", b"<!doctype": "a page for a browser", b"\x89PNG": "a picture"}
META_ENDING = ".meta.json"
_UNESCAPED = {"t": "\t", "n": "\n", "r": "\r", "\\": "\\"}
_ESCAPE = re.compile(r"\\([tnr\\])")


@dataclass(frozen=True, slots=True)
class Entry:
    """What a run said of one picture."""

    path: str
    reason: str | None = None  # not None: it was skipped
    label: str | None = None
    probability: float | None = None
    decision: str = "label"  # or below_threshold, rejected; "none" where the file does not say
    labels: tuple[str, ...] | None = None  # where several could be the answer

    @property
    def is_skipped(self) -> bool:
        """Whether the picture could not be read."""
        return self.reason is not None


@dataclass(frozen=True, slots=True)
class ResultFile:
    """All that a run said, by path, and where it came from as far as that is known."""

    source: str
    entries: dict[str, Entry]
    provenance: dict[str, Any] | None = None
    has_exact_paths: bool = True  # not so in CSV


def read_results(path: Path) -> ResultFile:
    """Read a file of results.

    Raises
    ------
    InputError
        If it cannot be read or is something else; names the line.
    """
    try:
        with path.open("rb") as file:
            return _read(str(path), file)
    except OSError as error:
        raise InputError(f"{path}: {(error.strerror or 'cannot be read').lower()}") from error


def _read(source: str, file: BinaryIO) -> ResultFile:
    head = file.peek(HEAD_BYTES)[:HEAD_BYTES].lstrip(b"\xef\xbb\xbf \r\n\t")  # type: ignore[attr-defined]
    for beginning, name in OTHERS.items():
        if head.lower().startswith(beginning.lower()):
            raise InputError(
                f"{source}: is {name}, which is not read here",
                hint="write results with -o FILE.jsonl, .json, .csv or .tsv",
            )
    text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
    if head.startswith(b"{") and b'"path"' not in head.partition(b":")[0]:
        return _read_document(source, text)
    lines: Iterator[Entry]
    if head.startswith(b"{"):
        lines = _jsonl(source, text)
    elif head.startswith(b"path,status,"):
        entries = _gathered(source, _csv(source, text))
        return ResultFile(source, entries, _meta(source), has_exact_paths=False)
    else:
        lines = _tsv(source, text)
    return ResultFile(source, _gathered(source, lines), _meta(source))


def _gathered(source: str, entries: Iterable[Entry]) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for entry in entries:
        if found.setdefault(entry.path, entry) is not entry:
            raise InputError(
                f"{source}: {entry.path!r} appears twice", hint="compare one run with one other"
            )
    return found


def _read_document(source: str, text: io.TextIOWrapper) -> ResultFile:
    try:
        data = json.load(text)
        records, provenance = data["results"], data["provenance"]
        entries = [_entry(record) for record in records]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _not_ours(source) from error
    provenance = provenance | {"error": data.get("error")}
    return ResultFile(source, _gathered(source, entries), provenance)


def _jsonl(source: str, lines: Iterable[str]) -> Iterator[Entry]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield _entry(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _not_ours(f"{source}:{number}") from error


def _entry(record: dict[str, Any]) -> Entry:
    path = record["path"]
    if "path_bytes" in record:
        path = os.fsdecode(base64.b64decode(record["path_bytes"]))
    if record["status"] == "skipped":
        return Entry(path, reason=record["reason"])
    labels = record.get("labels")
    return Entry(
        path,
        label=record["label"],
        probability=float(record["probability"]),
        decision=record.get("decision", "label"),
        labels=None if labels is None else tuple(score["label"] for score in labels),
    )


def _csv(source: str, lines: Iterable[str]) -> Iterator[Entry]:
    reader = csv.DictReader(lines)
    for row in reader:
        try:
            if row["status"] == "skipped":
                yield Entry(row["path"], reason=row["reason"])
                continue
            labels = row.get("labels")
            yield Entry(
                row["path"],
                label=row["label"] or None,
                probability=float(row["probability"]),
                decision=row["reason"] or "label",
                labels=None if labels is None else tuple(filter(None, labels.split(" | "))),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise _not_ours(f"{source}:{reader.line_num}") from error


def _tsv(source: str, lines: Iterable[str]) -> Iterator[Entry]:
    """Yield one entry a picture; one with several labels has lines that stand together."""
    last: Entry | None = None
    for number, line in enumerate(lines, start=1):
        cells = [_unescaped(cell) for cell in line.rstrip("\r\n").split("\t")]
        try:
            path, label, probability, *_ = cells  # others follow, with --top-k
            value = float(probability) if probability else None
        except ValueError as error:
            raise _not_ours(f"{source}:{number}") from error
        if last is not None and path == last.path and label and last.label:
            labels = (*(last.labels or (last.label,)), label)
            last = Entry(path, None, last.label, last.probability, "label", labels)
            continue
        if last is not None:
            yield last
        decision = "label" if label else "none"
        reason = None if value is not None else ""
        last = Entry(path, reason, label or None, value, decision)
    if last is not None:
        yield last


def _unescaped(cell: str) -> str:
    return _ESCAPE.sub(lambda found: _UNESCAPED[found[1]], cell)


def _meta(source: str) -> dict[str, Any] | None:
    """Return what stands beside a file of results, if it can be read."""
    try:
        data = json.loads(Path(source + META_ENDING).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None


def _not_ours(where: str) -> InputError:
    return InputError(
        f"{where}: is no result of clipcli classify",
        hint="write results with -o FILE.jsonl, .json, .csv or .tsv",
    )
