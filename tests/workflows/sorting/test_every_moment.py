"""The tests of ``every_moment`` in a process of their own, which forks a thousand times.

One that has loaded torch and all other tests takes five times as long for that.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

CASES = Path(__file__).with_name("every_moment.py")
N_CASES = 17


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a fork")
def test_a_sort_and_its_undo_may_die_at_any_moment() -> None:
    run_apart(CASES, N_CASES)


def run_apart(cases: Path, n_cases: int) -> None:
    """Run the tests of a file in a process of their own; so many must pass."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(cases)]
    mine = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}

    finished = subprocess.run(
        command, cwd=ROOT, env=mine, capture_output=True, text=True, timeout=600, check=False
    )

    assert finished.returncode == 0, finished.stdout[-5000:]
    assert f"{n_cases} passed" in finished.stdout
