"""The scripts in ``examples/``: each does its job, on names of any kind, and reads well."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from clipcli.models.folder import builtin_model_folder

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
SCRIPTS = sorted(path.name for path in EXAMPLES.glob("*.sh"))
AWKWARD = "new\nline 'and' \"quotes\" $HOME.jpg"

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="the examples are for a POSIX shell"),
    pytest.mark.skipif(not builtin_model_folder().exists(), reason="needs the bundled model"),
]

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def example(tmp_path: Path) -> Run:
    """Return a function that runs a script with our ``clipcli`` on its path."""
    shim = tmp_path / "bin" / "clipcli"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m clipcli "$@"\n', encoding="utf-8")
    shim.chmod(0o755)
    path = os.pathsep.join([str(shim.parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = ["sh", str(EXAMPLES / script), *map(str, arguments)]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    return run


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a folder with three photographs, one of an awkward name."""
    folder = tmp_path / "my photos"
    folder.mkdir()
    for name, copy in (("cat", AWKWARD), ("panda", "panda.jpg"), ("coffee", "coffee.jpg")):
        shutil.copy(EXAMPLES / "photos" / f"{name}.jpg", folder / copy)
    return folder


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_dump_is_tidied_and_comes_back(example: Run, photos: Path, tmp_path: Path) -> None:
    (photos / "panda.xmp").write_text("mine", encoding="utf-8")
    before = snapshot(photos)

    done = example("tidy_phone.sh", "my photos", "sorted", "--yes")
    after = snapshot(photos)
    undone = subprocess.run(
        [sys.executable, "-m", "clipcli", "undo", "--yes"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )

    assert (done.returncode, undone.returncode) == (0, 0), done.stderr
    assert after == {}
    assert "4 files, one a line" in done.stdout.replace("  ", "")
    assert snapshot(photos) == before


def test_a_build_fails_by_a_broken_file_and_passes_without(
    example: Run, photos: Path, tmp_path: Path
) -> None:
    for i, photo in enumerate(sorted(photos.iterdir())):
        folder = tmp_path / "set" / ("cat", "coffee", "panda")[i]
        folder.mkdir(parents=True)
        shutil.copy(photo, folder / photo.name)

    sound = example("audit_in_ci.sh", "set", "reports")
    (tmp_path / "set" / "cat" / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    broken = example("audit_in_ci.sh", "set", "reports")

    assert (sound.returncode, broken.returncode) == (0, 6), sound.stderr
    assert "cut.jpg" in (tmp_path / "reports" / "findings.csv").read_text(encoding="utf-8")
    assert (tmp_path / "reports" / "report.html").exists()


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="needs sqlite3")
def test_labels_go_into_a_database_and_are_replaced_there(
    example: Run, photos: Path, tmp_path: Path
) -> None:
    (photos / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0")

    first = example("csv_to_sqlite.sh", "my photos", "photos.db", "--labels", "demo")
    again = example("csv_to_sqlite.sh", "my photos", "photos.db", "--labels", "cat, o'dog; --")

    with sqlite3.connect(tmp_path / "photos.db") as database:
        rows = database.execute("SELECT path, status, label, probability, reason FROM pictures")
        told = {Path(path).name: rest for path, *rest in rows}
    assert (first.returncode, again.returncode) == (5, 5), first.stderr
    assert set(told) == {AWKWARD, "panda.jpg", "coffee.jpg", "cut.jpg"}
    assert told["cut.jpg"] == ["skipped", None, None, "truncated JPEG"]
    assert {told[name][1] for name in told} <= {"cat", "o'dog; --", None}
    assert isinstance(told["panda.jpg"][2], float)
    assert sum(int(line.split("\t")[0]) for line in again.stdout.splitlines()) == 4


def test_each_night_tells_what_is_new(example: Run, photos: Path, tmp_path: Path) -> None:
    first = example("nightly_watch.sh", "my photos", "state", "--labels", "demo")
    quiet = example("nightly_watch.sh", "my photos", "state", "--labels", "demo")
    Image.new("RGB", (40, 30), "green").save(photos / "new.png")
    (photos / "panda.jpg").unlink()
    later = example("nightly_watch.sh", "my photos", "state", "--labels", "demo")

    assert [run.returncode for run in (first, quiet, later)] == [0, 0, 0], first.stderr
    assert len(first.stdout.splitlines()) == 3
    assert quiet.stdout == ""
    (line,) = later.stdout.splitlines()
    assert line.split("\t")[0] == "my photos/new.png"
    assert not (tmp_path / "state" / "running").exists()


def test_a_night_without_pictures_is_told(example: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    done = example("nightly_watch.sh", "empty", "state")

    assert done.returncode == 3
    assert "no pictures found" in done.stderr
    assert not (tmp_path / "state" / "running").exists()


@pytest.mark.parametrize("script", SCRIPTS)
def test_without_arguments_a_script_says_how_it_is_used(script: str, example: Run) -> None:
    done = example(script)

    assert done.returncode != 0
    assert "usage" in done.stderr or "name the data set" in done.stderr


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_plain_and_executable(script: str) -> None:
    path = EXAMPLES / script
    lines = path.read_text(encoding="utf-8").splitlines()

    assert lines[0] == "#!/bin/sh"
    assert lines[1].startswith("# ")
    assert any("set -eu" in line for line in lines)
    assert max(map(len, lines)) <= 100
    assert os.access(path, os.X_OK)


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="needs shellcheck")
@pytest.mark.parametrize("script", SCRIPTS)
def test_shellcheck_is_content(script: str) -> None:
    done = subprocess.run(
        ["shellcheck", "-s", "sh", str(EXAMPLES / script)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "")
