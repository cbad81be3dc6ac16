"""What exiftool reads of what ``tag`` wrote; needs exiftool."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from clipcli.workflows.tagging.containers import embedded
from clipcli.workflows.tagging.keywords import EMPTY, Keyword, with_keywords
from tests.workflows.tagging.samples import WRITTEN

EXIFTOOL = os.environ.get("CLIPCLI_EXIFTOOL") or shutil.which("exiftool")
KEYWORDS = [Keyword("cat", "animal"), Keyword("rock & roll")]
READ = ["animal;cat;rock & roll", "animal|cat;rock & roll", "animal/cat;rock & roll"]
OURS = "dc:Subject|lr:HierarchicalSubject|digiKam:TagsList|clipcli:[A-Za-z]+"

pytestmark = pytest.mark.skipif(EXIFTOOL is None, reason="exiftool is not installed")


def exiftool(*arguments: object) -> str:
    assert EXIFTOOL is not None
    command = [EXIFTOOL, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=True, encoding="utf-8").stdout


def keywords(path: Path) -> list[str]:
    names = ("XMP-dc:Subject", "XMP-lr:HierarchicalSubject", "XMP-digiKam:TagsList")
    return exiftool("-s3", "-sep", ";", *(f"-{name}" for name in names), path).splitlines()


def foreign(path: Path) -> list[str]:
    """Return all that exiftool reads of a file, without keywords and without the file's own."""
    dump = exiftool("-X", "-a", path)
    dump = re.sub(rf"<XMP-({OURS})>.*?</XMP-\1>", "", dump, flags=re.DOTALL)
    lines = (re.sub(r"\s*xmlns:\S+='[^']*'", "", line).strip() for line in dump.splitlines())
    return [line for line in lines if line and not re.match(r"<System:|<File:|rdf:about", line)]


def test_a_new_sidecar_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg.xmp"
    path.write_bytes(with_keywords(EMPTY, KEYWORDS))

    assert keywords(path) == READ
    assert exiftool("-validate", "-warning", path).count("Warning") == 0


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_pictures_with_keywords_inside_are_read(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    Image.new("RGB", (32, 24), "red").save(path)

    path.write_bytes(embedded(path.read_bytes(), lambda p: with_keywords(p or EMPTY, KEYWORDS)))

    assert keywords(path) == READ
    assert "Warning" not in exiftool("-validate", "-warning", path)


@pytest.mark.parametrize("name", sorted(WRITTEN))
def test_sidecars_of_others_keep_every_foreign_field(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.xmp"
    path.write_bytes(WRITTEN[name].encode())
    before = foreign(path)

    path.write_bytes(with_keywords(WRITTEN[name].encode(), KEYWORDS))

    assert foreign(path) == before
    assert len(before) >= 3
    assert all("cat" in line.casefold() for line in keywords(path))
