"""Several processes train as one does."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from clipcli.cli.app import run
from clipcli.encoder.torch.load import load_model
from clipcli.errors import UsageError
from clipcli.models.folder import open_model_folder
from clipcli.training.distributed.group import ALONE
from clipcli.training.distributed.launch import NEEDED, joined
from tests.training.conftest import write_packed

from .two_processes import TOWERS, gradients

ROOT = Path(__file__).resolve().parents[3]
SETTINGS = """
steps: 5
batch_size: 8
precision: fp32
storage: fp32
checkpoint: {steps: 2}
evaluation: {held_out: 0.125}
# Adam makes a step of a gradient's sign, and of the rounding of one near zero noise; unless its
# epsilon is above both.
optimiser: {lr: 0.1, epsilon: 0.01, warmup_steps: 2}
architecture:
  embed_dim: 8
  image: {kind: vit, image_size: 32, patch_size: 8, width: 16, layers: 2, heads: 2, mlp_width: 16}
  text: {context_length: 16, width: 8, layers: 1, heads: 2, mlp_width: 16}
  activation: gelu
"""


def environment() -> dict[str, str]:
    told = {name: value for name, value in os.environ.items() if name not in NEEDED}
    path = os.pathsep.join([str(ROOT), told.get("PYTHONPATH", "")])
    return told | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Launch two processes and return what they found."""
    folder = tmp_path_factory.mktemp("pair")
    told = environment() | {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "WORLD_SIZE": "2",
    }
    command = [sys.executable, str(Path(__file__).with_name("two_processes.py")), str(folder)]
    processes = [subprocess.Popen(command, env=told | {"RANK": str(rank)}) for rank in range(2)]

    assert [process.wait(timeout=600) for process in processes] == [0, 0]
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize(
    ("name", "tower"), [("vit", "vit"), ("resnet", "resnet"), ("chunks", "vit")]
)
def test_two_processes_have_the_gradients_of_one_with_the_whole_batch(
    pair: list[dict[str, Any]], name: str, tower: str
) -> None:
    expected = gradients(TOWERS[tower], ALONE, 0)

    for found in pair:
        assert found[name].keys() == expected.keys()
        for parameter, tensor in expected.items():
            torch.testing.assert_close(
                found[name][parameter], tensor, rtol=1e-6, atol=1e-10, msg=parameter
            )


def test_a_failure_of_the_first_process_is_told_by_it_alone(pair: list[dict[str, Any]]) -> None:
    assert [found["failing"] for found in pair] == ["the data is bad", "quiet 3"]


def test_processes_agree_and_share_the_rows(pair: list[dict[str, Any]]) -> None:
    assert [found["highest"] for found in pair] == [(1.0, 0.0), (1.0, 0.0)]
    assert [found["part"] for found in pair] == [(0, 6, 1), (6, 12, 1)]


def test_torchrun_trains_the_model_that_one_process_does(
    tmp_path: Path, vocabulary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, settings = write_packed(tmp_path / "data", 64), tmp_path / "settings.yaml"
    settings.write_text(f"{SETTINGS}vocabulary: {vocabulary}\n", encoding="utf-8")
    words = ["train", str(data), "--config", str(settings), "--device", "cpu", "--out"]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    port = ["--master-port", str(free_port()), "-m", "clipcli"]

    code = run([*words, str(tmp_path / "one")])
    done = subprocess.run(
        [*launcher, *port, *words, str(tmp_path / "two")],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )

    assert (code, done.returncode) == (0, 0), done.stderr
    one, two = (open_model_folder(tmp_path / name / "model") for name in ("one", "two"))
    expected, found = load_model(one).state_dict(), load_model(two).state_dict()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-3, atol=1e-4, msg=name)
    assert done.stdout == ""
    assert done.stderr.count("zero-shot top-1") == 1
    log = (tmp_path / "two" / "log.jsonl").read_text(encoding="utf-8")
    assert log.count('"event": "start"') == 1
    assert '"processes": 2' in log


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"RANK": "1"}, "RANK is set, but WORLD_SIZE is not: several processes are started by"),
        (
            {"WORLD_SIZE": "2", "RANK": "0", "MASTER_PORT": "1"},
            "RANK is set, but MASTER_ADDR is not",
        ),
        (
            {"WORLD_SIZE": "2", "RANK": "2", "MASTER_ADDR": "x", "MASTER_PORT": "1"},
            "RANK=2: not below WORLD_SIZE=2",
        ),
        (
            {"WORLD_SIZE": "two", "RANK": "0", "MASTER_ADDR": "x", "MASTER_PORT": "1"},
            "WORLD_SIZE=two: not a whole number",
        ),
    ],
)
def test_processes_that_were_not_started_by_torchrun_are_told_so(
    told: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*NEEDED, "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in told.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(UsageError) as caught, joined():
        pass

    assert caught.value.message.startswith(message)
    assert "torchrun" in (caught.value.hint or "")


def test_alone_nothing_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NEEDED:
        monkeypatch.delenv(name, raising=False)

    with joined() as group:
        assert group is ALONE
        x = torch.ones(3)
        assert group.gather(x) is x
        assert group.mean(x) is x
        assert group.highest(2.0) == (2.0,)
