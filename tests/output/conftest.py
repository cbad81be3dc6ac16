"""Results with names of all kinds, and outputs to write them to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from clipcli.labels.label_set import LabelSet
from clipcli.output.request import requested
from clipcli.output.results import FORMATS, Outputs
from clipcli.results import Classified, LabelScore, Provenance, Result, Skipped

LABELS = ("cat", "dog", "teapot")

# Each is a file name on some system, or a label in somebody's language.
AWKWARD = (
    "plain.jpg",
    "tab\there.jpg",
    "line\nbreak.jpg",
    "carriage\rreturn.jpg",
    "back\\slash\\n.jpg",
    'quote".jpg',
    "comma, and; semicolon.jpg",
    "[red]markup[/red].jpg",
    ":smiley:.jpg",
    "escape\x1b[31m.jpg",
    "bidi\u202egpj.exe",
    "separator\u2028.jpg",
    "\U0001f469\u200d\U0001f52c.jpg",  # a scientist: two characters and a joiner
    "naïve \u65e5\u672c\u8a9e.jpg",
    "=1+1.jpg",
    " blanks .jpg",
    "latin-\udce9.jpg",  # a byte that is not UTF-8, as Python keeps it
)


def classified(path: str, *scores: tuple[str, float], decision: str = "label") -> Classified:
    top = tuple(LabelScore(name, probability, probability / 4) for name, probability in scores)
    return Classified(path, top or (LabelScore("cat", 0.75, 0.25),), decision)  # type: ignore[arg-type]


@pytest.fixture
def results() -> list[Result]:
    return [
        classified("a.jpg", ("cat", 0.7), ("dog", 0.2), ("teapot", 0.1)),
        Skipped("b.jpg", "truncated JPEG"),
        classified("c.jpg", ("dog", 0.4), ("cat", 0.35), decision="below_threshold"),
        Classified(
            "d.jpg",
            (LabelScore("cat", 1e-7, -0.5),),
            "rejected",
            parents=(LabelScore("animal", 0.9, 0.3),),
        ),
    ]


@pytest.fixture
def provenance() -> Provenance:
    return Provenance(
        model="mini",
        fingerprint="ab" * 32,
        label_set="pets \udce9",
        label_set_hash="cd" * 32,
        templates=("a photo of a {}.",),
        device="cpu",
        precision="fp32",
        text_precision="fp32",
        exact=False,
        top_k=5,
        min_prob=0.0,
        probability_kind="softmax",
        logit_scale=100.0,
        versions={"clipcli": "0"},
        started="2026-01-01T00:00:00+00:00",
        finished="2026-01-01T00:00:01+00:00",
        counts={"ok": 3, "skipped": 1, "ignored": 0},
    )


def write_all(
    path: Path, results: Sequence[Result], provenance: Provenance, error: str | None = None
) -> Path:
    """Write results to a file, in the format of its ending."""
    request = requested(None, [path], FORMATS, overwrite=False)
    outputs = Outputs(request, LabelSet.from_names(LABELS), top_k=5, ranked=True)
    for result in results:
        outputs.write(result)
    outputs.finish(provenance, error)
    return path


def read_json_lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("utf-8").removesuffix("\n").split("\n")]
