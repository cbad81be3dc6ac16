"""``--compare``: what a rival's settings are read from."""

from __future__ import annotations

import pytest

from clipcli.errors import UsageError
from clipcli.workflows.evaluation.variants import ClassifierSettings, parse_variant

FIRST = ClassifierSettings(model="mini", labels="cat,dog", templates="photo")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("templates=plain", ClassifierSettings("mini", "cat,dog", "plain")),
        (" labels = cat, dog | puppy ", ClassifierSettings("mini", "cat, dog | puppy", "photo")),
        ("model=B; templates=sketch,art", ClassifierSettings("B", "cat,dog", "sketch,art")),
        ("model=B;labels=a,b ;templates={} = {}", ClassifierSettings("B", "a,b", "{} = {}")),
        ("templates=a {}; big. | a {}", ClassifierSettings("mini", "cat,dog", "a {}; big. | a {}")),
    ],
)
def test_a_rival_differs_in_what_is_named(text: str, expected: ClassifierSettings) -> None:
    variant = parse_variant(text, FIRST)

    assert variant.settings == expected
    assert variant.name == text.strip()


@pytest.mark.parametrize(
    "text", ["", "plain", "size=3", "model", "model=", "=x", "model=a; model=b"]
)
def test_what_cannot_be_read_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="--compare"):
        parse_variant(text, FIRST)
