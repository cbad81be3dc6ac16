"""WordNet 3.0's noun files: which words name things one can see.

Reads the database files of Princeton's WordNet 3.0 (Debian package ``wordnet-base``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PHYSICAL_ENTITY = "00001930"
PERSON = "00007846"
VISIBLE_ABSTRACTIONS = (  # things that a picture can show although WordNet calls them abstract
    "00523513",  # sport
    "04956594",  # colour
    "07942152",  # people
    "08182379",  # crowd
    "06793426",  # poster
)


@dataclass(frozen=True)
class Synset:
    """One meaning: its words, its gloss, and what it is a kind of."""

    offset: str
    words: tuple[str, ...]
    gloss: str
    hypernyms: tuple[str, ...]
    is_instance: bool  # one of its kind: a town, a river, somebody


def read_synsets(folder: Path) -> dict[str, Synset]:
    """Read ``data.noun``; keys are the eight-digit offsets."""
    synsets = {}
    with (folder / "data.noun").open(encoding="utf-8") as lines:
        for line in lines:
            if not line.startswith("  "):  # the licence stands in indented lines
                synset = _parse(line)
                synsets[synset.offset] = synset
    return synsets


def _parse(line: str) -> Synset:
    facts, _, gloss = line.partition(" | ")
    fields = facts.split()
    n_words = int(fields[3], 16)
    words = tuple(fields[4 + 2 * i].replace("_", " ") for i in range(n_words))
    start = 4 + 2 * n_words
    pointers = fields[start + 1 :]
    hypernyms = tuple(
        pointers[i + 1] for i in range(0, 4 * int(fields[start]), 4) if pointers[i] in ("@", "@i")
    )
    definition = gloss.split('; "')[0].strip()
    return Synset(fields[0], words, definition, hypernyms, "@i" in pointers)


def read_senses(folder: Path) -> dict[str, list[tuple[str, int]]]:
    """Return word -> (offset, how often it was tagged), most usual meaning first."""
    senses: dict[str, list[tuple[int, str, int]]] = {}
    with (folder / "index.noun").open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("  "):
                continue
            fields = line.split()
            n_senses, n_pointers = int(fields[2]), int(fields[3])
            tagged = int(fields[5 + n_pointers])
            offsets = fields[6 + n_pointers : 6 + n_pointers + n_senses]
            word = fields[0].replace("_", " ")
            senses[word] = [
                (rank, offset, max(tagged - rank, 0)) for rank, offset in enumerate(offsets)
            ]
    return {word: [(offset, n) for _, offset, n in sorted(rows)] for word, rows in senses.items()}


def visible(synsets: dict[str, Synset]) -> set[str]:
    """Return the offsets of all meanings below a physical entity or a visible abstraction."""
    return below_any(synsets, {PHYSICAL_ENTITY, *VISIBLE_ABSTRACTIONS})


def below_any(synsets: dict[str, Synset], roots: set[str]) -> set[str]:
    """Return the offsets of all meanings that are a kind of one of ``roots``."""
    known: dict[str, bool] = {}

    def below(offset: str) -> bool:
        if offset not in known:
            known[offset] = offset in roots
            known[offset] |= any(below(parent) for parent in synsets[offset].hypernyms)
        return known[offset]

    return {offset for offset in synsets if below(offset)}


def describe(synset: Synset, word: str, synsets: dict[str, Synset]) -> str:
    """Return "word, a kind of parent: gloss"."""
    if not synset.hypernyms:
        return f"{word}: {synset.gloss}"
    return f"{word}, a kind of {synsets[synset.hypernyms[0]].words[0]}: {synset.gloss}"
