"""Know what the pictures' classes are called, and which concepts are true of them.

`concepts.json` holds concepts and, for many classes, the list of all that is true of a picture of
that class: its own concept first, then what that is a kind of. `names.yaml` adds everyday names,
and says what is known of classes that have no concept of their own.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

Record = dict[str, Any]  # a mapping as YAML has it
LONGEST_NAME = 3  # words in a concept's name that are looked for in sentences
GENDERS = {"men": "men's", "women": "women's", "boys": "boys'", "girls": "girls'"}
PLURALS = re.compile(
    r"\b(shirt|top|belt|wallet|handbag|tie|kurta|jersey|skirt|bag|cap|backpack|watch(?=es)|"
    r"dress(?=es)|sweater|jacket|sweatshirt|tunic|bracelet|kurti|bra|clutch(?=es))(es|s)$"
)


class Concepts:
    """The concepts of `concepts.json`, and which of them imply which others."""

    def __init__(self, path: Path) -> None:
        content = json.loads(path.read_text(encoding="utf-8"))
        self.names: list[list[str]] = [node["names"] for node in content["nodes"]]
        self.classes: dict[str, list[int]] = {
            entry["key"]: entry["true_nodes"] for entry in content["classes"]
        }
        self.wordnet_classes = {
            self.names[nodes[0]][0]: key
            for key, nodes in self.classes.items()
            if re.fullmatch(r"n\d{8}", key)
        }
        self._by_name: dict[str, list[int]] = defaultdict(list)
        for number, names in enumerate(self.names):
            for name in names:
                self._by_name[name.casefold()].append(number)
        self._own = {nodes[0]: nodes for nodes in self.classes.values()}
        self._implied: dict[int, list[int]] = {}

    def with_ancestors(self, node: int) -> list[int]:
        """Return a concept and all it is a kind of, the concept itself first."""
        if node not in self._implied:
            self._implied[node] = self._own.get(node) or [node, *self._ancestors(node)]
        return self._implied[node]

    def _ancestors(self, node: int) -> list[int]:
        """Work out what a concept without a class of its own is a kind of."""
        # A concept implies the others of every class that it is true of. What is true of these
        # classes and no more, like an only child, is implied where it is listed later.
        having = [nodes for nodes in self.classes.values() if node in nodes]
        shared = set.intersection(*map(set, having)) - {node} if having else set()
        return [
            other
            for other in (having[0] if having else [])
            if other in shared
            and (
                sum(other in nodes for nodes in self.classes.values()) > len(having)
                or having[0].index(other) > having[0].index(node)
            )
        ]

    def find(self, name: str | int) -> list[int]:
        """Return what is true of a class key, a concept's name or a concept's number."""
        if isinstance(name, int):
            return self.with_ancestors(name)
        if name in self.classes:
            return self.classes[name]
        found = self._by_name[name.casefold()]
        if not found:
            raise SystemExit(f"{name}: no such concept")
        first_names = [n for n in found if self.names[n][0].casefold() == name.casefold()]
        return self.with_ancestors((first_names or found)[0])

    def mentioned(self, sentence: str) -> list[int]:
        """Return every concept that a sentence mentions, and what those imply."""
        nodes = set()
        for phrase in phrases(sentence):
            for node in self._by_name.get(phrase, ()):
                nodes.update(self.with_ancestors(node))
        return sorted(nodes)


class Names:
    """Captions and concepts for each picture; collects in `kinds` what captions imply."""

    def __init__(self, sections: Record, concepts: Concepts, section_of: dict[str, str]) -> None:
        self.sections = sections
        self.concepts = concepts
        self.section_of = section_of
        self.kinds: dict[str, list[int]] = {}
        self._known: dict[tuple[str, tuple[str, ...]], tuple[list[str], list[int]]] = {}

    @classmethod
    def load(cls, folder: Path, sources: list[Record]) -> Names:
        """Read `names.yaml` and `concepts.json` in a folder."""
        sections = yaml.safe_load((folder / "names.yaml").read_text(encoding="utf-8"))
        section_of = {str(s["name"]): str(s.get("names", s["name"])) for s in sources}
        return cls(sections, Concepts(folder / "concepts.json"), section_of)

    def describe(self, source: str, labels: tuple[str, ...]) -> tuple[list[str], list[int]]:
        """Return a picture's captions, and its concepts with its own first (or none)."""
        key = (source, labels)
        if key not in self._known:
            section = self.sections[self.section_of[source]]
            captions = unique(c for label in labels for c in captions_of(section, label))
            own = self.own_concepts(self.section_of[source], section, labels[0])
            if not own:
                self.note_kinds(section, labels, captions)
            self._known[key] = captions, own
        return self._known[key]

    def own_concepts(self, section_name: str, section: Record, label: str) -> list[int]:
        """Return what is true of a class that is a concept itself; nothing for others."""
        if section.get("sentences"):
            return []
        if section_name == "imagenet":
            return self.concepts.classes[self.concepts.wordnet_classes[label]]
        explicit = section.get("concepts", {}).get(label)
        if explicit is None and label.casefold() not in self.concepts.classes:
            return []
        own = self.concepts.find(explicit or label.casefold())
        return unique([*own, *self.listed_kinds(section, label)])

    def listed_kinds(self, section: Record, label: str) -> list[int]:
        """Return what `names.yaml` lists as true of a label, and what that implies."""
        listed = [*section.get("kinds", {}).get(label, ()), *section.get("kinds_of_all", ())]
        return unique(node for name in listed for node in self.concepts.find(name))

    def note_kinds(self, section: Record, labels: tuple[str, ...], captions: list[str]) -> None:
        """Remember what is true of a caption that has no concept of its own."""
        nodes = self.listed_kinds(section, labels[0])
        if section.get("sentences"):
            nodes = unique([*nodes, *self.concepts.mentioned(" . ".join(labels))])
        if nodes:
            self.kinds[captions[0]] = unique([*self.kinds.get(captions[0], ()), *nodes])


