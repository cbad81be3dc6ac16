"""What fits into a cluster, and what is said where it does not; no Ray is needed for that."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from clipcli.cli.app import run
from clipcli.errors import InputError, UsageError
from clipcli.workflows.fleet import cluster
from clipcli.workflows.fleet.cluster import WorkerSize, WorkerWishes, fit
from clipcli.workflows.fleet.on_ray import parse_workers
from clipcli.workflows.fleet.patience import within

TWO_CORES = [{"CPU": 2.0}]
EIGHT_CARDS = [{"CPU": 96.0, "GPU": 8.0}]
HEAD_AND_TWO = [{"memory": 1.0}, {"CPU": 16.0}, {"CPU": 16.0}]


@pytest.mark.parametrize(
    ("wishes", "nodes", "expected"),
    [
        (WorkerWishes(), TWO_CORES, WorkerSize(1, 1, 2.0, 0.0)),  # as much as plain classify has
        (WorkerWishes(2, 2), TWO_CORES, WorkerSize(2, 2, 1.0, 0.0)),
        (WorkerWishes(), EIGHT_CARDS, WorkerSize(1, 8, 12.0, 1.0)),  # one a card
        (WorkerWishes(device="cpu"), EIGHT_CARDS, WorkerSize(1, 12, 8.0, 0.0)),
        (WorkerWishes(4, None), HEAD_AND_TWO, WorkerSize(4, 4, 8.0, 0.0)),
        (WorkerWishes(0, 8), [{"memory": 1.0}], WorkerSize(0, 8, 1.0, 0.0)),  # it may grow
        (WorkerWishes(1, 4, n_cpus=0.5), TWO_CORES, WorkerSize(1, 4, 0.5, 0.0)),
        (WorkerWishes(2, None, n_gpus=2.0), EIGHT_CARDS, WorkerSize(2, 4, 24.0, 2.0)),
    ],
)
def test_workers_are_as_large_as_machines_allow(
    wishes: WorkerWishes, nodes: list[dict[str, float]], expected: WorkerSize
) -> None:
    assert fit(wishes, nodes) == expected


@pytest.mark.parametrize(
    ("wishes", "nodes", "said"),
    [
        (WorkerWishes(3, 3), TWO_CORES, "has room for 2 of 1 CPUs each: it has one machine with 2"),
        (WorkerWishes(1, 1, n_cpus=4), TWO_CORES, "has room for 0 of 4 CPUs"),
        (WorkerWishes(1, 1, n_gpus=1), TWO_CORES, "has room for 0 of 1 CPUs and 1 GPUs"),
        (WorkerWishes(9, None), EIGHT_CARDS, "has room for 8 of 12 CPUs and 1 GPUs"),
        (WorkerWishes(), [], "no machine that works"),
    ],
)
def test_what_can_never_be_placed_is_refused(
    wishes: WorkerWishes, nodes: list[dict[str, float]], said: str
) -> None:
    with pytest.raises(UsageError, match="--workers") as caught:
        fit(wishes, nodes)

    assert said in caught.value.message


@pytest.mark.parametrize(
    ("text", "expected"), [("4", (4, 4)), ("2:8", (2, 8)), ("1:", (1, None)), ("0:3", (0, 3))]
)
def test_numbers_of_workers_are_read(text: str, expected: tuple[int, int | None]) -> None:
    assert parse_workers(text) == expected


@pytest.mark.parametrize("text", ["", "-1", "4:2", "many", "0", "0:0", "1:2:3"])
def test_what_is_no_number_of_workers_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no number of workers"):
        parse_workers(text)


def test_nobody_is_waited_for_longer_than_said() -> None:
    started = time.monotonic()

    with pytest.raises(TimeoutError, match="no answer within 0 s"):
        within(0.2, lambda: time.sleep(5))

    assert time.monotonic() - started < 3
    assert within(5, lambda: 3) == 3
    with pytest.raises(InputError, match="own"):
        within(5, raise_own)


def raise_own() -> None:
    raise InputError("its own")


class Stumbling:
    """A Ray that begins at the second try, or never."""

    def __init__(self, n_failures: int) -> None:
        self.n_failures = n_failures
        self.said: list[str] = []

    def init(self, **settings: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as Ray puts its own in the place
        assert settings["address"] == "local"
        self.said.append("init")
        if self.n_failures:
            self.n_failures -= 1
            raise RuntimeError("The current node timed out during startup.")

    def shutdown(self) -> None:
        self.said.append("shutdown")


def test_a_cluster_of_our_own_is_begun_twice_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    slow, dead = Stumbling(1), Stumbling(9)
    heeded = signal.getsignal(signal.SIGTERM)

    monkeypatch.setattr(cluster, "import_ray", lambda: slow)
    assert cluster.connect("local") is slow
    monkeypatch.setattr(cluster, "import_ray", lambda: dead)
    with pytest.raises(InputError, match="timed out during startup") as caught:
        cluster.connect("local")

    assert signal.getsignal(signal.SIGTERM) == heeded
    assert slow.said == ["init", "shutdown", "init"]
    assert dead.said == ["init", "shutdown", "init", "shutdown"]
    assert caught.value.hint == "--ray none works without"


@pytest.mark.usefixtures("fake_model")
@pytest.mark.parametrize(
    ("address", "said", "code"),
    [
        ("127.0.0.1:9", "Connection refused", 3),
        ("nowhere.invalid:6379", "Ray at nowhere.invalid:6379", 3),
        ("somewhere", "is no address", 2),
    ],
)
def test_a_dead_address_is_one_line_within_seconds(
    address: str,
    said: str,
    code: int,
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("ray")
    started = time.monotonic()

    ended = run(["batch", "embed", str(folder), "--into", str(tmp_path / "out"), "--ray", address])

    told = [line for line in capsys.readouterr().err.splitlines() if "hint" not in line]
    assert ended == code
    assert len(told) == 1
    assert said in told[0]
    assert time.monotonic() - started < 20


@pytest.mark.usefixtures("fake_model")
def test_too_few_cores_are_one_line_before_ray_begins(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    into = ["--into", str(tmp_path / "out")]

    code = run(["batch", "embed", str(folder), *into, "--ray", "local", "--workers", "500"])

    assert code == 2
    assert "--workers 500: the cluster has room for" in capsys.readouterr().err
