"""Pairs as people keep them: a folder tree, or a table of pictures.

In a folder tree, a picture's caption is the name of the folder it lies in, underscores read as
spaces. A table is CSV, TSV or JSONL with ``image`` (relative to the table) and ``caption``;
several captions of one picture are joined by ``|``, or are a list in JSONL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from clipcli.errors import InputError
from clipcli.files import LongLineError, bounded_lines, is_file
from clipcli.images.find import ImageFile, find_images
from clipcli.strict_csv import CsvError, CsvRow, read_rows
from clipcli.strict_json import LINE, JsonError, parse_json
from clipcli.training.data.pair import Pair

COLUMNS = ("image", "caption")
SEVERAL = "|"


def read_tree(top: Path) -> list[Pair]:
    """Read a folder tree; each picture lies in a folder with a name."""
    found = [Path(one.path) for one in find_images([str(top)]) if isinstance(one, ImageFile)]
    loose = [path for path in found if path.parent == top]
    if loose:
        raise InputError(
            f"{top}: {len(loose)} pictures lie in no named folder, first {loose[0].name}",
            hint="put each picture into a folder named for what it shows",
        )
    if not found:
        raise InputError(f"{top}: no pictures in it")
    return [Pair(path, (_name(path.parent),), is_name=True) for path in found]


def _name(folder: Path) -> str:
    return folder.name.replace("_", " ").strip()


def read_table(table: Path) -> list[Pair]:
    """Read a table of a kind in :data:`READERS`; every picture exists and has a caption.

    Raises
    ------
    InputError
        If pictures or captions are missing: how many, and which first.
    """
    reader = READERS[table.suffix.lower()]
    pairs: list[Pair] = []
    silent: list[int] = []
    try:
        for line, image, caption in reader(table):
            captions = _captions(caption)
            if not isinstance(image, str) or not image.strip():
                raise InputError(f"{table}:{line}: no picture is named")
            if captions:
                pairs.append(Pair(table.parent / image.strip(), captions))
            else:
                silent.append(line)
    except UnicodeDecodeError as error:
        raise InputError(f"{table}: not UTF-8 text", hint="save it as UTF-8") from error
    except OSError as error:
        raise InputError(f"{table}: {error.strerror or error}") from error
    except (CsvError, LongLineError) as error:
        raise InputError(f"{table}:{error.line}: {error}") from error
    if silent:
        raise InputError(
            f"{table}: {len(silent)} of {len(pairs) + len(silent)} captions are empty, "
            f"first in line {silent[0]}"
        )
    if not pairs:
        raise InputError(f"{table}: no rows")
    _check_there(table, pairs)
    return pairs


def _check_there(table: Path, pairs: list[Pair]) -> None:
    missing = [pair.path for pair in pairs if not is_file(pair.path)]
    if missing:
        raise InputError(
            f"{table}: {len(missing)} of {len(pairs)} pictures are not there, first {missing[0]}",
            hint="paths are relative to the table",
        )


def _captions(said: Any) -> tuple[str, ...]:
    """Return captions without line ends, tabs or outer space; empty ones are left out."""
    texts = said if isinstance(said, list) else [said]
    parts = [part for text in texts if isinstance(text, str) for part in text.split(SEVERAL)]
    return tuple(plain for part in parts if (plain := " ".join(part.split())))


def _read_cells(table: Path, delimiter: str) -> Iterator[tuple[int, Any, Any]]:
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = read_rows(bounded_lines(file), delimiter=delimiter, is_strict=False)
        header = next(rows, CsvRow(1, [])).cells
        for name in COLUMNS:
            if name not in header:
                found = " ".join(", ".join(header).split()) or "nothing"
                raise InputError(
                    f"{table}:1: no column {name!r}; there is {found}",
                    hint="the first line names the columns: image, caption",
                )
        image, caption = map(header.index, COLUMNS)
        for line, cells in rows:
            if cells:
                padded = cells + [""] * (len(header) - len(cells))
                yield line, padded[image], padded[caption]


def _read_objects(table: Path) -> Iterator[tuple[int, Any, Any]]:
    with table.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(bounded_lines(file), start=1):
            if not line.strip():
                continue
            try:
                record = parse_json(line, LINE)
            except JsonError as error:
                raise InputError(f"{table}:{number}: {error.fact}") from error
            if not isinstance(record, dict):
                raise InputError(f"{table}:{number}: expected an object with image and caption")
            yield number, record.get("image"), record.get("caption")


READERS: dict[str, Callable[[Path], Iterator[tuple[int, Any, Any]]]] = {
    ".csv": lambda table: _read_cells(table, ","),
    ".tsv": lambda table: _read_cells(table, "\t"),
    ".jsonl": _read_objects,
}
