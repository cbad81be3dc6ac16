"""Set-up of this checkout: a virtual environment with clipcli, and no more of torch than it needs.

``python3 examples/install.py`` installs into ``.venv`` what ``make demo`` needs; with ``--dev``,
what ``make test`` needs as well, and with ``--bench`` whom ``make bench`` compares with. It uses
``venv`` and ``pip``, so pip's settings (another index, a proxy, certificates, local wheels) hold
here too, and it needs no package index but pip's own: torch's index of small CPU builds is a
shortcut that is asked for a few seconds.
"""

from __future__ import annotations

import argparse
import collections
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "constraints.txt"
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
# What torch's default build for Linux on x86-64 draws in, NVIDIA's libraries included.
DEFAULT_BUILD = {"2.13.0": "2.7 GB"}
ASK_S = 4  # how long the index of CPU builds may take over an answer
ASK_ALL_S = 10  # ... and pip over asking, name look-up and all
DOWNLOAD = re.compile(r"Downloading (?:\S*/)?torch-([^-\s]+)-\S+\.whl \(([^)]+)\)")

RETRY = "WARNING: Retrying"  # one of these says it; pip writes five
LARGE = ("linux", "x86_64")  # where the default build is for CUDA


def main() -> None:
    """Make the environment and install into it; end with one line where that fails."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--into", default=".venv", type=Path, help="environment (default: .venv)")
    parser.add_argument("--dev", action="store_true", help="also what the tests need")
    parser.add_argument("--bench", action="store_true", help="also whom benchmarks compare with")
    parser.add_argument("--package", default=str(ROOT), help="a wheel, instead of this checkout")
    parser.add_argument("--torch-index", default=TORCH_INDEX, help="index of torch's CPU builds")
    options = parser.parse_args()
    if sys.version_info < (3, 11):  # noqa: UP036 - the older ones shall hear of it
        sys.exit(f"clipcli needs Python 3.11 or newer; this is {platform.python_version()}")
    python = environment(options.into)
    if installed_torch(python) != pinned_torch():
        print(f"installing into {options.into} (torch first, a minute or two) ...", flush=True)
        install(python, *torch_arguments(python, options.torch_index))
    if options.package != str(ROOT):
        install(python, options.package)
        return
    install(python, "hatchling", "editables")
    extras = [name for name in ("dev", "bench") if getattr(options, name)]
    package = f"{ROOT}[{','.join(extras)}]" if extras else str(ROOT)
    install(python, "--no-build-isolation", "--editable", package)


def environment(folder: Path) -> Path:
    """Make a virtual environment unless it is there; return its Python."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not run(python, "-m", "pip", "--version"):
        made = subprocess.run([sys.executable, "-m", "venv", str(folder)], check=False)  # noqa: S603
        if made.returncode:
            sys.exit("could not make a virtual environment; on Debian: apt install python3-venv")
    return python


def pinned_torch() -> str:
    """Return the version of torch that the constraints ask for."""
    return re.search(r"^torch==(\S+)", CONSTRAINTS.read_text(encoding="utf-8"), re.MULTILINE)[1]


def installed_torch(python: Path) -> str:
    """Return the version of torch that is installed, without its build's name, or ``""``."""
    ask = "from importlib.metadata import version; print(version('torch').partition('+')[0])"
    return run(python, "-c", ask)


def torch_arguments(python: Path, index: str) -> list[str]:
    """Return what to ask pip for: torch's CPU build where it serves and is to be had.

    Without an NVIDIA GPU it is a tenth of the default build, and computes the same. Only Linux has
    that choice; elsewhere the default build is small.
    """
    small = f"{pinned_torch()}+cpu"
    if sys.platform != "linux" or shutil.which("nvidia-smi") or not index:
        return ["torch"]
    if small in offered(python):
        return [f"torch=={small}"]
    if small in offered(python, "--extra-index-url", index):
        # The packages that torch needs come by pip's own settings, with clipcli.
        return ["--no-deps", "--extra-index-url", index, f"torch=={small}"]
    host = urlsplit(index).hostname or index
    print(f"{host} does not answer with torch {small}: left out", flush=True)
    return ["torch"]


def offered(python: Path, *arguments: str) -> list[str]:
    """Return the versions of torch that fit this Python and machine; none is a short wait."""
    quick = ("--retries", "0", "--timeout", str(ASK_S), "--disable-pip-version-check")
    told = run(python, "-m", "pip", "index", "versions", "torch", *quick, *arguments)
    versions = re.search(r"^Available versions: (.*)$", told, re.MULTILINE)
    return versions[1].split(", ") if versions else []


def run(python: Path, *arguments: str) -> str:
    """Return what a short command prints; nothing where it fails or takes too long."""
    command = [str(python), *arguments]
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=ASK_ALL_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def install(python: Path, *arguments: str) -> None:
    """Have pip install something, and show what it said only where it fails."""
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "install"]
    command += ["--progress-bar", "off", "-c", str(CONSTRAINTS), *arguments]
    last: collections.deque[str] = collections.deque([""], maxlen=30)
    with subprocess.Popen(  # noqa: S603
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as pip:
        for line in pip.stdout:
            if not (line.startswith(RETRY) and last[-1].startswith(RETRY)):
                last.append(line)
            if download := DOWNLOAD.search(line):
                tell_size(unquote(download[1]), download[2])
    if pip.returncode:
        sys.exit(f"{''.join(last)}could not install {arguments[-1]}; pip's last words are above")


def tell_size(version: str, size: str) -> None:
    """Say how large torch's default build is, as its first file begins to come."""
    if version.endswith("+cpu"):
        return
    whole = DEFAULT_BUILD.get(version) if (sys.platform, platform.machine()) == LARGE else None
    rest = f", {whole} with NVIDIA's libraries" if whole else ""
    print(f"only torch's default build is to be had: {size}{rest}", flush=True)


if __name__ == "__main__":
    main()