def captions_of(section: Record, label: str) -> Iterator[str]:
    """Yield the names of a label, its own first."""
    usual = label.lower() if section.get("lowercase") else label
    text = section.get("captions", {}).get(label, usual)
    if "colours" in section:
        yield plain(product_caption(label, section["colours"], section["shades"]))
        text = label.lower()
    yield from (plain(name) for name in text.split(" | "))
    if "cut" in section:
        yield plain(re.sub(section["cut"], "", label))
    for template in section.get("also", ()):
        name = plain(text.split(" | ", maxsplit=1)[0])
        if not name.endswith(template.replace("{}", "").strip()):
            yield template.replace("{}", name)


def product_caption(label: str, colours: list[str], shades: list[str]) -> str:
    """Shorten a shop's product name to whose, what colour and what: `men's navy blue shirt`."""
    words = [word for word in label.lower().split() if not any(map(str.isdigit, word))]
    coloured = [place for place, word in enumerate(words) if word in colours]
    if not coloured or coloured[-1] == len(words) - 1:
        return label.lower()
    start = coloured[-1]
    while start > 0 and words[start - 1] in [*shades, *colours]:
        start -= 1
    what = re.sub(r"\btshirt", "t-shirt", " ".join(words[start:]))
    whose = next((GENDERS[word] for word in words[:start] if word in GENDERS), "")
    singular = PLURALS.sub(r"\1", what)
    return f"{whose} {singular}".strip()


def phrases(sentence: str) -> Iterator[str]:
    """Yield the words of a sentence and short runs of them, plurals also without their ending."""
    words = re.findall(r"[a-z'-]+|[.,]", sentence.casefold())
    for start in range(len(words)):
        for stop in range(start + 1, min(start + LONGEST_NAME, len(words)) + 1):
            phrase = " ".join(words[start:stop])
            yield phrase
            for ending in ("es", "s"):
                yield phrase.removesuffix(ending)


def plain(text: str) -> str:
    """Tidy spaces, and take out the characters that separate fields in the tables."""
    return " ".join(text.replace("|", "/").split())


def unique(items: Iterable[Any]) -> list[Any]:
    """Drop repeats, keeping the order."""
    return list(dict.fromkeys(items))
