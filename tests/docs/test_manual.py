"""docs/clipcli.1 is current, and roff reads it without a complaint."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from tests.docs.manual import EXIT_CODES, PAGE, manual


def test_the_manual_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == manual(), "renew it: make docs"


def test_every_exit_code_of_the_program_is_in_it() -> None:
    from clipcli.errors import ExitCode

    assert {code for code, _ in EXIT_CODES} >= {int(code) for code in ExitCode}


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_roff_reads_it_without_a_complaint() -> None:
    command = ["groff", "-man", "-Tutf8", "-ww", "-K", "utf8", str(PAGE)]

    finished = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)

    shown = re.sub("\x1b\\[[0-9;]*m|.\x08", "", finished.stdout)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "clipcli classify photos/ --labels animals" in shown
    assert "--top-k N" in shown
