"""Batches on Ray, with workers, runs and machines that are killed: each key once, sums right.

Each takes minutes and needs Ray: ``make fleet``. ``CLIPCLI_FLEET_KILLS`` says how many workers are
killed (30).
"""

from __future__ import annotations

import io
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import ROOT
from tests.workflows.fleet.conftest import document, parts_of, rows_of

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds processes in /proc"),
]
MakeTar = Callable[..., Path]
N_PICTURES = 2000
N_KILLS = int(os.environ.get("CLIPCLI_FLEET_KILLS", "30"))
LABELS = ("--labels", "red, green, blue")
MARK = "CLIPCLI_FLEET_TEST"


@pytest.fixture
def many(make_tar: MakeTar) -> Path:
    """Return a tar of two thousand photographs, each of its own size."""
    photos = sorted((ROOT / "examples" / "photos").glob("*.jpg"))
    opened = [Image.open(path).convert("RGB") for path in photos]
    members = {}
    for i in range(N_PICTURES):
        buffer = io.BytesIO()
        opened[i % len(opened)].resize((200 + i % 97, 180)).save(buffer, "JPEG")
        members[f"{i:05}.jpg"] = buffer.getvalue()
    return make_tar("many.tar", members)


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a word that the environments of this test's processes have, and no others."""
    word = uuid.uuid4().hex
    monkeypatch.setenv(MARK, word)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return word


def command(source: Path, into: Path, *more: str) -> list[str]:
    asked = [sys.executable, "-m", "clipcli", "batch", "classify", str(source), *LABELS]
    return [*asked, "--into", str(into), "--shard-size", "40", *more]


def processes(mark: str, title: bytes) -> Iterator[int]:
    """Yield processes of a title that were begun from this test."""
    for entry in Path("/proc").iterdir():
        try:
            if not entry.name.isdigit() or not (entry / "cmdline").read_bytes().startswith(title):
                continue
            if f"{MARK}={mark}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                yield int(entry.name)
        except OSError:
            continue


def check_whole(into: Path) -> None:
    keys = [row["path"].rpartition("::")[2] for row in rows_of(*parts_of(into))]
    assert keys == [f"{i:05}.jpg" for i in range(N_PICTURES)]  # each once, in order
    assert document(into / "_SUCCESS")["rows"] == N_PICTURES
    assert document(into / "_SUCCESS")["failed"] == 0


def plain_rows(tar: Path, tmp_path: Path) -> list[dict[str, object]]:
    file = tmp_path / "plain.parquet"
    asked = [sys.executable, "-m", "clipcli", "classify", str(tar), *LABELS, "--no-cache"]
    subprocess.run([*asked, "-o", str(file)], check=True)
    return rows_of(file)


def test_rows_are_those_of_classify_while_workers_are_killed(
    many: Path, mark: str, tmp_path: Path
) -> None:
    into, drawn, n_kills, n_before = tmp_path / "out", random.Random(1), 0, 0
    asked = command(many, into, "--ray", "local", "--workers", "2", "--shard-size", "4")

    running = subprocess.Popen(asked, stderr=subprocess.PIPE, text=True)
    while running.poll() is None and n_kills < N_KILLS:
        time.sleep(0.1)
        n_now = len(list((into / "data").glob("*"))) if into.exists() else 0
        if n_now == n_before:
            continue  # by what is done, not by the clock: a fast machine is killed as often
        time.sleep(drawn.uniform(0.0, 1.0))
        found = list(processes(mark, b"ray::RayWorker"))
        if found:
            os.kill(drawn.choice(found), signal.SIGKILL)
            n_kills, n_before = n_kills + 1, n_now
    _, told = running.communicate(timeout=1200)

    print(f"{n_kills} workers killed; {told.splitlines()[-1]}")
    assert running.returncode == 0, told
    assert n_kills == N_KILLS, told
    check_whole(into)
    assert rows_of(*parts_of(into)) == plain_rows(many, tmp_path)


def test_a_run_that_is_killed_and_begun_again_is_whole(
    many: Path, mark: str, tmp_path: Path
) -> None:
    into, drawn = tmp_path / "out", random.Random(2)
    asked, counts = command(many, into, "--ray", "local", "--workers", "1"), []

    for _ in range(10):
        n_before = len(list((into / "data").glob("*"))) if into.exists() else 0
        running = subprocess.Popen(asked, stderr=subprocess.DEVNULL)
        while running.poll() is None:  # until it has done something new
            time.sleep(drawn.uniform(0.1, 1.0))
            n_now = len(list((into / "data").glob("*"))) if into.exists() else 0
            if n_now > n_before + drawn.randrange(3):
                running.kill()
        counts.append(n_now)
        running.wait()
    finished = subprocess.run(asked, capture_output=True, text=True, timeout=1200, check=False)

    print(f"parts at each kill: {counts}; {finished.stderr.splitlines()[-1]}")
    assert finished.returncode == 0, finished.stderr
    assert counts == sorted(counts)
    check_whole(into)
    deadline = time.monotonic() + 60
    while list(processes(mark, b"ray::RayWorker")) and time.monotonic() < deadline:
        time.sleep(1)
    assert list(processes(mark, b"ray::RayWorker")) == []  # nobody is left working


def test_a_machine_that_is_lost_is_done_without(many: Path, mark: str, tmp_path: Path) -> None:
    from ray.cluster_utils import Cluster

    assert mark
    into = tmp_path / "out"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        other = cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        asked = command(many, into, "--ray", cluster.address, "--workers", "1:2")
        asked += ["--cpus-per-worker", "1"]
        running = subprocess.Popen(asked, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 300
        while len(list((into / "data").glob("*"))) < 4 and time.monotonic() < deadline:
            time.sleep(0.5)

        cluster.remove_node(other, allow_graceful=False)
        _, told = running.communicate(timeout=1200)
    finally:
        cluster.shutdown()

    print(told.splitlines()[-1])
    assert running.returncode == 0, told
    check_whole(into)
