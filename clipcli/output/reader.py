"""Reading results back: JSONL, JSON, CSV, TSV and Parquet as ``classify`` writes them.

What a file is shows in its first bytes. TSV has neither reasons nor decisions, and CSV spells the
bytes of names that are not UTF-8; all else comes back as it was.
"""

from __future__ import annotations

import base64
import io
import math
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from clipcli.errors import InputError
from clipcli.files import LongLineError, bounded_lines
from clipcli.output.parquet_results import provenance_of, records_of, table_records
from clipcli.pipeline.batches import find_batch
from clipcli.pipeline.source_names import URL, is_local_batch
from clipcli.strict_csv import CsvError, read_named_rows
from clipcli.strict_json import LINE, Bounds, parse_json, read_json

HEAD_BYTES = 400
PARQUET = b"PAR1"
OTHERS = {b"<!doctype": "a page for a browser", b"\x89PNG": "a picture"}
DOCUMENT = Bounds(n_bytes=512 * 1024**2, items=50_000_000, bytes_a_container=16)
_MISSING = object()
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
    """All that a run said, and where it came from as far as that is known.

    ``entries`` are read while they are taken, once: there may be millions of them.
    """

    source: str
    entries: Iterable[Entry]
    provenance: dict[str, Any] | None = None
    has_exact_paths: bool = True  # not so in CSV


def read_results(source: str | Path) -> ResultFile:
    """Open a file of results, or the output of ``batch classify``, here or in a store.

    Raises
    ------
    InputError
        If it cannot be read or is something else; names the line. While entries are taken as well.
    UsageError
        If a batch is not finished.
    """
    name = str(source)
    batch = find_batch(name) if URL.match(name) or is_local_batch(name) else None
    if batch is not None:
        batch.expect("classify", "compare what batch classify has written")
        entries = batch.rows(lambda part, table: map(_entry, table_records(part, table)))
        return ResultFile(name, entries, provenance_of(batch))
    if URL.match(name):
        return _read_parquet(name)
    try:
        # A pipe or <(...) of a shell counts as a file.
        file = Path(name).open("rb")  # noqa: SIM115 - closed when all is taken
    except OSError as error:
        raise _unreadable(name, error) from error
    try:
        found = _read(name, file)
    except OSError as error:
        file.close()
        raise _unreadable(name, error) from error
    except BaseException:
        file.close()
        raise
    return replace(found, entries=_closing(name, file, found.entries))


def _unreadable(source: str, error: OSError) -> InputError:
    return InputError(f"{source}: {(error.strerror or 'cannot be read').lower()}")


def _closing(source: str, file: BinaryIO, entries: Iterable[Entry]) -> Iterator[Entry]:
    try:
        yield from entries
    except OSError as error:
        raise _unreadable(source, error) from error
    except LongLineError as error:
        raise _not_ours(f"{source}:{error.line}") from error
    finally:
        file.close()


def _read(source: str, file: BinaryIO) -> ResultFile:
    head = file.peek(HEAD_BYTES)[:HEAD_BYTES].lstrip(b"\xef\xbb\xbf \r\n\t")  # type: ignore[attr-defined]
    if head.startswith(PARQUET):
        return _read_parquet(source)
    for beginning, name in OTHERS.items():
        if head.lower().startswith(beginning.lower()):
            raise InputError(
                f"{source}: is {name}, which is not read here",
                hint="write results with -o FILE.jsonl, .json, .csv, .tsv or .parquet",
            )
    text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
    if head.startswith(b"{") and b'"path"' not in head.partition(b":")[0]:
        return _read_document(source, file)
    lines = bounded_lines(text)
    if head.startswith(b"path,status,"):
        return ResultFile(source, _csv(source, lines), _meta(source), has_exact_paths=False)
    found = _jsonl(source, lines) if head.startswith(b"{") else _tsv(source, lines)
    return ResultFile(source, found, _meta(source))


def _read_parquet(source: str) -> ResultFile:
    def entries() -> Iterator[Entry]:
        try:
            yield from map(_entry, records_of(source))
        except (OSError, ValueError) as error:
            raise _no_results(source) from error

    try:
        return ResultFile(source, entries(), provenance_of(source))
    except (OSError, ValueError) as error:
        raise _no_results(source) from error


