"""Figures of the bundled model in running text are those of its card."""

from __future__ import annotations

import re

from tests.docs.blocks import ROOT

CARD = ROOT / "clipcli" / "assets" / "mini" / "MODEL_CARD.md"
SETS = {
    "Tiny-ImageNet": "tiny_val",
    "MiniPlaces": "places_val",
    "CIFAR-10": "cifar10",
    "Intel scenes": "intel",
    "cats and dogs": "cats_dogs",
    "cats against dogs": "cats_dogs",
    "weather": "weather",
}


def of_card() -> dict[str, float]:
    """Return each set's top-1 by the card's table, in percent, with the default templates."""
    text = CARD.read_text(encoding="utf-8")
    header = next(line for line in text.splitlines() if "| seven templates |" in line)
    column = [cell.strip() for cell in header.split("|")].index("seven templates")
    rows = [[cell.strip() for cell in line.split("|")] for line in text.splitlines()]
    return {
        row[1]: float(row[column].split()[0])
        for row in rows
        if row[1:2] and row[1] in SETS.values()
    }


def test_the_table_of_mini_is_its_cards() -> None:
    text = (ROOT / "docs" / "mini.md").read_text(encoding="utf-8")
    shown = {
        name: float(figure)
        for name, figure in re.findall(r"^\| ([^|]+) \| \d+ \| (\d+) % \|$", text, re.MULTILINE)
    }

    assert len(shown) == 6
    assert {
        name: abs(figure - of_card()[SETS[name]]) <= 0.5 for name, figure in shown.items()
    } == dict.fromkeys(shown, True)


def test_the_readme_quotes_the_card() -> None:
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    quoted = re.findall(
        r"(\d+) % on (?:the \d+ classes of )?(cats against dogs|CIFAR-10|Tiny-ImageNet)", text
    )

    assert len(quoted) == 3
    for figure, name in quoted:
        assert abs(float(figure) - of_card()[SETS[name]]) <= 0.5, name
