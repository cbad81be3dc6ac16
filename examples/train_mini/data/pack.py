"""Know how pictures in git repositories become the packed training data of `mini`.

    python -m data.pack --manifests DIR --clones DIR --out DIR

`sources.yaml` says which sources there are and what each may be used for, `names.yaml` what their
classes are called in everyday words, and a manifest (`NAME.tsv.gz`, one per source) lists a
source's pictures with their labels. Pictures are read straight out of git objects: no work tree is
needed. What comes out:

    pictures.npy        uint8 (n, 96, 96, 3), shuffled, so that reading in order samples at random
    pictures.tsv        source, path, split, role, captions, concepts: one row per picture
    objects.txt         the git object of each row, for `check_leaks.py`
    eval_*              the same for the pictures that are only looked at, never trained on
    caption_kinds.tsv   what is true of captions that have no concept of their own
    report.json         counts, failures, time
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import gzip
import itertools
import json
import multiprocessing
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import yaml
from data.available import SOURCES, available_sources
from data.gitobjects import objects_at, pack_offsets, read_objects
from data.names import Names, Record
from data.pixels import SIZE_PX, Box, decode
from numpy.lib import format as npy
from PIL import Image

HERE = Path(__file__).parent
SEED = 20
CHUNK = 2_000  # pictures per task: enough to hide git's start-up, few enough to balance two cores
COLUMNS = ("source", "path", "split", "role", "captions", "concepts")
PREFIXES = {"train": "", "eval": "eval_"}  # of the files that belong to a role


@dataclasses.dataclass(frozen=True)
class Row:
    """One picture of one source, and the git object that holds it."""

    source: str
    path: str
    split: str
    role: str
    labels: tuple[str, ...]
    object_id: str = ""
    box: Box | None = None


@dataclasses.dataclass(frozen=True)
class Job:
    """Pictures of one repository to decode into given rows of one array."""

    repository: Path
    array: Path
    items: tuple[tuple[int, str, Box | None], ...]  # row number, git object, box


# --- which pictures -------------------------------------------------------------------------


def read_manifest(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield (picture path, split, label) per line, leaving out the line that names the commit."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        for line in lines:
            if not line.startswith("# "):
                name, split, label = line.rstrip("\n").split("\t")
                yield name, split, label


def chosen_rows(source: Record, manifests: Path) -> list[Row]:
    """Return the rows of a source that its entry in `sources.yaml` lets in."""
    labels: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path, split, label in read_manifest(manifests / f"{source['name']}.tsv.gz"):
        if label not in source.get("leave_out", ()):
            labels[path, split].append(label)
    boxes = read_boxes(manifests / f"{source['boxes']}.tsv.gz") if "boxes" in source else {}
    rows = []
    for (path, split), of_picture in labels.items():
        role = role_of(source, split)
        if role:
            rows.append(
                Row(source["name"], path, split, role, tuple(of_picture), box=boxes.get(path))
            )
    return capped(rows, source["cap"]) if "cap" in source else rows


def role_of(source: Record, split: str) -> str:
    """Return `train`, `eval`, or nothing for a split that stays aside."""
    if split in source.get("evaluate", {}):
        return "eval"
    return "train" if split in source.get("train", ()) else ""


def read_boxes(path: Path) -> dict[str, Box]:
    """Read where the thing is in each picture: left, top, right, bottom in pixels."""
    boxes = {}
    for name, _, corners in read_manifest(path):
        left, top, right, bottom = map(int, corners.split(","))
        boxes[name] = (left, top, right, bottom)
    return boxes


def capped(rows: list[Row], limit: int) -> list[Row]:
    """Take `limit` rows, class by class in turn, so that rare classes stay whole."""
    by_label = defaultdict(list)
    for row in rows:
        by_label[row.labels].append(row)
    rng = random.Random(SEED)  # noqa: S311 (sampling, not secrets)
    for of_label in by_label.values():
        rng.shuffle(of_label)
    turns = itertools.zip_longest(*by_label.values())
    in_turn = (row for turn in turns for row in turn if row is not None)
    return list(itertools.islice(in_turn, limit))


def located_rows(
    sources: list[Record], clones: dict[str, Path], manifests: Path
) -> tuple[list[Row], list[Row]]:
    """Return all chosen rows with their git objects, and those that their commit lacks."""
    located, absent = [], []
    for source in sources:
        objects = objects_at(clones[source["name"]], source["commit"])
        for row in chosen_rows(source, manifests):
            if row.path in objects:
                located.append(dataclasses.replace(row, object_id=objects[row.path]))
            else:
                absent.append(row)
    return located, absent


# --- pixels ---------------------------------------------------------------------------------


def do_job(job: Job) -> list[tuple[int, str]]:
    """Decode a job's pictures into their rows; return (row, reason) of those that fail."""
    pictures = np.load(job.array, mmap_mode="r+")
    failures = []
    blobs = read_objects(job.repository, [object_id for _, object_id, _ in job.items])
    for (row, _, box), data in zip(job.items, blobs, strict=True):
        if data is None:
            failures.append((row, "not in the clone"))
            continue
        try:
            pictures[row] = decode(data, box)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            failures.append((row, f"{type(error).__name__}: {error}"))
    return failures


