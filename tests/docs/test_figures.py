"""Figures of the bundled model in running text are those of its card."""

from __future__ import annotations

import re

from tests.docs.blocks import ROOT

CARD = ROOT / "clipcli" / "assets" / "mini" / "MODEL_CARD.md"
SETS = {
    "MiniPlaces": "MiniPlaces val",
    "CIFAR-10": "CIFAR-10, enlarged",
    "Intel scenes": "Intel scenes",
    "cats and dogs": "cats and dogs",
    "weather": "weather",
    "Caltech-101": "Caltech-101",
    "30 musical instruments": "30 instruments",
}
QUOTED = {"cats against dogs": "cats and dogs", "scenes of MiniPlaces": "MiniPlaces"}


def of_card() -> dict[str, list[float]]:
    """Return each set's top-1 by the card's table, in percent: this version's, the last one's."""
    rows = re.findall(
        r"^\| ([^|]+) \| \d+ \| [\d,]+ \| ([\d.]+) \(.*?\) \| ([\d.]+) \(.*?\) \|$",
        CARD.read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    return {name: [float(this), float(last)] for name, last, this in rows}


def test_the_table_of_mini_is_its_cards() -> None:
    text = (ROOT / "docs" / "mini.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\| ([^|]+) \| \d+ \| (\d+) % \| (\d+) %[^|]* \|$", text, re.MULTILINE)

    assert {name for name, *_ in shown} == set(SETS)
    for name, *figures in shown:
        for figure, measured in zip(figures, of_card()[SETS[name]], strict=True):
            assert abs(float(figure) - measured) <= 0.5, name


def test_the_readme_quotes_the_card() -> None:
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    quoted = re.findall(
        r"(\d+) % on (?:the \d+ )?(cats against dogs|CIFAR-10|scenes of MiniPlaces)", text
    )

    assert len(quoted) == 3
    for figure, name in quoted:
        this, _ = of_card()[SETS[QUOTED.get(name, name)]]
        assert abs(float(figure) - this) <= 0.5, name
