r"""The texts that the text tower is distilled on, and their teacher vectors.

Writes ``texts.tsv`` (weight, kind, text), ``vectors.npy`` (n, d) and ``vocabulary.txt``, the
lines that the vocabulary is learned from.

    python -m teacher.corpus --clip clip.npz --sentences coco.tsv.gz \
        --concepts data/concepts.json --out folder
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
from pathlib import Path

import numpy as np
from teacher.teacher import Teacher, add_arguments, clean
from teacher.wordnet import PERSON, below_any
from teacher.words import word_lists

EVERYDAY_TAGS = 3  # a WordNet meaning tagged this often is an everyday one
WEIGHTS = {"everyday": 10.0, "known": 6.0, "rare": 1.0, "compound": 1.5, "sentence": 2.0}


class Corpus:
    """Rows of (weight, kind, text, head); the first mention of a text counts."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[float, str, str]] = {}  # text -> weight, kind, head

    def add(self, text: str, weight: float, kind: str, head: str = "") -> None:
        """Add a text unless it is there; kinds are ``name``, ``compound`` and ``sentence``."""
        text = clean(text)
        if text and len(text) < 200:
            self.rows.setdefault(text, (weight, kind, head))

    def of_kind(self, kind: str) -> list[str]:
        """Return the texts of one kind, in order."""
        return [text for text, row in self.rows.items() if row[1] == kind]


def add_names(corpus: Corpus, teacher: Teacher, concepts: Path, label_files: list[Path]) -> None:
    """Add everyday names first, WordNet's others after them."""
    for node in json.loads(concepts.read_text(encoding="utf-8"))["nodes"]:
        for name in node["names"]:
            corpus.add(name, WEIGHTS["everyday"], "name")
    for path in label_files:
        for word in label_words(path):
            corpus.add(word, WEIGHTS["everyday"], "name")
    for name in teacher.known:
        corpus.add(name, WEIGHTS["known"], "name")
    glosses = teacher.glosses
    people = below_any(glosses.synsets, {PERSON})
    for word, senses in glosses.senses.items():
        shown = [(o, n) for o, n in senses if o in glosses.visible]
        if not shown or len(word.split()) > 3 or word[0].isdigit():
            continue
        offset, tags = shown[0]
        if glosses.synsets[offset].is_instance or (offset in people and not tags):
            continue  # towns and rivers; names for people that nobody should be called
        usual = tags >= EVERYDAY_TAGS and senses[0][0] == offset
        corpus.add(word, WEIGHTS["known" if usual else "rare"], "name")


def label_words(path: Path) -> list[str]:
    """Return the words and the literal prompts of a label set."""
    from clipcli.labels.label_set import load_label_set

    labels = load_label_set(str(path)).labels
    return [word for label in labels for word in (label.name, *label.synonyms, *label.prompts)]


def add_compounds(corpus: Corpus, chance: random.Random, n: int) -> None:
    """Add "red car", "old wooden chair", "a dog in the snow": an everyday name is the head."""
    names = [
        text
        for text, (weight, kind, _) in corpus.rows.items()
        if kind == "name" and weight >= WEIGHTS["known"] and len(text.split()) <= 2
    ]
    words = word_lists()
    for sky in words["skies"]:
        for look in words["sky_looks"]:
            corpus.add(f"{look} {sky}", WEIGHTS["known"], "compound", sky)
    for colour in words["colours"]:
        corpus.add(f"{colour} colour", WEIGHTS["known"], "compound")
    forms = (  # share of the compounds, words, how they meet the name
        (0.3, words["colours"], "{word} {name}"),
        (0.2, words["looks"], "{word} {name}"),
        (0.1, words["materials"], "{word} {name}"),
        (0.2, words["places"], "{name} {word}"),
        (0.1, words["weathers"], "{name} {word}"),
        (0.1, words["kinds"], "{word}"),
    )
    for _, own, form in chance.choices(forms, weights=[form[0] for form in forms], k=n):
        name = chance.choice(names)
        text = form.format(word=chance.choice(own), name=name).replace("{}", name)
        corpus.add(text, WEIGHTS["compound"], "compound", name)
    seconds = chance.choices(names, k=n // 10)
    for first, second in zip(chance.choices(names, k=n // 10), seconds, strict=True):
        corpus.add(f"{first} and {second}", WEIGHTS["compound"], "compound")


def add_sentences(corpus: Corpus, path: Path) -> None:
    """Add human captions (``image id<TAB>sentence``)."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            if not line.startswith("#"):
                corpus.add(line.split("\t")[1].strip().rstrip("."), WEIGHTS["sentence"], "sentence")


def add_captions(corpus: Corpus, pictures: Path) -> None:
    """Add the captions of the training pictures (``captions``, separated by ``|``)."""
    with pictures.open(encoding="utf-8") as lines:
        place = next(lines).rstrip("\n").split("\t").index("captions")
        for line in lines:
            for caption in line.rstrip("\n").split("\t")[place].split("|"):
                kind = "sentence" if len(caption.split()) > 4 else "name"
                corpus.add(caption, 3.0, kind)


def vectors_of(corpus: Corpus, teacher: Teacher) -> np.ndarray:
    """Return the teacher's unit rows for all texts, float16 (n, d)."""
    names = corpus.of_kind("name")
    row_of = dict(zip(names, teacher.names(names), strict=True))
    others = [text for text in corpus.rows if text not in row_of]
    heads = [corpus.rows[text][2] for text in others]
    row_of.update(zip(others, teacher.texts(others, heads), strict=True))
    return np.stack([row_of[text] for text in corpus.rows]).astype(np.float16)


def main() -> None:
    """Write the corpus."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    parser.add_argument("--sentences", type=Path, required=True)
    parser.add_argument("--concepts", type=Path, required=True)
    parser.add_argument("--labels", type=Path, nargs="*", default=[])
    parser.add_argument("--pictures", type=Path, help="pictures.tsv of the packed pictures")
    parser.add_argument("--compounds", type=int, default=40_000)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    teacher = Teacher(arguments.clip, arguments.wordnet, arguments.dim)
    corpus = Corpus()
    add_names(corpus, teacher, arguments.concepts, arguments.labels)
    add_compounds(corpus, random.Random(0), arguments.compounds)  # noqa: S311 (no secret)
    add_sentences(corpus, arguments.sentences)
    if arguments.pictures:
        add_captions(corpus, arguments.pictures)
    arguments.out.mkdir(parents=True, exist_ok=True)
    with (arguments.out / "texts.tsv").open("w", encoding="utf-8", newline="\n") as file:
        for text, (weight, kind, _) in corpus.rows.items():
            file.write(f"{weight}\t{kind}\t{text}\n")
    np.save(arguments.out / "vectors.npy", vectors_of(corpus, teacher))
    print(f"{len(corpus.rows)} texts")


if __name__ == "__main__":
    main()