def jobs_for(rows: list[Row], array: Path, clones: dict[str, Path]) -> list[Job]:
    """Split rows into jobs, each of neighbours in one repository's pack."""
    by_clone = defaultdict(list)
    for number, row in enumerate(rows):
        by_clone[clones[row.source]].append((number, row.object_id, row.box))
    jobs = []
    for clone, items in by_clone.items():
        offsets = pack_offsets(clone)
        items.sort(key=lambda item: offsets.get(item[1], ("", 0)))
        starts = range(0, len(items), CHUNK)
        jobs += [Job(clone, array, tuple(items[start : start + CHUNK])) for start in starts]
    return jobs


def fill(rows: list[Row], array: Path, clones: dict[str, Path], n_processes: int) -> dict[int, str]:
    """Decode all rows into a new array file; return the rows that failed, with reasons."""
    npy.open_memmap(array, mode="w+", dtype=np.uint8, shape=(len(rows), SIZE_PX, SIZE_PX, 3))
    jobs = jobs_for(rows, array, clones)
    failures: dict[int, str] = {}
    started = time.monotonic()
    with multiprocessing.Pool(n_processes) as pool:
        for done, failed in enumerate(pool.imap_unordered(do_job, jobs), start=1):
            failures.update(failed)
            if done % 20 == 0 or done == len(jobs):
                print(f"{array.name}: {done}/{len(jobs)} jobs, {time.monotonic() - started:.0f} s")
    return failures


def close_gaps(rows: list[Row], array: Path, failed: Iterable[int]) -> list[Row]:
    """Move rows from the end into the places of failed ones and shorten the array file."""
    pictures = np.load(array, mmap_mode="r+")
    kept, holes = list(rows), set(failed)
    for hole in sorted(holes):
        while kept and len(kept) - 1 in holes:
            kept.pop()
        if hole >= len(kept):
            break
        pictures[hole] = pictures[len(kept) - 1]
        kept[hole] = kept.pop()
    shape = (len(kept), *pictures.shape[1:])
    start, bytes_each = pictures.offset, pictures[0].nbytes
    pictures.flush()
    with array.open("r+b") as stream:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        npy.write_array_header_1_0(stream, header)
        assert stream.tell() == start  # numpy pads headers, so a smaller number fits as well
        stream.truncate(start + len(kept) * bytes_each)
    return kept


# --- tables ---------------------------------------------------------------------------------


def write_all_tables(
    packed: dict[str, list[Row]], sources: list[Record], names: Names, out: Path
) -> None:
    """Write everything that is text, for the rows of both roles in the arrays' order."""
    for role, prefix in PREFIXES.items():
        write_tables(packed[role], out, prefix, names)
    write_kinds(out, names)
    write_eval_sets(packed["eval"], sources, names)


def write_tables(rows: list[Row], out: Path, prefix: str, names: Names) -> None:
    """Write the table that goes with an array, and the list of git objects."""
    table = out / f"{prefix}pictures.tsv"
    partial = table.with_suffix(".partial")  # whoever reads the table meanwhile sees the old one
    with partial.open("w", encoding="utf-8", newline="") as stream:
        stream.write("\t".join(COLUMNS) + "\n")
        for row in rows:
            captions, concepts = names.describe(row.source, row.labels)
            joined = "|".join(captions), ",".join(map(str, concepts))
            stream.write("\t".join((row.source, row.path, row.split, row.role, *joined)) + "\n")
    partial.replace(table)
    if all(row.object_id for row in rows):
        lines = "".join(f"{row.object_id}\n" for row in rows)
        (out / f"{prefix}objects.txt").write_text(lines, encoding="ascii")


