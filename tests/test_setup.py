"""Set-up: ``make demo`` works whatever torch's index of CPU builds does, and takes those it has.

The indexes are on the loopback and their wheels are empty, but for a torch that lends the new
environment the packages of this one: the commands are the real ones, and take seconds.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from examples import install
from tests.packageindex import pinned, refusing, serving, silent, wheel

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = install.CONSTRAINTS.read_text(encoding="utf-8")
TORCH = install.pinned_torch()
SMALL = f"{TORCH}+cpu"
NOTE = f"127.0.0.1 does not answer with torch {SMALL}: left out"

Start: TypeAlias = "Callable[..., subprocess.Popen[str]]"

pytestmark = [
    pytest.mark.skipif(shutil.which("make") is None, reason="needs make"),
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a choice of builds"),
]


@pytest.fixture(scope="module")
def lent(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the file of a wheel that puts this environment's packages on the path of another."""
    pytest.importorskip("hatchling", reason="needs hatchling, which `make test` installs")
    folder = tmp_path_factory.mktemp("lent")
    for place in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for path in Path(place).iterdir():
            if not re.match(r"_editable|clipcli|pip|torch-.*info", path.name):
                (folder / path.name).symlink_to(path)
    return {"lent.pth": f"{folder}\n"}


@pytest.fixture(scope="module")
def mirror(lent: dict[str, str]) -> Iterator[str]:
    """Serve what a mirror of the default index has: of torch, the large build only."""
    with serving(pinned(CONSTRAINTS) | {("torch", TORCH): lent}) as (address, _):
        yield address


@pytest.fixture
def start(tmp_path: Path, mirror: str) -> Start:
    """Return a function that starts ``make`` on a machine with few programs and no GPU."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("make", "sh", "touch"):
        (programs / name).symlink_to(str(shutil.which(name)))
    mine = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
    settings = {
        "PATH": str(programs),
        "NO_PROXY": "127.0.0.1",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": mirror,
        "PIP_NO_CACHE_DIR": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "OMP_NUM_THREADS": "1",
    }

    def make(*arguments: str, into: str, **more: str) -> subprocess.Popen[str]:
        command = ["make", *arguments, f"PYTHON={sys.executable}", f"VENV={tmp_path / into}"]
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=mine | settings | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return make


def torch_in(environment: Path) -> list[str]:
    """Name the versions of torch that pip noted in an environment."""
    found = environment.rglob("torch-*.dist-info")
    return [path.name.removeprefix("torch-").removesuffix(".dist-info") for path in found]


def test_the_demo_runs_whatever_the_index_of_small_builds_does(
    start: Start, lent: dict[str, str], tmp_path: Path
) -> None:
    small = {("torch", SMALL): lent}
    with refusing() as shut, silent() as hanging, serving(small) as (answering, _):
        places = {"shut": shut, "hanging": hanging, "answering": answering}

        makes = {
            name: start("demo", f"TORCH_INDEX={url}", into=name) for name, url in places.items()
        }
        printed = {name: make.communicate(timeout=300)[0] for name, make in makes.items()}

    for name, make in makes.items():
        assert make.returncode == 0, printed[name]
        assert "examples/photos/cat.jpg\n  cat " in printed[name]
        assert "Retrying" not in printed[name]
    assert NOTE not in printed["answering"]
    assert "default build" not in printed["answering"]
    assert torch_in(tmp_path / "answering") == [SMALL]
    for name in ("shut", "hanging"):
        lines = printed[name].splitlines()
        assert lines.count(NOTE) == 1
        assert lines[lines.index(NOTE) + 1].startswith("only torch's default build is to be had: ")
        assert torch_in(tmp_path / name) == [TORCH]


@pytest.fixture
def plain_pip(monkeypatch: pytest.MonkeyPatch, mirror: str, tmp_path: Path) -> Path:
    """Have pip here know the mirror alone, and a folder of local wheels; return that folder."""
    pytest.importorskip("pip")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", mirror)
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("PATH", os.devnull)  # no GPU's program there
    return wheels


def test_local_wheels_with_a_small_build_spare_the_question(plain_pip: Path) -> None:
    (plain_pip / f"torch-{SMALL}-py3-none-any.whl").write_bytes(wheel("torch", SMALL, {}))

    with serving({}) as (index, asked):
        arguments = install.torch_arguments(Path(sys.executable), index)

    assert arguments == [f"torch=={SMALL}"]
    assert asked == []


@pytest.mark.usefixtures("plain_pip")
def test_an_index_without_a_fitting_build_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    with serving({("torch", "1.0+cpu"): {}}) as (index, asked):
        arguments = install.torch_arguments(Path(sys.executable), index)

    assert arguments == ["torch"]
    assert asked == ["/torch/"]
    assert capsys.readouterr().out == f"{NOTE}\n"


@pytest.mark.usefixtures("plain_pip")
def test_an_index_that_answers_with_something_else_is_left_out() -> None:
    with serving({}) as (index, asked):
        arguments = install.torch_arguments(Path(sys.executable), index)

    assert arguments == ["torch"]
    assert asked == ["/torch/"]


def test_nothing_is_asked_with_a_gpu_or_without_an_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = tmp_path / "python"  # would be run to ask
    monkeypatch.setenv("PATH", str(tmp_path))

    without_index = install.torch_arguments(nowhere, "")
    (tmp_path / "nvidia-smi").touch(mode=0o755)
    with_gpu = install.torch_arguments(nowhere, "http://127.0.0.1:1/")

    assert without_index == with_gpu == ["torch"]


@pytest.mark.usefixtures("plain_pip")
def test_what_pip_said_is_shown_where_it_fails(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="No matching distribution found for no-such-thing"):
        install.install(Path(sys.executable), "--dry-run", "no-such-thing")


def test_the_size_of_the_default_build_is_that_of_the_pinned_version() -> None:
    assert TORCH in install.DEFAULT_BUILD
