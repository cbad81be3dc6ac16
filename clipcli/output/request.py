"""Where output goes: what --format and -o FILE ask for, and standard output as bytes.

Standard output gets a table on a terminal and TSV in a pipe, unless ``--format`` says otherwise;
each ``-o FILE`` gets the format of its ending, and standard output is then silent unless
``--format`` was given.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipcli.errors import UsageError
from clipcli.output.files import NewFile, check_apart, check_target, output_error

if TYPE_CHECKING:
    from clipcli.output.html.heat_views import HeatViews
    from clipcli.output.html.reviewing import Review

MORE_ENDINGS = {".ndjson": "jsonl", ".htm": "html"}
BESIDE = ("tsv", "csv", "jsonl")  # formats with no room for provenance: it goes into FILE.meta.json
PATHS = {"paths": b"\n", "paths0": b"\0"}  # paths alone, and what stands behind each
NOT_FOR_TERMINALS = ("parquet", "html", "npz", "png")


@dataclass(frozen=True, slots=True)
class OutputRequest:
    """What the options say about outputs; no ``format``: nothing on standard output."""

    format: str | None = None
    files: tuple[tuple[Path, str], ...] = ()  # and what goes into each
    overwrite: bool = False
    is_guarded: bool = False  # CSV cells that a spreadsheet would compute get an apostrophe
    heading: str = ""  # of pages: what they show
    heats: HeatViews | None = None  # of contact sheets: what draws heat maps
    review: Review | None = None  # of contact sheets: what can be said of pictures

    def wants(self, name: str) -> bool:
        """Tell whether a format is among those asked for."""
        return name in (self.format, *(format_ for _, format_ in self.files))

    def with_paths(self, *, null: bool) -> OutputRequest:
        """Return the same with nothing but paths on standard output."""
        return replace(self, format="paths0" if null else "paths")


def requested(
    chosen: str | None,
    files: Sequence[Path] | None,
    formats: Sequence[str],
    *,
    overwrite: bool,
    is_guarded: bool = False,
    tables: Sequence[tuple[Path, str]] = (),
) -> OutputRequest:
    """Gather the output options, and refuse what cannot work before any picture is read.

    Parameters
    ----------
    chosen
        What ``--format`` says.
    files
        What ``-o`` says, several times.
    formats
        Those that there are for this output.
    overwrite, is_guarded
        What the options of these names say.
    tables
        Further files, with what goes into each.

    Raises
    ------
    UsageError, OutputError, OutputExistsError, MissingExtraError
    """
    if chosen is not None and chosen not in formats:
        raise UsageError(f"--format {chosen}: unknown format", hint=f"one of {', '.join(formats)}")
    named = (*((path, format_of(path, formats)) for path in files or ()), *tables)
    _check_files(named, overwrite=overwrite)
    if chosen is None and not files:
        chosen = "table" if sys.stdout.isatty() else "tsv"
    request = OutputRequest(chosen, named, overwrite, is_guarded)
    if request.wants("parquet"):
        from clipcli.output.parquet_rows import require_pyarrow

        require_pyarrow()
    if chosen in NOT_FOR_TERMINALS and sys.stdout.isatty():
        raise UsageError(f"--format {chosen}: not for a terminal", hint=f"use -o FILE.{chosen}")
    return request


def _check_files(named: Sequence[tuple[Path, str]], *, overwrite: bool) -> None:
    check_apart([path for path, _ in named])
    for path, name in named:
        check_target(path, overwrite=overwrite)
        if name in BESIDE:
            check_target(meta_path(path), overwrite=overwrite)


def format_of(path: Path, formats: Sequence[str]) -> str:
    """Return the format that a file's ending stands for.

    Raises
    ------
    UsageError
        If there is none among ``formats``.
    """
    endings = {f".{name}": name for name in formats if name != "table"}
    endings |= {ending: name for ending, name in MORE_ENDINGS.items() if name in formats}
    try:
        return endings[path.suffix.lower()]
    except KeyError:
        raise UsageError(
            f"{path}: no format is known here for the ending {path.suffix!r}",
            hint=f"end it with one of {', '.join(endings)}",
        ) from None


def meta_path(path: Path) -> Path:
    """Return where the provenance of a file goes that has no room for it."""
    return path.with_name(path.name + ".meta.json")


def write_meta(path: Path, provenance: dict[str, Any], *, overwrite: bool) -> None:
    """Write the provenance of a file beside it.

    Raises
    ------
    OutputError, OutputExistsError
    """
    text = json.dumps(provenance, indent=2, ensure_ascii=False)
    meta = NewFile(meta_path(path), overwrite=overwrite)
    meta.write(f"{text}\n".encode("utf-8", "replace"))
    meta.commit()


class StandardOutput:
    """Standard output as bytes, sent at once: the reader of a pipe sees results as they come."""

    def write(self, content: bytes) -> None:
        """Send bytes.

        Raises
        ------
        BrokenPipeError, OutputError
        """
        try:
            sys.stdout.flush()
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise output_error("standard output", error) from error
