"""Manifests of the sources whose classes are folders (`folders.yaml`), from their clones.

    python -m data.manifests --clones DIR --out manifests

Writes ``NAME.tsv.gz`` for every source of `folders.yaml` with a clone: a first line that names the
repository and the commit, then ``path<TAB>all<TAB>label`` for each picture. Of copies (the same git
object under several paths) one is listed. A manifest that exists is not written again.
"""

from __future__ import annotations

import argparse
import gzip
import random
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import yaml
from data.available import SOURCES
from data.gitobjects import find_clone, objects_at

FOLDERS = Path(__file__).parent / "folders.yaml"
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


def label_of(folder: str, rule: dict[str, Any]) -> str:
    """Return the label of a class's folder; empty if the class is left out."""
    if folder in rule.get("labels", {}):
        return str(rule["labels"][folder])
    return "" if rule.get("only_labelled") else folder.replace("_", " ").lower()


def listed(objects: dict[str, str], rule: dict[str, Any]) -> list[tuple[str, str]]:
    """Return (path, label) of a source's pictures, by path; ``objects`` maps path to git object."""
    pattern, seen = re.compile(rule["folders"]), set()
    by_label: dict[str, list[str]] = defaultdict(list)
    for path in sorted(objects):
        match = pattern.fullmatch(path)
        if not match or not path.lower().endswith(PICTURES) or path != path.strip():
            continue
        label = label_of(match[1], rule)
        same = re.search(rule["one_of"], path)[0] if "one_of" in rule else objects[path]  # type: ignore[index]
        if label and same not in seen:
            seen.add(same)
            by_label[label].append(path)
    chance = random.Random(0)  # noqa: S311 (sampling, not secrets)
    most = rule.get("most", len(objects))
    rows = [
        (path, label)
        for label, paths in by_label.items()
        for path in (chance.sample(paths, most) if len(paths) > most else paths)
    ]
    return sorted(rows)


def write_manifest(path: Path, source: dict[str, Any], rows: list[tuple[str, str]]) -> None:
    """Write one manifest; the same rows make the same file."""
    lines = [f"# repo={source['repository']}\tcommit={source['commit']}"]
    lines += [f"{picture}\tall\t{label}" for picture, label in rows]
    text = "".join(f"{line}\n" for line in lines)
    path.write_bytes(gzip.compress(text.encode("utf-8", "surrogateescape"), mtime=0))


def main() -> None:
    """Write the manifests that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clones", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    entries = yaml.safe_load(SOURCES.read_text(encoding="utf-8"))["sources"]
    sources = {entry["name"]: entry for entry in entries}
    for name, rule in yaml.safe_load(FOLDERS.read_text(encoding="utf-8")).items():
        path, source = options.out / f"{name}.tsv.gz", sources[name]
        clone = find_clone(options.clones, source["repository"])
        if path.exists():
            continue
        if clone is None:
            print(f"left out: {name}: no clone of {source['repository']} in {options.clones}")
            continue
        rows = listed(objects_at(clone, source["commit"]), rule)
        write_manifest(path, source, rows)
        print(f"{name}: {len(rows)} pictures of {len({label for _, label in rows})} labels")


if __name__ == "__main__":
    main()
