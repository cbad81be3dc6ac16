"""The vectors that the image tower is trained against.

Writes an ``.npz`` with ``texts`` and ``vectors`` for every name of the concepts and every caption
of the packed pictures (those of the evaluation sets too: their names are needed for the score).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from teacher.teacher import Teacher, add_arguments

LONGEST_NAME = 4  # words; what is longer is a sentence, which WordNet does not know


def captions_of(table: Path) -> list[str]:
    """Return the distinct captions of a packed folder's table."""
    with table.open(encoding="utf-8") as lines:
        place = next(lines).rstrip("\n").split("\t").index("captions")
        cells = {line.rstrip("\n").split("\t")[place] for line in lines}
    return sorted({caption for cell in cells for caption in cell.split("|") if caption})


def main() -> None:
    """Write the vectors file."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    parser.add_argument("--concepts", type=Path, required=True)
    parser.add_argument("--packed", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    nodes = json.loads(arguments.concepts.read_text(encoding="utf-8"))["nodes"]
    texts = {name for node in nodes for name in node["names"]}
    for stem in ("pictures", "eval_pictures"):
        texts.update(captions_of(arguments.packed / f"{stem}.tsv"))
    names = sorted(text for text in texts if len(text.split()) <= LONGEST_NAME)
    others = sorted(texts.difference(names))
    teacher = Teacher(arguments.clip, arguments.wordnet, arguments.dim)
    vectors = np.vstack([teacher.names(names), teacher.texts(others, [""] * len(others))])
    np.savez(arguments.out, texts=np.array(names + others), vectors=vectors.astype(np.float16))
    print(f"{len(names)} names, {len(others)} sentences")


if __name__ == "__main__":
    main()
