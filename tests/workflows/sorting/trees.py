"""Trees of files, and sorts of them without a model: the label is a function of the name."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from clipcli.images.companions import Companions
from clipcli.results import Classified, LabelScore
from clipcli.workflows.journal.filestate import look
from clipcli.workflows.journal.records import Places
from clipcli.workflows.sorting.foldernames import folder_names
from clipcli.workflows.sorting.plan import Plan, Planner
from clipcli.workflows.sorting.rules import Rules

LABELS = ("cat", "dog", "red car", "../../x")


class Entry(NamedTuple):
    kind: str  # "file", "folder" or "link"
    content: bytes
    mtime_ns: int
    mode: int


def snapshot(folder: Path) -> dict[str, Entry]:
    """Return all there is under a folder, itself included; links are not followed."""
    return {os.path.relpath(path, folder): _entry(path) for path in [folder, *_below(folder)]}


def names(folder: Path) -> list[str]:
    """Return the files and links under a folder, sorted."""
    return sorted(x for x, entry in snapshot(folder).items() if entry.kind != "folder")


def make_tree(folder: Path, n_files: int, *, seed: int = 0, with_companions: bool = False) -> Path:
    """Fill a folder with files of odd sizes and old times, in folders of their own."""
    chance = random.Random(seed)
    for i in range(n_files):
        parent = folder / chance.choice(["", "a", "b/c", "d e"])
        parent.mkdir(parents=True, exist_ok=True)
        path = parent / f"IMG_{i % (n_files // 2)}.{chance.choice(['jpg', 'png'])}"
        path = path if not path.exists() else parent / f"other {i}.jpg"
        endings = [".CR2", ".xmp", f"{path.suffix}.xmp", ".mov"] if with_companions else []
        stem = path.with_suffix("")
        for each in [path, *(Path(f"{stem}{x}") for x in endings if chance.random() < 0.3)]:
            if not each.exists():
                _write(each, chance)
    for parent in sorted({path for path in folder.rglob("*") if path.is_dir()} | {folder}):
        os.utime(parent, ns=(10**18, chance.randrange(10**18, 17 * 10**17)))
    return folder


def _write(path: Path, chance: random.Random) -> None:
    path.write_bytes(chance.randbytes(chance.choice([0, 1, 700, 3_000, 30_000, 400_000])))
    path.chmod(chance.choice([0o644, 0o600, 0o444]))
    when = chance.randrange(10**18, 17 * 10**17)
    os.utime(path, ns=(when, when))


def save_dated(path: Path, taken: str, colour: tuple[int, int, int] = (0, 0, 0)) -> None:
    """Write a small picture with an EXIF date, or without where that is empty."""
    exif = Image.Exif()
    exif[271] = "Maker"
    if taken:
        exif.get_ifd(0x8769)[36867] = taken
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 9), colour).save(path, exif=exif)


def classified(path: str, label: str, *, sure: bool = True) -> Classified:
    """Return a result as a model would give it."""
    top = (LabelScore(label, 0.6, 0.3), LabelScore("other", 0.4, 0.2))
    return Classified(path, top, "label" if sure else "below_threshold")


def make_plan(
    source: Path, into: Path, *, with_companions: bool = False, keep_folders: bool = False
) -> Plan:
    """Plan for all files of a tree that are pictures by their ending; labels go round."""
    places = Places(os.path.realpath(source), os.path.realpath(into))
    found = sorted(p for p in source.rglob("*") if p.suffix in (".jpg", ".png") and p.is_file())
    paths = [os.path.relpath(path, source) for path in found]
    states = {path: look(str(source / path)) for path in paths}
    rules = Rules(folder_names(LABELS, "_unsure"), "_unsure", keep_folders=keep_folders)
    companions = Companions(places.source) if with_companions else None
    planner = Planner(places, rules, states, companions=companions)
    for i, path in enumerate(paths):
        planner.add(path, classified(path, LABELS[i % 4], sure=i % 7 > 0))
    return planner.plan


def _below(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def _entry(path: Path) -> Entry:
    status = path.lstat()
    if path.is_symlink():
        return Entry("link", os.fsencode(path.readlink()), 0, 0)
    if path.is_dir():
        return Entry("folder", b"", status.st_mtime_ns, status.st_mode)
    return Entry("file", path.read_bytes(), status.st_mtime_ns, status.st_mode)
