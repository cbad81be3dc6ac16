"""What was measured with the bundled model, and for which weights it counts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from clipcli.errors import ModelError
from clipcli.models.accuracy import ACCURACY_NAME, Accuracy, known_accuracy
from clipcli.models.folder import CONFIG_NAME, builtin_model_folder, claimed_fingerprint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(builtin_model_folder() / CONFIG_NAME, tmp_path)
    return tmp_path


def write(folder: Path, data: object) -> None:
    (folder / ACCURACY_NAME).write_text(json.dumps(data), encoding="utf-8")


def test_figures_count_for_the_weights_that_they_were_measured_with(folder: Path) -> None:
    sets = {"animals": {"right": 0.5, "pictures": 1200, "labels": 7}}

    write(folder, {"fingerprint": claimed_fingerprint(folder), "sets": sets})
    assert known_accuracy(folder) == {"animals": Accuracy(0.5, 1200, 7)}
    assert known_accuracy(folder)["animals"].in_words() == (
        "right for 50% of 1,200 pictures of 7 labels"
    )

    write(folder, {"fingerprint": "of others", "sets": sets})
    assert known_accuracy(folder) == {}


@pytest.mark.parametrize("data", [[], {}, {"fingerprint": None, "sets": 3}])
def test_damaged_figures_are_one_clear_line(folder: Path, data: object) -> None:
    if isinstance(data, dict) and data:
        data["fingerprint"] = claimed_fingerprint(folder)
    write(folder, data)

    with pytest.raises(ModelError, match="figures make no sense"):
        known_accuracy(folder)


def test_without_a_file_nothing_is_known(folder: Path) -> None:
    assert known_accuracy(folder) == {}