def _no_results(source: str) -> InputError:
    return InputError(
        f"{source}: is Parquet, but no result of clipcli classify",
        hint="write results with -o FILE.parquet, or with clipcli batch classify",
    )


def _read_document(source: str, file: BinaryIO) -> ResultFile:
    try:
        data = parse_json(file.read(DOCUMENT.n_bytes + 1), DOCUMENT)
        records, provenance = _field(data, "results", list), _field(data, "provenance", dict)
        entries = [_entry(record) for record in records]
    except ValueError as error:
        raise _not_ours(source) from error
    return ResultFile(source, entries, provenance | {"error": data.get("error")})


def _jsonl(source: str, lines: Iterable[str]) -> Iterator[Entry]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield _entry(parse_json(line.encode("utf-8", "surrogateescape"), LINE))
        except ValueError as error:
            raise _not_ours(f"{source}:{number}") from error


def _entry(record: Any) -> Entry:
    """Read one record; ValueError where it is not what ``classify`` writes."""
    path = _field(record, "path", str)
    if "path_bytes" in record:
        path = os.fsdecode(base64.b64decode(_field(record, "path_bytes", str)))
    if _field(record, "status", str) == "skipped":
        return Entry(path, reason=_field(record, "reason", str))
    several = record.get("labels")
    labels = None if several is None else _field(record, "labels", list)
    return Entry(
        path,
        label=_field(record, "label", str, type(None)),
        probability=float(_field(record, "probability", int, float)),
        decision=_field(record, "decision", str) if "decision" in record else "label",
        labels=None if labels is None else tuple(_field(one, "label", str) for one in labels),
    )


def _field(record: Any, key: str, *kinds: type) -> Any:
    """Return a value of a record, of one of these types exactly: True is no number."""
    value = record[key] if isinstance(record, dict) and key in record else _MISSING
    if type(value) not in kinds:
        raise ValueError(key)
    return value


def _csv(source: str, lines: Iterable[str]) -> Iterator[Entry]:
    try:
        for line, row in read_named_rows(lines):
            try:
                yield _csv_entry(row)
            except (ValueError, KeyError) as error:
                raise _not_ours(f"{source}:{line}") from error
    except CsvError as error:
        raise _not_ours(f"{source}:{error.line}") from error


def _csv_entry(row: dict[str, str]) -> Entry:
    if row["status"] == "skipped":
        return Entry(row["path"], reason=row["reason"])
    labels = row.get("labels")
    return Entry(
        row["path"],
        label=row["label"] or None,
        probability=_number(row["probability"]),
        decision=row["reason"] or "label",
        labels=None if labels is None else tuple(filter(None, labels.split(" | "))),
    )


def _tsv(source: str, lines: Iterable[str]) -> Iterator[Entry]:
    """Yield one entry a picture; one with several labels has lines that stand together."""
    last: Entry | None = None
    labels: list[str] = []  # of the last one
    for number, line in enumerate(lines, start=1):
        cells = [_unescaped(cell) for cell in line.rstrip("\r\n").split("\t")]
        try:
            path, label, probability, *rest = cells  # others follow, with --top-k
            value = _number(probability) if probability else None
        except ValueError as error:
            raise _not_ours(f"{source}:{number}") from error
        if last is not None and path == last.path and label and last.label:
            labels.append(label)
            continue
        if last is not None:
            yield _with_labels(last, labels)
        decision = "label" if label else "none"
        decision = "reviewed" if rest[-1:] == ["reviewed"] and len(rest) % 2 else decision
        reason = None if value is not None else ""
        last, labels = Entry(path, reason, label or None, value, decision), [label]
    if last is not None:
        yield _with_labels(last, labels)


def _with_labels(entry: Entry, labels: list[str]) -> Entry:
    return replace(entry, labels=tuple(labels)) if len(labels) > 1 else entry


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _unescaped(cell: str) -> str:
    return _ESCAPE.sub(lambda found: _UNESCAPED[found[1]], cell)


def _meta(source: str) -> dict[str, Any] | None:
    """Return what stands beside a file of results, if it can be read."""
    try:
        data = read_json(Path(source + META_ENDING), InputError)
    except InputError:
        return None
    return data if isinstance(data, dict) else None


def _not_ours(where: str) -> InputError:
    return InputError(
        f"{where}: is no result of clipcli classify",
        hint="write results with -o FILE.jsonl, .json, .csv, .tsv or .parquet",
    )
