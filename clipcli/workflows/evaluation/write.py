"""Where an evaluation goes: standard output and files, each in its format."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clipcli.errors import UsageError
from clipcli.output.files import NewFile, check_target, output_error

if TYPE_CHECKING:
    from clipcli.workflows.evaluation.evaluated import Evaluated

FORMATS = ("table", "tsv", "csv", "json", "html")
ENDINGS = {f".{name}": name for name in FORMATS if name != "table"}


@dataclass(frozen=True, slots=True)
class Reports:
    """The outputs that were asked for, checked."""

    format: str | None
    files: tuple[tuple[Path, str], ...]  # and what goes into each
    overwrite: bool

    @classmethod
    def requested(
        cls,
        chosen: str | None,
        files: Sequence[Path] | None,
        confusion: Path | None,
        pictures: Path | None,
        *,
        overwrite: bool,
    ) -> Reports:
        """Gather output options, and refuse what cannot work before any picture is read.

        Raises
        ------
        UsageError, OutputError, OutputExistsError
        """
        if chosen is not None and chosen not in FORMATS:
            raise UsageError(
                f"--format {chosen}: unknown format", hint=f"one of {', '.join(FORMATS)}"
            )
        named = [(path, format_of(path)) for path in files or ()]
        for path, what in ((confusion, "confusion"), (pictures, "pictures")):
            if path is not None and path.suffix.lower() != ".csv":
                raise UsageError(f"--{what} {path}: is a CSV file", hint="end it with .csv")
            named += [(path, what)] if path is not None else []
        targets = [os.path.realpath(path) for path, _ in named]
        for (path, _), target in zip(named, targets, strict=True):
            if targets.count(target) > 1:
                raise UsageError(f"{path}: named twice as an output", hint="name each file once")
            check_target(path, overwrite=overwrite)
        if chosen is None and not files:
            chosen = "table" if sys.stdout.isatty() else "tsv"
        return cls(chosen, tuple(named), overwrite)

    def write(self, evaluated: Evaluated) -> None:
        """Write all of them: files first, since nobody can close those from outside."""
        for path, what in self.files:
            file = NewFile(path, overwrite=self.overwrite)
            file.write(rendered(evaluated, what).encode("utf-8", "replace"))
            file.commit()
        if self.format == "table":
            from clipcli.workflows.evaluation.write_text import print_report

            print_report(evaluated)
        elif self.format is not None:
            _print(rendered(evaluated, self.format, for_terminal=sys.stdout.isatty()))


def format_of(path: Path) -> str:
    """Return the format that a report's ending stands for."""
    try:
        return ENDINGS[path.suffix.lower()]
    except KeyError:
        raise UsageError(
            f"{path}: no report format is known for the ending {path.suffix!r}",
            hint=f"end it with one of {', '.join(ENDINGS)}",
        ) from None


def rendered(evaluated: Evaluated, what: str, *, for_terminal: bool = False) -> str:
    """Return a report as text in a format, or one of the tables ``confusion`` and ``pictures``."""
    from clipcli.workflows.evaluation import write_data as data

    match what:
        case "json":
            return data.json_text(evaluated, ascii_only=for_terminal)
        case "html":
            from clipcli.workflows.evaluation.page import evaluation_page

            return evaluation_page(evaluated)
        case "tsv":
            return data.tsv_text(evaluated)
        case "csv":
            return data.csv_text(data.label_rows(evaluated), for_terminal=for_terminal)
        case "confusion":
            return data.csv_text(data.confusion_rows(evaluated))
        case _:
            return data.csv_text(data.picture_rows(evaluated))


def _print(text: str) -> None:
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode("utf-8", "replace"))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise output_error("standard output", error) from error
