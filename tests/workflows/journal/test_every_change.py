"""The tests of ``every_change`` in a process of their own, which forks a thousand times."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.workflows.sorting.test_every_moment import run_apart

CASES = Path(__file__).with_name("every_change.py")
N_CASES = 17


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a fork")
def test_changes_and_their_undo_may_die_at_any_moment() -> None:
    run_apart(CASES, N_CASES)
