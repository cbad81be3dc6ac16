"""The files of ``examples/fleet/``: they read well, agree, and call what there is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from clipcli.cli.app import app
from clipcli.version import __version__
from tests.conftest import ROOT

FLEET = ROOT / "examples" / "fleet"
SCRIPTS = sorted(FLEET.glob("*.sh"))
FILES = sorted(path for path in FLEET.iterdir() if path.suffix in (".sh", ".yaml"))
CALL = re.compile(r"clipcli (batch [^\n|;&\"]*(?:\"[^\"]*\"[^\n|;&\"]*)*)")
RAY = re.compile(r"(?:ray\[default\]==|ray:|rayVersion: \")(\d+\.\d+\.\d+)")
OURS = re.compile(r"(?:clipcli\[fleet\]==|clipcli-fleet:)(\d+\.\d+\.\d+)")

posix = pytest.mark.skipif(os.name == "nt", reason="the examples are for a POSIX shell")


def test_there_is_a_file_for_each_way() -> None:
    expected = {"laptop.sh", "server.sh", "cluster.yaml", "cluster.sh", "rayjob.yaml", "slurm.sh"}

    assert {path.name for path in FILES} == expected
    listed = (FLEET / "README.md").read_text(encoding="utf-8")
    assert [name for name in [*expected, "Dockerfile"] if f"`{name}`" not in listed] == []


@posix
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_sound(script: Path) -> None:
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in script.read_text(encoding="utf-8")
    if shutil.which("shellcheck"):
        assert subprocess.run(["shellcheck", str(script)], check=False).returncode == 0


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_options_are_those_that_there_are(file: Path) -> None:
    text = re.sub(r"\\\n\s*", " ", file.read_text(encoding="utf-8"))
    text = re.sub(r"\n\s+(?=--)", " ", text)  # a folded text of YAML
    calls = CALL.findall(text)
    command: Any = typer.main.get_command(app)

    options = {
        name
        for one in command.commands["batch"].commands.values()
        for parameter in one.params
        for name in parameter.opts
    }
    used = {word for call in calls for word in re.findall(r"(?<!\S)--[a-z-]+", call)}

    if file.name != "cluster.yaml":
        assert calls
        assert {"--labels", "--into", "--ray"} <= used
    assert used - options == set()


def test_versions_agree() -> None:
    texts = [path.read_text(encoding="utf-8") for path in FLEET.iterdir()]

    ray = {version for text in texts for version in RAY.findall(text)}
    ours = {version for text in texts for version in OURS.findall(text)}

    assert len(ray) == 1
    assert ours == {__version__}


def test_the_cluster_has_a_head_without_work_and_spot_workers() -> None:
    cluster = yaml.safe_load((FLEET / "cluster.yaml").read_text(encoding="utf-8"))

    kinds = cluster["available_node_types"]
    head, workers = kinds.pop(cluster["head_node_type"]), list(kinds.values())
    assert head["resources"] == {"CPU": 0}
    assert [one["max_workers"] for one in workers] == [cluster["max_workers"]]
    assert all(
        one["node_config"]["InstanceMarketOptions"]["MarketType"] == "spot" for one in workers
    )


def test_the_job_of_kubernetes_is_whole() -> None:
    job = yaml.safe_load((FLEET / "rayjob.yaml").read_text(encoding="utf-8"))

    spec = job["spec"]
    groups = spec["rayClusterSpec"]["workerGroupSpecs"]
    [worker] = groups[0]["template"]["spec"]["containers"]
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert spec["shutdownAfterJobFinishes"]
    # What a worker is asked for has to fit into a machine, or none would ever come.
    asked = dict(re.findall(r"--(cpus|gpus)-per-worker (\d+)", spec["entrypoint"]))
    limits = worker["resources"]["limits"]
    assert asked == {"cpus": limits["cpu"], "gpus": limits["nvidia.com/gpu"]}
    assert f"--workers 0:{groups[0]['maxReplicas']}" in spec["entrypoint"]


@pytest.fixture
def path_of_shims(tmp_path: Path) -> str:
    """Return a PATH on which Slurm's and Ray's programs say what they were called with."""
    shims = tmp_path / "bin"
    shims.mkdir()
    log = tmp_path / "log"
    scripts = {
        "scontrol": "echo node1; echo node2",
        "hostname": "echo 10.0.0.1",
        "ray": f'echo "ray $*" >> "{log}"',
        "sleep": "true",
        "clipcli": f'echo "clipcli $*" >> "{log}"',
        # What stands behind srun's own options is run.
        "srun": 'while [ "${1#-}" != "$1" ]; do [ "$1" = -w ] && shift; shift; done; exec "$@"',
    }
    for name, body in scripts.items():
        (shims / name).write_text(f"#!/bin/bash\n{body}\n", encoding="utf-8")
        (shims / name).chmod(0o755)
    return os.pathsep.join([str(shims), os.environ["PATH"]])


@posix
def test_the_script_for_slurm_makes_a_cluster_and_runs_on_it(
    tmp_path: Path, path_of_shims: str
) -> None:
    (tmp_path / "clipcli" / "bin").mkdir(parents=True)
    (tmp_path / "clipcli" / "bin" / "activate").write_text("", encoding="utf-8")
    environment = os.environ | {"PATH": path_of_shims, "HOME": str(tmp_path), "SCRATCH": "/scratch"}
    environment |= {"SLURM_JOB_NODELIST": "node[1-2]", "SLURM_JOB_NUM_NODES": "2"}

    ended = subprocess.run(["bash", str(FLEET / "slurm.sh")], env=environment, check=False)

    deadline = time.monotonic() + 30
    called: list[str] = []
    while len(called) < 3 and time.monotonic() < deadline:  # two are left in the background
        called = sorted((tmp_path / "log").read_text(encoding="utf-8").splitlines())
        time.sleep(0.05)
    assert ended.returncode == 0
    assert called[1:] == [
        "ray start --address=10.0.0.1:6379 --block",
        "ray start --head --node-ip-address=10.0.0.1 --port=6379 --block",
    ]
    assert called[0].startswith("clipcli batch classify /scratch/data/shard-{0000..9999}.tar ")
    assert "--ray 10.0.0.1:6379" in called[0]


@posix
def test_the_script_for_a_laptop_runs(tmp_path: Path) -> None:
    shim = tmp_path / "bin" / "clipcli"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m clipcli "$@"\n', encoding="utf-8")
    shim.chmod(0o755)
    path = os.pathsep.join([str(shim.parent), os.environ["PATH"]])
    photos = tmp_path / "photos"
    photos.mkdir()
    shutil.copy(ROOT / "examples" / "photos" / "cat.jpg", photos)
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}

    command = ["bash", str(FLEET / "laptop.sh"), str(photos), str(tmp_path / "out")]
    ended = subprocess.run(command, env=environment, check=False)

    assert ended.returncode == 0
    assert (tmp_path / "out" / "_SUCCESS").exists()
