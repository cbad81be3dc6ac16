"""A thousand pictures, twenty of them broken: a record each, and memory that stays where it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.broken_pictures import photo, write_broken_pictures
from tests.conftest import ROOT

N_BROKEN = 20
# Peak memory also holds what a run needs anyway (Python, torch, the model): a leak of whole
# pictures, 0.2 MB each when they are decoded, would be far above this.
ALLOWED_GROWTH = 1.15

PROGRAM = """
import resource, sys
from clipcli.cli.app import run
code = run(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


class Finished(NamedTuple):
    code: int
    records: list[dict[str, object]]
    peak: int  # in the system's unit: only ever compared


def fill(folder: Path, n: int) -> list[str]:
    """Write n pictures and return their paths; every fiftieth is broken, each another way."""
    whole = folder / "whole.jpg"
    folder.mkdir()
    photo(300, 200).save(whole)
    broken = sorted(write_broken_pictures(folder / "broken"))
    step = len(broken) / N_BROKEN
    chosen = [broken[int(i * step)] for i in range(N_BROKEN)]
    paths = []
    for i in range(n):
        path = folder / f"{i:04}.jpg"
        content = chosen[i // 50 % N_BROKEN] if i % 50 == 7 else whole
        path.write_bytes(content.read_bytes())
        paths.append(str(path))
    return paths


def classify(paths: list[str], folder: Path, model: Path) -> Finished:
    listed = folder / f"{len(paths)}.txt"
    listed.write_text("\n".join(paths), encoding="utf-8")
    arguments = ["classify", "--from-file", listed, "--labels", "cat,dog", "--model", model]
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, arguments), "--format", "jsonl", "--quiet"],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    records = [json.loads(line) for line in finished.stdout.splitlines()]
    return Finished(finished.returncode, records, int(finished.stderr.split()[-1]))


@pytest.mark.skipif(os.name != "posix", reason="peak memory is told by POSIX")
def test_a_thousand_pictures_of_which_twenty_are_broken(
    tmp_path: Path, tiny_model_folder: Path
) -> None:
    paths = fill(tmp_path / "pictures", 1000)

    few = classify(paths[:100], tmp_path, tiny_model_folder)
    many = classify(paths, tmp_path, tiny_model_folder)

    skipped = [i for i, record in enumerate(many.records) if record["status"] == "skipped"]
    assert (few.code, many.code) == (5, 5)
    assert [record["path"] for record in many.records] == paths
    assert skipped == list(range(7, 1000, 50))
    assert len({many.records[i]["reason"] for i in skipped}) > N_BROKEN / 2
    assert many.peak <= few.peak * ALLOWED_GROWTH, (few.peak, many.peak)
