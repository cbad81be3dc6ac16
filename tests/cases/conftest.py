"""What the cases share: photographs, and the bundled model's answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from clipcli.cli.app import run

PHOTOS = Path(__file__).parent.parent.parent / "examples" / "photos"


@pytest.fixture
def answers(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, str]]:
    """Return a function that classifies a folder and returns each file's label."""

    def classify(folder: Path, *options: str) -> dict[str, str]:
        run(["classify", str(folder), "--labels", "demo", "-q", "--format", "tsv", *options])
        lines = capsys.readouterr().out.splitlines()
        cells = [line.split("\t") for line in lines]
        return {Path(path).name: label for path, label, _ in cells}

    return classify
