"""This file knows about a diagnosis on its way to the reader: a line as it comes, or JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

from clipcli.render import rows

if TYPE_CHECKING:
    from clipcli.diagnosis import Finding

TOPIC_CELLS, NAME_CELLS = 11, 18
FAULT = "FAULT: "


def print_findings(findings: Iterable[Finding], *, as_json: bool = False) -> bool:
    """Print findings as they come; return whether there was a fault."""
    seen = []
    for finding in findings:
        seen.append(finding)
        if not as_json:
            rows.print_line(_line(finding, is_first=_is_first(seen)))
    faults = [finding for finding in seen if finding.is_fault]
    if as_json:
        rows.print_json({"ok": not faults, "findings": [asdict(finding) for finding in seen]})
    else:
        n = len(faults)
        rows.print_line(f"{n} fault{'s' if n > 1 else ''} found" if n else "all is well")
    return bool(faults)


def _is_first(seen: list[Finding]) -> bool:
    return len(seen) == 1 or seen[-2].topic != seen[-1].topic


def _line(finding: Finding, *, is_first: bool) -> str:
    value = f"{FAULT if finding.is_fault else ''}{finding.value}"
    if not sys.stdout.isatty():
        return f"{finding.topic}\t{finding.name}\t{value}"
    topic = finding.topic if is_first else ""
    return f"{topic:{TOPIC_CELLS}} {finding.name:{NAME_CELLS}} {value}"
