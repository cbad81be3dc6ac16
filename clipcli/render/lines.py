"""This file knows about one-record-a-line outputs: TSV, CSV and JSONL."""

from __future__ import annotations

import csv
import io
import json

from clipcli.render.text import digits, escape_tsv, guarded, visible
from clipcli.results import Classified, Result, path_fields, to_record


def tsv_line(result: Result, *, for_terminal: bool = False) -> str:
    """``path``, ``label``, ``probability``; label empty where none fits, both where skipped.

    Where labels were asked one by one, each that was answered with yes has a line.
    """
    rows = [[result.path, "", ""]]
    if isinstance(result, Classified):
        rows = [[result.path, result.label or "", digits(result.probability)]]
        if result.labels:
            rows = [[result.path, s.label, digits(s.probability)] for s in result.labels]
    lines = ["\t".join(escape_tsv(field) for field in fields) for fields in rows]
    if for_terminal:
        lines = ["\t".join(map(visible, line.split("\t"))) for line in lines]
    return "\n".join(lines)


def jsonl_line(result: Result, *, ascii_only: bool = False) -> str:
    """Write the record as one line of JSON; text stays as it is written, UTF-8."""
    return json.dumps(to_record(result), ensure_ascii=ascii_only)


class CsvLines:
    """``path,status,label,probability,reason,label_2,probability_2,…``, as a spreadsheet reads.

    Always UTF-8: one name that is not would keep most readers from the whole table, so it shows
    U+FFFD here; TSV has it byte for byte, JSON both.
    """

    def __init__(
        self,
        top_k: int,
        *,
        for_terminal: bool = False,
        independent: bool = False,
        is_guarded: bool = False,
    ) -> None:
        self._top_k, self._for_terminal = top_k, for_terminal
        self._independent, self._is_guarded = independent, is_guarded

    def header(self) -> str:
        """Return the first line."""
        more = [f"{key}_{i}" for i in range(2, self._top_k + 1) for key in ("label", "probability")]
        more += ["labels"] if self._independent else []
        return self._line(["path", "status", "label", "probability", "reason", *more])

    def line(self, result: Result) -> str:
        """Return the line of one result."""
        path = path_fields(result.path)["path"]
        if not isinstance(result, Classified):
            blanks = [""] * (2 * (self._top_k - 1) + self._independent)
            return self._line([path, "skipped", "", "", result.reason, *blanks])
        reason = "" if result.decision == "label" else result.decision
        first = [path, "ok", result.label or "", digits(result.probability), reason]
        rest = [x for score in result.top[1:] for x in (score.label, digits(score.probability))]
        rest += [""] * (2 * (self._top_k - len(result.top)))
        if self._independent:
            rest.append(" | ".join(score.label for score in result.labels or ()))
        return self._line(first + rest)

    def _line(self, fields: list[str]) -> str:
        if self._for_terminal:
            fields = [visible(field) for field in fields]
        if self._is_guarded:
            fields = [guarded(field) for field in fields]
        buffer = io.StringIO()
        # Subtle: up to Python 3.12 only the characters of its own line end make csv add quotes.
        csv.writer(buffer, lineterminator="\r\n").writerow(fields)
        return buffer.getvalue().removesuffix("\r\n")
