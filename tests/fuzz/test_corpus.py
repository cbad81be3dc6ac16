"""What has ever failed is read within bounds, and mutants of today's whole files as well."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.bounded import in_bounds
from tests.fuzz.readers import READERS, Reader, prepare
from tests.fuzz.run import CORPUS, Tally, fuzz

N_CASES = 12  # of each reader, in every run of the tests; `make fuzz` reads many more
MOST_BYTES = 500_000  # of the corpus


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz")
    prepare(folder)
    return folder


@pytest.mark.parametrize("reader", READERS, ids=[reader.name for reader in READERS])
def test_what_has_failed_is_read_within_bounds(reader: Reader, folder: Path) -> None:
    outcomes = {
        str(path.relative_to(CORPUS)): in_bounds(reader.read, copy)
        for path in sorted((CORPUS / reader.name).glob("*/*"))
        if (copy := _copied(path, folder))
    }

    assert {name: outcome for name, outcome in outcomes.items() if not outcome.is_good} == {}


def _copied(path: Path, folder: Path) -> Path:
    """Return a copy: a journal is written to when it is read."""
    copy = folder / path.name
    copy.write_bytes(path.read_bytes())
    return copy


@pytest.mark.parametrize("reader", READERS, ids=[reader.name for reader in READERS])
def test_mutants_are_read_within_bounds(reader: Reader, folder: Path) -> None:
    tally = Tally()

    fuzz(reader, N_CASES, 1, folder, tally)

    assert tally.kinds.total() >= N_CASES / 2
    assert tally.failures == []


def test_whole_files_are_read_or_refused_in_a_line(folder: Path) -> None:
    for reader in READERS:
        for name, content in reader.seeds():
            path = folder / name
            path.write_bytes(content)
            assert in_bounds(reader.read, path).is_good, (reader.name, name)


def test_the_corpus_is_small() -> None:
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < MOST_BYTES
