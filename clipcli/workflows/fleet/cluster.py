"""A Ray cluster: reached or begun within seconds, and what fits into it."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from clipcli.errors import InputError, MissingExtraError, UsageError
from clipcli.pipeline.remote import in_words
from clipcli.process import usable_cores
from clipcli.workflows.fleet.patience import within

PORT_S = 5.0  # for a port to open
ANSWER_S = 10.0  # for a cluster that is there to answer
OBJECT_BYTES = 128 * 2**20  # shared memory: no pixels and no rows go through it
MOST_CORES = 8  # of a worker, unless somebody says more: threads wait for each other beyond
USUAL_PORTS = {"ray": 10001}
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent anywhere unasked
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # the coming behaviour, without a warning
}


@dataclass(frozen=True, slots=True)
class WorkerWishes:
    """How many workers there are to be, and how large; None: found out from the cluster."""

    least: int = 1
    most: int | None = None
    n_cpus: float | None = None
    n_gpus: float | None = None
    device: str = "auto"


@dataclass(frozen=True, slots=True)
class WorkerSize:
    """How many there are to be, and what each takes of a machine."""

    least: int
    most: int
    n_cpus: float
    n_gpus: float


def import_ray() -> Any:
    """Import Ray without its voice.

    Raises
    ------
    MissingExtraError
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError(
            "--ray: Ray is not installed", hint='pip install "clipcli[fleet]", or --ray none'
        ) from error
    with contextlib.suppress(AttributeError):
        # Subtle: what it says of dead workers goes to standard output; no setting stops it.
        ray._private.worker._worker_logs_enabled = False
    return ray


