"""The bundled model's fingerprint is known from the hash of its files, and only from that."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from clipcli.models.fingerprint import compute_fingerprint, shipped_fingerprint
from clipcli.models.folder import builtin_model_folder, open_model_folder

RENEW = "renew it: python -m clipcli.pipeline.ship_rows"


def test_what_is_shipped_is_the_fingerprint_of_the_files() -> None:
    folder = open_model_folder(builtin_model_folder())

    assert shipped_fingerprint(folder) == compute_fingerprint(folder), RENEW


@pytest.mark.parametrize("name", ["model.safetensors", "merges.txt"])
def test_other_files_do_not_have_the_shipped_fingerprint(name: str, tmp_path: Path) -> None:
    shutil.copytree(builtin_model_folder(), tmp_path / "mini")
    folder = open_model_folder(tmp_path / "mini")
    content = bytearray((folder.path / name).read_bytes())
    content[-1] ^= 1  # a weight of another value, a merge of other letters
    (folder.path / name).write_bytes(content)

    assert shipped_fingerprint(folder) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": null, "fingerprint": "f"}'])
def test_a_damaged_file_of_what_is_shipped_says_nothing(text: str, tmp_path: Path) -> None:
    shutil.copytree(builtin_model_folder(), tmp_path / "mini")
    (tmp_path / "mini" / "shipped.json").write_text(text, "utf-8")

    assert shipped_fingerprint(open_model_folder(tmp_path / "mini")) is None


def test_another_folder_is_not_believed(tmp_path: Path) -> None:
    shutil.copytree(builtin_model_folder(), tmp_path / "mini")
    claim = (tmp_path / "mini" / "shipped.json").read_text("utf-8")
    true = open_model_folder(builtin_model_folder()).config.fingerprint
    (tmp_path / "mini" / "shipped.json").write_text(claim.replace(true, "f" * 64), "utf-8")

    assert open_model_folder(tmp_path / "mini").config.fingerprint == true
