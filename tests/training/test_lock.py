"""A folder has one run at a time."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from clipcli.errors import OutputError, OutputExistsError
from clipcli.training.lock import NAME, locked

HOLD = (
    "import sys; from pathlib import Path; from clipcli.training.lock import locked\n"
    "with locked(Path(sys.argv[1])): print('in', flush=True); sys.stdin.read()"
)


@pytest.fixture
def other(tmp_path: Path) -> subprocess.Popen[str]:
    """Start another process that has the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "out")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "in\n"
    return process


def test_a_second_run_is_kept_out_until_the_first_is_killed(
    tmp_path: Path, other: subprocess.Popen[str]
) -> None:
    with (
        pytest.raises(OutputExistsError, match=f"another training .*{other.pid}"),
        locked(tmp_path / "out"),
    ):
        pass

    other.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
    other.communicate()
    with locked(tmp_path / "out"):
        left = (tmp_path / "out" / NAME).stat().st_size

    assert left > 0


def test_a_folder_is_free_again_after_a_run(tmp_path: Path) -> None:
    for _ in range(2):
        with locked(tmp_path / "new" / "out"):
            assert (tmp_path / "new" / "out" / NAME).exists()


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("", encoding="utf-8")

    with pytest.raises(OutputError, match="out: "), locked(tmp_path / "out"):
        pass
