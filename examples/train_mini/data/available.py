"""The picture sources that can be had: those with a clone and a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from data.gitobjects import find_clone

SOURCES = Path(__file__).parent / "sources.yaml"


def available_sources(
    path: Path, clones: Path, manifests: Path
) -> tuple[list[dict[str, Any]], dict[str, Path]]:
    """Return the entries of ``sources.yaml`` and each one's clone; name those left out.

    Repositories disappear. A recipe that stops at each one that has gone is soon of no use, and
    one that leaves pictures out in silence makes another model than it says.
    """
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))["sources"]
    found: dict[str, Path] = {}
    for entry in entries:
        name = entry["name"]
        clone = find_clone(clones, entry["repository"])
        if clone is None:
            print(f"left out: {name}: no clone of {entry['repository']} in {clones}", flush=True)
        elif not (manifests / f"{name}.tsv.gz").is_file():
            print(f"left out: {name}: no manifest in {manifests}", flush=True)
        else:
            found[name] = clone
    if not found:
        raise SystemExit(f"{clones}: no clone of any source of {path}")
    return [entry for entry in entries if entry["name"] in found], found
