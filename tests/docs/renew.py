"""Renew what documentation takes from the program: printed lines, docs/cli.md, docs/clipcli.1.

    python -m tests.docs.renew            renew all pages, and print what changed as a diff
    python -m tests.docs.renew README.md docs/sort.md

Read the diff: where a sentence speaks of a printed figure, it has to change with it.
"""

from __future__ import annotations

import difflib
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.docs import cli_reference, manual
from tests.docs.blocks import ROOT, can_run, pages, printed_by, runs_of, with_printed

GENERATED = {
    cli_reference.PAGE: cli_reference.cli_reference,
    manual.PAGE: manual.manual,
}


def main(names: list[str]) -> int:
    """Renew the pages named, or all, and return how the process ends."""
    chosen = list(dict.fromkeys([Path(name).resolve() for name in names] or [*pages(), *GENERATED]))
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        cache = Path(folder) / "cache"
        renewed = list(pool.map(lambda page: _renewed(page, cache), chosen))
    n_changed = sum(_write(page, text) for page, text in zip(chosen, renewed, strict=True))
    print(f"{n_changed} of {len(renewed)} pages changed")
    return 0


def _renewed(page: Path, cache: Path) -> str:
    if page in GENERATED:
        return GENERATED[page]()
    text = page.read_text(encoding="utf-8")
    runs = runs_of(text)
    if not runs:
        return text
    printed = printed_by(runs, cache)
    return with_printed(
        text,
        [lines if can_run(run) else run.shown for run, lines in zip(runs, printed, strict=True)],
    )


def _write(page: Path, text: str) -> bool:
    """Write a page if it changed, and print the change."""
    before = page.read_text(encoding="utf-8") if page.exists() else ""
    if text == before:
        return False
    name = str(page.relative_to(ROOT))
    diff = difflib.unified_diff(
        before.splitlines(), text.splitlines(), name, f"{name}, renewed", lineterm="", n=1
    )
    print("\n".join(diff))
    page.write_text(text, encoding="utf-8", newline="\n")
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
