"""Opening training data: one source or several, packed already or not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from clipcli.errors import InputError, UsageError
from clipcli.models.config import Preprocessing
from clipcli.training.config import SourceConfig
from clipcli.training.data.packed import Pairs, is_packed, join_pairs, open_packed
from clipcli.training.data.packing import pack
from clipcli.training.data.pair import Pair
from clipcli.training.data.tables import READERS, read_table, read_tree
from clipcli.training.data.webdataset import is_shards, read_shards
from clipcli.training.log import Say

MARGIN = 1.25  # packed pictures are larger than the input, so that random crops keep their detail


def open_data(
    sources: Sequence[SourceConfig], work: Path, preprocessing: Preprocessing, say: Say
) -> Pairs:
    """Open packed folders, and pack everything else into ``work`` first, in the order given."""
    named = with_names(sources)
    packed = [
        _renamed(open_packed(Path(one.path)), one) for one in named if is_packed(Path(one.path))
    ]
    loose = [one for one in named if not is_packed(Path(one.path))]
    if loose:
        size = packed[0].side_px if packed else round(MARGIN * preprocessing.size)
        found = [replace(p, source=one.name) for one in loose for p in read_pairs(Path(one.path))]
        packed.append(pack(found, replace(preprocessing, size=size), work, say))
    return join_pairs(packed)


def read_pairs(data: Path) -> list[Pair]:
    """Read a folder tree, a table or tars; every picture exists and has a caption.

    Raises
    ------
    InputError
        If it is none of them, or pictures or captions are missing: how many, and which first.
    """
    if is_shards(data) and data.exists():
        return read_shards(data)
    if data.is_dir():
        return read_tree(data)
    if data.suffix.lower() not in READERS or not data.is_file():
        raise InputError(
            f"{data}: "
            + ("not a table of pictures" if data.is_file() else "no such file or folder"),
            hint="give a folder of named folders, a .csv, .tsv or .jsonl file, or .tar files",
        )
    return read_table(data)


def with_names(sources: Sequence[SourceConfig]) -> list[SourceConfig]:
    """Give each source the name of its file or folder; where two would share it, their paths."""
    stems = [Path(one.path).absolute().stem for one in sources]
    counts = Counter(stems)
    return [
        one if one.name else replace(one, name=stem if counts[stem] == 1 else one.path)
        for one, stem in zip(sources, stems, strict=True)
    ]


def source_weights(sources: Sequence[SourceConfig], named: dict[str, float]) -> dict[str, float]:
    """Return the weights by source name: those given by name, then each source's own."""
    own = {one.name: one.weight for one in with_names(sources) if one.weight != 1}
    if both := sorted(own.keys() & named.keys()):
        raise UsageError(f"{both[0]}: has two weights", hint="give one of them")
    return named | own


def _renamed(pairs: Pairs, source: SourceConfig) -> Pairs:
    """Let rows count under their source's name where it has a weight; else they keep their own."""
    if source.weight == 1:
        return pairs
    return replace(pairs, sources=[source.name] * len(pairs.sources))
