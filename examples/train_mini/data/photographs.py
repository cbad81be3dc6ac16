"""Training photographs as files, for what data/render.py makes of photographs.

    python -m data.photographs --manifests DIR --clones DIR --out work

Writes ``photos/NNNN.jpg`` (things, people, rooms) and ``outdoors/NNNN.jpg`` (land and streets, to
put weather over), drawn by lot from a few sources.
"""

from __future__ import annotations

import argparse
import random
import re
from pathlib import Path

from data.available import SOURCES, available_sources
from data.gitobjects import read_objects
from data.pack import Row, located_rows

PHOTOS = {
    "coco-captions-mini": 250,
    "coco-captions-nsimsiri": 250,
    "web-objects-52": 100,
    "hcaptcha-photos": 100,
    "houses-rooms": 60,
}
SCENES, N_OUTDOORS = "miniplaces-128px", 1_500
UNDER_THE_SKY = re.compile(  # in the labels of scenes
    "abbey|badlands|boat_deck|bridge|campsite|canyon|cemetery|chalet|church|coast|construction|"
    "corn|courtyard|dam|desert|driveway|golf|harbor|highway|lighthouse|mountain|palace|parking|"
    "playground|racecourse|railroad|rainforest|river|rock_arch|runway|skyscraper|slum|swamp|"
    "temple|valley|volcano|yard"
)


def is_outdoors(row: Row) -> bool:
    """Say whether a picture of the scenes' source shows a sky, by its label."""
    told = " ".join(row.labels).lower().replace(" ", "_")
    return row.role == "train" and UNDER_THE_SKY.search(told) is not None


def write(rows: list[Row], clones: dict[str, Path], folder: Path) -> int:
    """Write the pictures that the clones have, numbered in their order; return how many."""
    folder.mkdir(parents=True, exist_ok=True)
    n = 0
    for source in dict.fromkeys(row.source for row in rows):
        wanted = [row.object_id for row in rows if row.source == source]
        for data in read_objects(clones[source], wanted):
            if data:
                (folder / f"{n:04d}.jpg").write_bytes(data)
                n += 1
    return n


def main() -> None:
    """Draw and write both folders."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("manifests", "clones", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--sources", type=Path, default=SOURCES)
    options = parser.parse_args()
    sources, clones = available_sources(options.sources, options.clones, options.manifests)
    wanted = [source for source in sources if source["name"] in {*PHOTOS, SCENES}]
    located, _ = located_rows(wanted, clones, options.manifests)
    chance = random.Random(3)  # noqa: S311 (sampling, not secrets)
    photos, outdoors = [], [row for row in located if row.source == SCENES and is_outdoors(row)]
    for name, number in PHOTOS.items():
        own = [row for row in located if row.source == name and row.role == "train"]
        photos += chance.sample(own, min(number, len(own)))
    outdoors = chance.sample(outdoors, min(N_OUTDOORS, len(outdoors)))
    for name, rows in (("photos", photos), ("outdoors", outdoors)):
        if not rows:
            raise SystemExit(f"{name}: none of their sources is there")
        print(f"{name}: {write(rows, clones, options.out / name)} photographs")


if __name__ == "__main__":
    main()
