"""Learning mini's vocabulary; it is learned once and kept with the weights.

python -m teacher.vocabulary --texts folder/texts.tsv --merges 5300 --out merges.txt
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from teacher.words import word_lists

from clipcli.models.tokenizer.learn import learn_vocabulary
from clipcli.models.tokenizer.vocabulary import write_vocabulary

REPEATS = {"10.0": 8, "6.0": 4, "3.0": 2}  # by weight: an everyday word should be one token


def lines(table: Path) -> Iterator[str]:
    """Yield the texts, everyday ones several times, and the templates' own words."""
    for template in word_lists()["templates"]:
        yield from [template.replace("{}", " ")] * 200
    with table.open(encoding="utf-8") as rows:
        for row in rows:
            weight, _, text = row.rstrip("\n").split("\t")
            yield from [text] * REPEATS.get(weight, 1)


def main() -> None:
    """Write the merges file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--merges", type=int, default=5300)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    write_vocabulary(learn_vocabulary(lines(arguments.texts), arguments.merges), arguments.out)


if __name__ == "__main__":
    main()
