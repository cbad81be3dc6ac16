"""``clipcli watch`` as a user meets it: each picture once, whatever happens in between."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clipcli.cli.app import run
from clipcli.errors import InputError
from clipcli.workflows.watch.events import changes_in
from clipcli.workflows.watch.settling import Settling, WatchedFolder, settled
from tests.conftest import ROOT
from tests.fakes import FakeEncoder

pytest.importorskip("watchfiles")

LABELS = ("--labels", "red,green,blue", "--templates", "plain")
QUICK = ("--settle", "0.05", "--once")
SETTLE_S = 0.4
CHILD = """
import sys
sys.path.insert(0, {root!r})
from clipcli.encoder import encoder
from tests.fakes import FakeEncoder
encoder.load_encoder = lambda *_: FakeEncoder()
from clipcli import __main__
__main__.main()
"""
Watch = Callable[..., int]


@pytest.fixture
def watch(fake_model: FakeEncoder) -> Watch:
    return lambda *arguments: run(["watch", *map(str, arguments)])


def contents(folder: Path) -> Counter[str]:
    """Return how often each content lies in a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return Counter(sha256(path.read_bytes()).hexdigest() for path in files)


def test_pictures_go_where_their_labels_say_once(
    watch: Watch, pictures: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    goal = tmp_path / "goal"

    first = watch(pictures, *LABELS, "--into", goal, *QUICK)
    out = capfd.readouterr().out
    (pictures / "red.png").rename(pictures / "renamed.png")
    second = watch(pictures, *LABELS, "--into", goal, *QUICK)

    assert (first, second) == (0, 0)
    assert sorted(out.splitlines()) == [
        f"{name}.png\t{Path(name, f'{name}.png')}" for name in ("blue", "green", "red")
    ]
    assert capfd.readouterr().out == ""
    assert contents(goal) == contents(pictures)


def test_a_picture_takes_its_companions_along_and_they_come_back(
    watch: Watch, pictures: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("red.dng", "red.mov", "red.png.xmp", "alone.mov"):
        (pictures / name).write_bytes(name.encode())
    goal, before = tmp_path / "goal", contents(pictures)

    code = watch(pictures, *LABELS, "--into", goal, "--move", "--rename", "{label}-{name}", *QUICK)
    moved = sorted(path.name for path in (goal / "red").iterdir())
    told = capfd.readouterr().err
    undone = run(["undo", "--yes"])

    assert code == undone == 0
    assert moved == ["red-red.dng", "red-red.mov", "red-red.png", "red-red.png.xmp"]
    assert "3 pictures with 3 companions moved" in told
    assert contents(pictures) == before


def test_unsure_pictures_stay_and_are_counted_unless_they_have_a_folder(
    watch: Watch, pictures: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (pictures / "a").mkdir()
    (pictures / "red.png").rename(pictures / "a" / "red.png")
    unsure = ("--min-prob", "1", *QUICK)

    watch(pictures, *LABELS, "--into", tmp_path / "one", "--copy", *unsure)
    told = capfd.readouterr().err
    watch(pictures, *LABELS, "--into", tmp_path / "two", "--copy", "--unsure", "later", *unsure)

    assert "0 pictures copied, 3 unsure left in place" in told
    assert not (tmp_path / "one").exists()
    assert sorted(
        p.relative_to(tmp_path).as_posix() for p in (tmp_path / "two").rglob("*.png")
    ) == [
        "two/later/a/red.png",
        "two/later/blue.png",
        "two/later/green.png",
    ]


def test_a_program_is_told_a_label_however_unsure(
    watch: Watch, pictures: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    many = ("--labels", "red,der,green,blue", "--templates", "plain")  # of the same letters

    watch(pictures, *many, "--exec", "true {label}", *QUICK)
    watch(pictures, *many, "--exec", "echo", "--min-prob", "1", "--unsure", "none", *QUICK)

    lines = capfd.readouterr().out.splitlines()
    assert [line.split("\t")[1] for line in lines if "\t" in line][:3] == ["blue", "green", "red"]
    assert [line.split("\t")[1] for line in lines if "\t" in line][3:] == ["none"] * 3


def test_what_undo_took_back_is_not_moved_again(
    watch: Watch, pictures: Path, tmp_path: Path
) -> None:
    goal, before = tmp_path / "goal", contents(pictures)

    watch(pictures, *LABELS, "--into", goal, "--move", *QUICK)
    moved = contents(goal)
    code = run(["undo", "--yes"])
    watch(pictures, *LABELS, "--into", goal, "--move", *QUICK)

    assert (code, moved) == (0, before)
    assert contents(pictures) == before
    assert contents(goal) == Counter()


def test_a_broken_picture_is_left_until_it_changes(
    watch: Watch, pictures: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = (pictures / "red.png").read_bytes()
    (pictures / "red.png").write_bytes(whole[:40])

    first = watch(pictures, *LABELS, "--into", tmp_path / "goal", *QUICK)
    told = capfd.readouterr().err
    second = watch(pictures, *LABELS, "--into", tmp_path / "goal", *QUICK)
    (pictures / "red.png").write_bytes(whole)
    third = watch(pictures, *LABELS, "--into", tmp_path / "goal", *QUICK)

    assert (first, second, third) == (5, 0, 0)
    assert "left red.png: " in told
    assert "2 pictures copied, 1 left" in told
    assert contents(tmp_path / "goal") == contents(pictures)


def test_what_permissions_kept_is_tried_again_by_the_next_watch(
    watch: Watch,
    pictures: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    goal, before, access = tmp_path / "goal", contents(pictures), os.access

    def is_allowed(path: str, mode: int) -> bool:
        is_kept = Path(path) == pictures and mode & os.W_OK
        return not is_kept and access(path, mode)

    with monkeypatch.context() as context:
        context.setattr(os, "access", is_allowed)  # as if the folder were read-only
        kept = [watch(pictures, *LABELS, "--into", goal, "--move", *QUICK) for _ in range(2)]
        told = capfd.readouterr().err
    given = watch(pictures, *LABELS, "--into", goal, "--move", *QUICK)

    assert (kept, given) == ([5, 5], 0)
    assert told.count("left .: is read-only") == 2
    assert contents(goal) == before


def test_a_command_is_run_for_each_picture_once(
    watch: Watch, pictures: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = ("--exec", "echo {label} {}")

    first = watch(pictures, *LABELS, *command, *QUICK)
    out = capfd.readouterr().out.splitlines()
    second = watch(pictures, *LABELS, *command, *QUICK)

    assert (first, second, capfd.readouterr().out) == (0, 0, "")
    names = ("blue", "green", "red")
    assert [line for line in out if " " in line] == [
        f"{name} {pictures / name}.png" for name in names
    ]


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        ([], "one of them is needed"),
        (["--into", "goal", "--exec", "echo"], "one of them is needed"),
        (["--exec", "echo", "--move"], "--move: is for --into"),
        (["--exec", "echo", "--by", "label/year"], "--by: is for --into"),
        (["--exec", "echo", "--no-companions"], "--no-companions: is for --into"),
        (["--into", "goal", "--rename", "{x}"], "there is no field {x}"),
        (["--into", "goal", "--move", "--copy"], "only one of them"),
        (["--into", "pictures"], "is SOURCE itself"),
        (["--exec", "no-such-program-here"], "no such program"),
    ],
)
def test_what_cannot_be_watched_is_refused(
    arguments: list[str],
    fact: str,
    watch: Watch,
    pictures: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(pictures.parent)

    code = watch("pictures", *LABELS, *arguments)

    assert code == 2
    assert fact in capfd.readouterr().err


def test_a_folder_that_vanishes_before_the_first_event_is_told_the_same(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    folder = WatchedFolder(str(tmp_path / "gone"))
    wakes = changes_in(folder.path)
    next(wakes)
    Path(folder.path).rmdir()

    with pytest.raises(InputError, match="the folder is gone"):
        list(settled(folder, Settling(0.1, lambda _: False), wakes))


def test_a_folder_that_vanishes_is_one_clear_line(pictures: Path, tmp_path: Path) -> None:
    process = start(pictures, tmp_path / "goal", "copy")
    assert process.stderr is not None
    for line in process.stderr:
        if "watching" in line:
            break
    pictures.rename(tmp_path / "aside")

    _, err = process.communicate(timeout=60)

    assert process.returncode == 3
    assert f"clipcli: {pictures}: the folder is gone" in err
    assert "Traceback" not in err


# --- killed at any moment


def start(source: Path, goal: Path, action: str, *more: str) -> subprocess.Popen[str]:
    arguments = ["watch", source, *LABELS, "--into", goal, f"--{action}", "--settle", SETTLE_S]
    return subprocess.Popen(
        [sys.executable, "-c", CHILD.format(root=str(ROOT)), *map(str, arguments), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


class Sender(threading.Thread):
    """Brings pictures, some with sidecars, into a folder as cameras and slow disks do."""

    def __init__(self, folder: Path, n: int, seed: int, pause_s: float) -> None:
        super().__init__(daemon=True)
        self._pause_s = pause_s  # after each 25 pictures, so that kills fall among them
        self._folder, self._n, self._random = folder, n, random.Random(seed)
        self.sent: Counter[str] = Counter()

    def run(self) -> None:
        for i in range(self._n):
            pixels = np.random.default_rng(i).integers(0, 256, (12, 12, 3), np.uint8)
            buffer = BytesIO()
            Image.fromarray(pixels).save(buffer, "PNG")
            path = self._folder / f"card {i % 7}" / f"{i:04}.png"
            path.parent.mkdir(exist_ok=True)
            if i % 3 == 0:
                sidecar = f"of {i}".encode()
                path.with_suffix(".xmp").write_bytes(sidecar)
                self.sent[sha256(sidecar).hexdigest()] += 1
            self._send(path, buffer.getvalue())
            self.sent[sha256(buffer.getvalue()).hexdigest()] += 1
            if i % 25 == 24:
                time.sleep(self._pause_s)

    def _send(self, path: Path, data: bytes) -> None:
        match self._random.randrange(8):
            case 0:  # slowly, now and then with a pause that is longer than files take to settle
                with path.open("wb") as file:
                    for start in range(0, len(data), 150):
                        file.write(data[start : start + 150])
                        file.flush()
                        time.sleep(self._random.choice([0.02, 0.05, 0.05, SETTLE_S * 1.5]))
            case 1:  # under another name first
                partial = path.with_suffix(".png.part")
                partial.write_bytes(data[:200])
                time.sleep(0.05)
                partial.write_bytes(data)
                partial.rename(path)
            case 2:  # emptied and written again
                path.write_bytes(data)
                with path.open("r+b") as file:
                    file.truncate(100)
                    time.sleep(self._random.choice([0.02, SETTLE_S * 1.5]))
                    file.seek(100)
                    file.write(data[100:])
            case 3:  # renamed while it settles
                other = path.with_name(f"new {path.name}")
                other.write_bytes(data)
                time.sleep(0.02)
                other.rename(path)
            case _:  # in a burst
                path.write_bytes(data)


def kill_and_watch(
    folder: Path, n_files: int, n_kills: int, action: str, *, pause_s: float = 0.1
) -> dict[str, float]:
    """Watch a folder that fills while the watch is killed again and again; then look."""
    source, goal, chance = folder / "inbox", folder / "goal", random.Random(n_files)
    source.mkdir()
    sender, started, killed = Sender(source, n_files, n_files, pause_s), time.monotonic(), 0
    sender.start()
    while sender.is_alive() or killed < n_kills:
        process = start(source, goal, action)
        if killed < n_kills:
            assert process.stderr is not None
            next(line for line in process.stderr if "watching" in line)
            time.sleep(chance.uniform(0.0, 2.5))
        else:
            sender.join()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += 1
    last = start(source, goal, action, "--once")
    out, err = last.communicate(timeout=300)

    assert last.returncode == 0, err
    assert contents(goal) == sender.sent
    assert all(path.with_suffix(".png").exists() for path in goal.rglob("*.xmp"))
    assert contents(source) == (Counter() if action == "move" else sender.sent)
    return {
        "files": n_files,
        "kills": killed,
        "seconds": round(time.monotonic() - started),
        "by the last run": len(out.splitlines()),
        "journals": len(list(Path(os.environ["CLIPCLI_STATE"], "sorts").glob("*.jsonl"))),
    }


def taken_back(source: Path) -> Counter[str]:
    """Undo every journal, the newest first, and return what lies in the source then."""
    for journal in sorted(Path(os.environ["CLIPCLI_STATE"], "sorts").glob("*.jsonl"))[::-1]:
        assert run(["undo", str(journal), "--yes", "--quiet"]) == 0
    return contents(source)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is a signal of POSIX")
def test_a_watch_that_is_killed_takes_every_picture_once(tmp_path: Path) -> None:
    kill_and_watch(tmp_path, 30, 2, "move")
    moved = contents(tmp_path / "goal")

    assert taken_back(tmp_path / "inbox") == moved


@pytest.mark.soak
@pytest.mark.parametrize("action", ["move", "copy"])
def test_two_thousand_files_and_fifty_kills(
    action: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    figures = kill_and_watch(tmp_path, 2000, 50, action, pause_s=2.5)
    moved = contents(tmp_path / "goal")

    with capfd.disabled():
        print(f"\n{action}: {json.dumps(figures)}")  # noqa: T201 - figures for the documentation
    if action == "move":
        assert taken_back(tmp_path / "inbox") == moved
