"""Every hostile file in a line: who reads it, what it did once, and what it comes to now."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.fuzz.bounded import in_bounds
from tests.fuzz.hostile import hostile_files
from tests.fuzz.readers import READERS, prepare

MORE_BYTES = 100 * 2**20
SECONDS = 1.0
SPARSE_BYTES = 200 * 2**20


class Row(NamedTuple):
    """A file, its reader, what it did before its bound, and what is said of it now."""

    file: str
    reader: str
    before: str
    now: str


NO_SENSE, ARCHIVE = "its pickle makes no sense", "truncated or damaged archive"
NO_RESULT, HEADER = "is no result of clipcli", "damaged: its header"
TABLE = (
    Row("bytearray8.pt", "torch", "took 20 GB", NO_SENSE),
    Row("doubling_text.pt", "torch", "took all memory", "holds no state dict"),
    Row("nested_key.pt", "torch", "hashed for ever", NO_SENSE),
    Row("module_graph.pt", "torch", "was visited 2^60 times", ""),
    Row("build_after_check.pt", "torch", "read beyond its storage", NO_SENSE),
    Row("byteorder_bomb.pt", "torch", "was read without a bound", ARCHIVE),
    Row("encrypted.pt", "torch", "RuntimeError", ARCHIVE),
    Row("deep.safetensors", "safetensors", "RecursionError", HEADER),
    Row("deep_metadata.safetensors", "safetensors", "RecursionError", HEADER),
    Row("infinite.safetensors", "safetensors", "OverflowError", HEADER),
    Row("negative.safetensors", "safetensors", "was read as a tensor", HEADER),
    Row("fraction.safetensors", "safetensors", "was rounded", HEADER),
    Row("digits.safetensors", "safetensors", "ValueError of int()", HEADER),
    Row("twice.safetensors", "safetensors", "the second counted", 'key "a" appears twice'),
    Row("tile.tif", "pictures", "took 932 MB", "tiles of 30000 x 30000 pixels"),
    Row("scans.jpg", "pictures", "30 s", "JPEG of more than"),
    Row("comments.ppm", "pictures", "30 s", "more than 1,000 comments"),
    Row("sparse_big.tif", "pictures", "30 s", "a directory of 1,099,511,627,776 tags"),
    Row("deep.jsonl", "results", "RecursionError", NO_RESULT),
    Row("label_number.jsonl", "results", "TypeError, later", NO_RESULT),
    Row("path_list.jsonl", "results", "TypeError", NO_RESULT),
    Row("huge.jsonl", "results", "infinity", NO_RESULT),
    Row("digits.jsonl", "results", "ValueError of int()", NO_RESULT),
    Row("surrogate.jsonl", "results", "UnicodeEncodeError, later", NO_RESULT),
    Row("provenance_null.json", "results", "TypeError", NO_RESULT),
    Row("long_cell.csv", "results", "csv.Error", NO_RESULT),
    Row("combining.txt", "labels", "20 s", "a label of 100,001 characters"),
    Row("caption_0.tar", "tar", "TypeError", "expected an object with a caption"),
    Row("caption_1.tar", "tar", "was searched as a text", "expected an object with a caption"),
    Row("caption_2.tar", "tar", "TypeError", "expected an object with a caption"),
    Row("caption_3.tar", "tar", "RecursionError", "items"),
    Row("sparse_caption.tar", "tar", "took 6 GB", "0.jpg|have no caption|not a whole tar"),
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    prepare(tmp_path_factory.mktemp("whole"))
    for name, content in hostile_files().items():
        (folder / name).write_bytes(content)
    with (folder / "sparse_big.tif").open("r+b") as file:
        file.truncate(SPARSE_BYTES)
    return folder


def test_the_table_has_every_file() -> None:
    assert [row.file for row in TABLE] == list(dict.fromkeys(row.file for row in TABLE))
    assert {row.file for row in TABLE} == set(hostile_files())


@pytest.mark.parametrize("row", TABLE, ids=[row.file for row in TABLE])
def test_a_hostile_file_is_a_line_within_a_second_and_100_mb(row: Row, files: Path) -> None:
    reader = next(reader for reader in READERS if reader.name == row.reader)

    outcome = in_bounds(reader.read, files / row.file)

    assert outcome.kind == ("refused" if row.now else "read"), outcome
    assert any(words in outcome.words for words in row.now.split("|")), outcome
    assert "\n" not in outcome.words
    assert outcome.seconds <= SECONDS
    assert outcome.more_bytes <= MORE_BYTES
