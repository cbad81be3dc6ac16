"""This file knows about one-record-a-line outputs: TSV, CSV and JSONL."""

from __future__ import annotations

import csv
import io
import json

from clipcli.render.text import digits, escape_tsv, visible
from clipcli.results import Classified, Result, to_record


def tsv_line(result: Result, *, for_terminal: bool = False) -> str:
    """``path``, ``label``, ``probability``; label empty where none fits, both where skipped."""
    fields = [result.path, "", ""]
    if isinstance(result, Classified):
        fields = [result.path, result.label or "", digits(result.probability)]
    line = "\t".join(escape_tsv(field) for field in fields)
    return "\t".join(map(visible, line.split("\t"))) if for_terminal else line


def jsonl_line(result: Result, *, ascii_only: bool = False) -> str:
    """Write the record as one line of JSON; text stays as it is written, UTF-8."""
    return json.dumps(to_record(result), ensure_ascii=ascii_only)


class CsvLines:
    """``path,status,label,probability,reason,label_2,probability_2,…``, as a spreadsheet reads."""

    def __init__(self, top_k: int) -> None:
        self._top_k = top_k

    def header(self) -> str:
        """Return the first line."""
        more = [f"{key}_{i}" for i in range(2, self._top_k + 1) for key in ("label", "probability")]
        return _csv_line(["path", "status", "label", "probability", "reason", *more])

    def line(self, result: Result) -> str:
        """Return the line of one result."""
        if not isinstance(result, Classified):
            blanks = [""] * (2 * (self._top_k - 1))
            return _csv_line([result.path, "skipped", "", "", result.reason, *blanks])
        reason = "" if result.decision == "label" else result.decision
        first = [result.path, "ok", result.label or "", digits(result.probability), reason]
        rest = [x for score in result.top[1:] for x in (score.label, digits(score.probability))]
        return _csv_line(first + rest + [""] * (2 * (self._top_k - len(result.top))))


def _csv_line(fields: list[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow(fields)
    return buffer.getvalue()