def connect(address: str) -> Any:
    """Reach a cluster, or begin one on this machine for the time of the run.

    Parameters
    ----------
    address
        ``local``, ``auto`` (that of ``RAY_ADDRESS``, or one that runs here), ``host:port`` or
        ``ray://host:port``.

    Raises
    ------
    InputError
        If nobody answers.
    MissingExtraError
    """
    ray = import_ray()
    settings: dict[str, Any] = {"address": address, "logging_level": logging.ERROR}
    if address == "local":
        own = {"num_cpus": usable_cores(), "object_store_memory": OBJECT_BYTES}
        settings |= {"include_dashboard": False, **own}
    else:
        _knock(address if address != "auto" else os.environ.get("RAY_ADDRESS", ""))
    try:
        with _own_signals():
            if address == "local":
                _begin(ray, settings)
            else:
                within(ANSWER_S, lambda: ray.init(log_to_driver=False, **settings))
    except TimeoutError as error:
        raise InputError(
            f"Ray at {address}: {error}", hint="see `ray status --address HOST:PORT`"
        ) from error
    except Exception as error:  # Ray raises what it likes
        is_ours = address == "local"
        hint = "--ray none works without" if is_ours else "check the address, or use --ray local"
        raise InputError(f"Ray at {address}: {in_words(error)}", hint=hint) from error
    return ray


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Keep what signals do here: Ray would print a trace of its own, and leave."""
    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {name: signal.getsignal(getattr(signal, name)) for name in names}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for name, handler in before.items():
                if handler is not None:  # None: set from C, by who runs us
                    signal.signal(getattr(signal, name), handler)


def _begin(ray: Any, settings: dict[str, Any]) -> None:
    """Begin a cluster here, twice if need be: on a busy machine its parts miss each other.

    Subtle: on this very thread. What it starts is killed when the thread that did ends.
    """
    for n_left in (1, 0):
        try:
            ray.init(log_to_driver=False, **settings)
        except Exception:
            ray.shutdown()
            if not n_left:
                raise
        else:
            return


def _knock(address: str) -> None:
    """Find out whether somebody listens: Ray itself would ask again for half a minute.

    Raises
    ------
    InputError, UsageError
    """
    protocol, _, place = address.rpartition("://")
    host, _, port = place.rpartition(":")
    if address in ("", "auto", "local"):
        return
    if not port.isdigit() and protocol in USUAL_PORTS:
        host, port = place, str(USUAL_PORTS[protocol])
    if not host or not port.isdigit():
        raise UsageError(
            f"--ray {address}: is no address", hint="HOST:PORT, ray://HOST:PORT, auto, local, none"
        )
    try:
        socket.create_connection((host, int(port)), PORT_S).close()
    except (OSError, OverflowError) as error:
        raise InputError(
            f"Ray at {address}: {in_words(error)}",
            hint="check the address: `ray start --head` prints it",
        ) from error


def is_running() -> bool:
    """Tell whether a cluster is named in the environment, or runs on this machine."""
    if os.environ.get("RAY_ADDRESS"):
        return True
    with contextlib.suppress(Exception):  # a private function, which may go
        from ray._private.utils import read_ray_address

        address = read_ray_address()
        if address:
            _knock(address)
            return True
    return False


def fit(wishes: WorkerWishes, nodes: list[dict[str, float]]) -> WorkerSize:
    """Decide how large workers are, and refuse what can never be placed.

    Parameters
    ----------
    nodes
        What each machine has, such as ``{"CPU": 8.0, "GPU": 1.0}``.

    Raises
    ------
    UsageError
        If fewer workers fit than there have to be; the hint says what to change.
    """
    n_gpus = wishes.n_gpus
    if n_gpus is None:
        wants = wishes.device == "auto" or wishes.device.startswith("cuda")
        n_gpus = 1.0 if wants and any(node.get("GPU", 0) >= 1 for node in nodes) else 0.0
    usable = [node for node in nodes if node.get("CPU", 0) > 0 and node.get("GPU", 0) >= n_gpus]
    n_cpus = wishes.n_cpus or _usual_cpus(usable, n_gpus, wishes)
    room = sum(_places(node, n_cpus, n_gpus) for node in usable)
    if room < wishes.least:
        has = ", ".join(_described(node) for node in nodes[:4]) or "no machine that works"
        each = f"{n_cpus:g} CPUs" + (f" and {n_gpus:g} GPUs" if n_gpus else "")
        raise UsageError(
            f"--workers {wishes.least}: the cluster has room for {room} of {each} each: it has "
            f"{has}",
            hint="fewer --workers, or less --cpus-per-worker or --gpus-per-worker; --workers "
            "0:N waits for a cluster that grows",
        )
    most = wishes.most if wishes.most is not None else max(room, wishes.least, 1)
    return WorkerSize(wishes.least, max(most, 1), n_cpus, n_gpus)


def _usual_cpus(nodes: list[dict[str, float]], n_gpus: float, wishes: WorkerWishes) -> float:
    """Return a share of the smallest machine: by its GPUs, or so that the workers wanted fit."""
    if not nodes:
        return 1.0
    smallest = min(nodes, key=lambda node: node["CPU"])
    if n_gpus:
        return max(1.0, smallest["CPU"] * n_gpus // smallest["GPU"])
    a_node = -(-max(wishes.least, 1) // len(nodes))  # workers, rounded up
    return max(1.0, min(smallest["CPU"] // a_node, MOST_CORES))


def _places(node: dict[str, float], n_cpus: float, n_gpus: float) -> int:
    by_cpu = node.get("CPU", 0) // n_cpus
    return int(min(by_cpu, node.get("GPU", 0) // n_gpus) if n_gpus else by_cpu)


def _described(node: dict[str, float]) -> str:
    gpus = f" and {node['GPU']:g} GPUs" if node.get("GPU") else ""
    return f"one machine with {node.get('CPU', 0):g} CPUs{gpus}"


def machines(ray: Any) -> list[dict[str, float]]:
    """Return what each machine of a cluster has in all, used or not."""
    return [dict(node["Resources"]) for node in ray.nodes() if node["Alive"]]