def write_kinds(out: Path, names: Names) -> None:
    """Write what is true of the captions without a concept of their own."""
    with (out / "caption_kinds.tsv").open("w", encoding="utf-8", newline="") as stream:
        stream.write("caption\tconcepts\n")
        for caption, nodes in sorted(names.kinds.items()):
            stream.write(f"{caption}\t{','.join(map(str, nodes))}\n")


def write_eval_sets(rows: list[Row], sources: list[Record], names: Names) -> None:
    """Write the class names of each evaluation set, as its captions have them."""
    keys = {
        (source["name"], split): key
        for source in sources
        for split, key in source.get("evaluate", {}).items()
    }
    classes: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        captions, _ = names.describe(row.source, row.labels)
        classes[keys[row.source, row.split]].add(captions[0])
    listed = {key: sorted(found) for key, found in sorted(classes.items())}
    text = json.dumps(listed, indent=2, ensure_ascii=False) + "\n"
    (HERE / "eval_sets.json").write_text(text, encoding="utf-8")


def rows_in_order(rows: list[Row], table: Path) -> list[Row]:
    """Put rows into the order of a table that was written before, leaving out its failures."""
    found = {(row.source, row.path): row for row in rows}
    with table.open(encoding="utf-8", newline="") as stream:
        records = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [found[record["source"], record["path"]] for record in records]


# --- the command ----------------------------------------------------------------------------


def main() -> None:
    """Pack everything that `sources.yaml` names."""
    options = parse_options()
    options.out.mkdir(parents=True, exist_ok=True)
    sources = yaml.safe_load(SOURCES.read_text(encoding="utf-8"))["sources"]
    names = Names.load(HERE, sources)
    if options.names_only:
        rename(sources, names, options)
    else:
        available, clones = available_sources(SOURCES, options.clones, options.manifests)
        pack(available, clones, names, options)


def pack(
    sources: list[Record], clones: dict[str, Path], names: Names, options: argparse.Namespace
) -> None:
    """Write arrays, tables and the report."""
    started = time.monotonic()
    rows, absent = located_rows(sources, clones, options.manifests)
    random.Random(SEED).shuffle(rows)  # noqa: S311 (sampling, not secrets)
    counts, failures = {}, [f"{row.source}: {row.path}: not in the commit" for row in absent]
    packed = {}
    for role, prefix in PREFIXES.items():
        of_role = [row for row in rows if row.role == role]
        array = options.out / f"{prefix}pictures.npy"
        failed = fill(of_role, array, clones, options.processes)
        packed[role] = close_gaps(of_role, array, failed)
        counts[role] = dict(sorted(Counter(row.source for row in packed[role]).items()))
        failures += [
            f"{of_role[n].source}: {of_role[n].path}: {reason}" for n, reason in failed.items()
        ]
    write_all_tables(packed, sources, names, options.out)
    seconds = round(time.monotonic() - started)
    report = {"pictures": counts, "failures": failures, "seconds": seconds}
    text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    (options.out / "report.json").write_text(text, encoding="utf-8")
    print(f"{seconds} s, {len(failures)} failures")


def rename(sources: list[Record], names: Names, options: argparse.Namespace) -> None:
    """Write the tables anew, after a change of names, for pictures that are packed already."""
    rows = [row for source in sources for row in chosen_rows(source, options.manifests)]
    packed = {}
    for role, prefix in PREFIXES.items():
        of_role = [row for row in rows if row.role == role]
        packed[role] = rows_in_order(of_role, options.out / f"{prefix}pictures.tsv")
    write_all_tables(packed, sources, names, options.out)


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Pack the training data of `mini`.")
    parser.add_argument("--manifests", type=Path, required=True, help="folder of NAME.tsv.gz")
    parser.add_argument("--clones", type=Path, required=True, help="owner/name or owner+name in it")
    parser.add_argument("--out", type=Path, required=True, help="folder to write; about 13 GB")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--names-only", action="store_true", help="keep pixels, rewrite the tables")
    return parser.parse_args()


if __name__ == "__main__":
    main()
