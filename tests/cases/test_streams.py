"""Standard streams that are closed or full, and outputs that are no files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cases.conftest import PHOTOS
from tests.conftest import ROOT

CAT = str(PHOTOS / "cat.jpg")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="a POSIX shell closes the streams")


def shell(redirection: str, *arguments: str, buffered: bool = True) -> tuple[int, str, str]:
    """Run clipcli with a redirection of the shell's; return the exit code, output and notes."""
    command = '"$0" -m clipcli "$@" ' + redirection
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONUNBUFFERED", None)
    if not buffered:
        environment["PYTHONUNBUFFERED"] = "1"
    done = subprocess.run(
        ["/bin/sh", "-c", command, sys.executable, *arguments],
        capture_output=True,
        encoding="utf-8",
        env=environment,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_results_for_a_closed_output_are_an_error() -> None:
    # Before: 0, and the results were lost.
    code, _, said = shell(">&-", "classify", CAT, "--labels", "demo", "-q")

    assert code == 3
    assert "standard output: closed" in said


def test_a_closed_output_is_none_where_nothing_is_written_to_it(tmp_path: Path) -> None:
    target = tmp_path / "r.csv"

    code, _, _ = shell(">&-", "classify", CAT, "--labels", "demo", "-q", "-o", str(target))

    assert code == 0
    assert "cat.jpg" in target.read_text(encoding="utf-8")


def test_nothing_but_results_gets_into_a_file_when_all_streams_are_closed(tmp_path: Path) -> None:
    # Before: the file was opened as number 2, where libraries write their messages.
    target = tmp_path / "r.jsonl"
    script = (
        "from clipcli.standard_streams import secure; secure()\n"
        f"file = open({str(target)!r}, 'wb')\n"
        "import os; os.write(1, b'native text'); os.write(2, b'native text')\n"
        "print(file.fileno(), file=file.raw if False else open(os.devnull, 'w'))\n"
        "file.write(str(file.fileno()).encode()); file.close()\n"
    )

    command = '"$0" -c "$1" <&- >&- 2>&-'
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run(["/bin/sh", "-c", command, sys.executable, script], env=environment, check=True)

    assert int(target.read_text(encoding="utf-8")) > 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("buffered", [True, False])
def test_a_full_standard_error_does_not_spoil_a_good_run(buffered: bool) -> None:
    code, out, _ = shell(
        "2>/dev/full", "classify", CAT, "--labels", "demo", "-v", "--top-k", "1", buffered=buffered
    )

    assert code == 0
    assert out.split("\t")[1] == "cat"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("buffered", [True, False])
def test_a_full_standard_output_is_told_once(buffered: bool) -> None:
    code, _, said = shell(
        ">/dev/full", "classify", CAT, "--labels", "demo", "-q", buffered=buffered
    )

    assert code == 3
    assert said.startswith("clipcli: standard output: could not be written")
    assert said.count("\n") == 1


def test_a_named_pipe_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    # Before: it was, and whoever read from it waited for ever.
    pipe = tmp_path / "out.csv"
    os.mkfifo(pipe)

    code, _, said = shell("", "classify", CAT, "--labels", "demo", "-o", str(pipe), "--overwrite")

    assert code == 3
    assert f"{pipe}: a named pipe, not a file" in said
    assert pipe.is_fifo()


def test_a_device_is_not_replaced_by_a_file() -> None:
    code, _, said = shell(
        "", "classify", CAT, "--labels", "demo", "-o", "/dev/null", "--format", "tsv", "--overwrite"
    )

    assert code in (2, 3)  # its ending says no format
    assert Path("/dev/null").is_char_device()
    assert "Traceback" not in said


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes")
def test_names_that_are_not_utf_8_stay_apart_in_csv(tmp_path: Path) -> None:
    # Before: both were "caf\ufffd.jpg", and diff refused the file.
    for name, photo in ((b"caf\xe9.jpg", "cat.jpg"), (b"caf\xe8.jpg", "cow.jpg")):
        content = (PHOTOS / photo).read_bytes()
        with open(os.fsencode(tmp_path) + b"/" + name, "wb") as file:  # noqa: PTH123 - of bytes
            file.write(content)
    target = tmp_path / "r.csv"

    shell("", "classify", str(tmp_path), "--labels", "demo", "-q", "-o", str(target))
    code, _, _ = shell("", "diff", str(target), str(target))

    text = target.read_text(encoding="utf-8")
    assert "caf\\xe9.jpg,ok,cat" in text
    assert "caf\\xe8.jpg,ok,cow" in text
    assert code == 0
