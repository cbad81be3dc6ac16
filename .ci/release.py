"""The steps of a release but the upload: .github/workflows/release.yml calls these, one by one.

    python .ci/release.py                     all steps, with this Python
    python .ci/release.py build               dist/: the source archive, and a wheel made from it
    python .ci/release.py check               what is in them, and how they describe themselves
    python .ci/release.py install             each into an empty environment, and used there
    python3.13 .ci/release.py install         the same with another Python
    python .ci/release.py recipes             recipes/: for conda-forge and a Homebrew tap

Where the version comes from a tag (``GITHUB_REF_NAME``), it has to be that of the package, and the
changelog has to have a section for it. Needs the ``build`` and ``twine`` packages.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from examples.install import TORCH_INDEX  # noqa: E402 - the path comes first
from tests.wheel_smoke import install, use  # noqa: E402

DIST, RECIPES = ROOT / "dist", ROOT / "recipes"
TEMPLATES = ROOT / ".ci" / "recipes"
IN_WHEEL = (
    "clipcli/__main__.py",
    "clipcli/py.typed",
    "clipcli/assets/mini/model.safetensors",
    "clipcli/label_sets/animals.yaml",
)
IN_ARCHIVE = (
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "constraints.txt",
    "docs/index.md",
    "docs/images/terminal.svg",
    "examples/photos/cat.jpg",
    "label_sets/animals.yaml",
    "tests/conftest.py",
)
NOT_IN_WHEEL = ("tests/", "docs/", "examples/")
MOST_MB = 60


def main() -> None:
    """Take the steps that are named, or all."""
    steps = {"build": build, "check": check, "install": install_each, "recipes": recipes}
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("steps", nargs="*", metavar="STEP", help=f"of {', '.join(steps)}; all")
    parser.add_argument("--torch-index", default=TORCH_INDEX)
    options = parser.parse_args()
    if unknown := set(options.steps) - set(steps):
        parser.error(f"no such step: {', '.join(unknown)}")
    for name in options.steps or steps:
        print(f"== {name}", flush=True)
        steps[name](options.torch_index)


def build(_: str) -> None:
    """Make dist/ anew: a wheel that is built from the source archive has proved it whole."""
    shutil.rmtree(DIST, ignore_errors=True)
    call(sys.executable, "-m", "build", "--outdir", str(DIST), str(ROOT))


def check(_: str) -> None:
    """Check what is in the files, their metadata, the version and the changelog."""
    wheel, archive = found()
    call(sys.executable, "-m", "twine", "check", "--strict", str(wheel), str(archive))
    with zipfile.ZipFile(wheel) as opened:
        in_wheel = opened.namelist()
    with tarfile.open(archive) as opened:
        in_archive = [name.partition("/")[2] for name in opened.getnames()]
    complain(f"{wheel.name} lacks", [name for name in IN_WHEEL if name not in in_wheel])
    complain(f"{wheel.name} has", [name for name in in_wheel if name.startswith(NOT_IN_WHEEL)])
    complain(f"{archive.name} lacks", [name for name in IN_ARCHIVE if name not in in_archive])
    for path in (wheel, archive):
        size_mb = path.stat().st_size / 1e6
        complain(f"{path.name} is too large:", [f"{size_mb:.0f} MB"] * (size_mb > MOST_MB))
        print(f"{path.name}: {size_mb:.1f} MB")
    check_version(os.environ.get("GITHUB_REF_NAME", ""))


def check_version(tag: str) -> None:
    """Hold the package's version against the tag, and look for it in the changelog."""
    source = (ROOT / "clipcli" / "version.py").read_text(encoding="utf-8")
    version = re.search(r'__version__ = "(.+)"', source)[1]
    if not tag.startswith("v"):
        print(f"version {version}; no tag to compare it with")
        return
    complain(
        "the tag is not the package's version:", [f"{tag}, {version}"] * (tag != f"v{version}")
    )
    heading = f"## [{version}]"
    is_there = heading in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    complain("CHANGELOG.md has no section", [heading] * (not is_there))


def install_each(torch_index: str) -> None:
    """Install each file into an empty environment, and classify a picture far from here."""
    for path in found():
        with tempfile.TemporaryDirectory() as folder:
            scratch = Path(folder)
            python = install(path, scratch / "venv", torch_index)
            use(python.with_name("clipcli"), scratch)
        print(f"{path.name} works with Python {sys.version.partition(' ')[0]}", flush=True)


def recipes(_: str) -> None:
    """Fill the version and the source archive's sha256 into the recipes of other packagers."""
    _, archive = found()
    version = archive.name.removeprefix("clipcli-").removesuffix(".tar.gz")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    RECIPES.mkdir(exist_ok=True)
    for template in sorted(TEMPLATES.iterdir()):
        text = template.read_text(encoding="utf-8")
        filled = text.replace("@VERSION@", version).replace("@SHA256@", digest)
        (RECIPES / template.name).write_text(filled, encoding="utf-8", newline="\n")
        print(f"recipes/{template.name}")


def found() -> tuple[Path, Path]:
    """Return the wheel and the source archive of dist/."""
    wheels, archives = list(DIST.glob("*.whl")), list(DIST.glob("*.tar.gz"))
    complain(
        "dist/ should hold one wheel and one archive, and holds",
        [str(len(wheels)), str(len(archives))] if (len(wheels), len(archives)) != (1, 1) else [],
    )
    return wheels[0], archives[0]


def complain(what: str, faults: list[str]) -> None:
    """End the run where there are faults."""
    if faults:
        sys.exit(f"{what} {', '.join(faults[:5])}")


def call(*command: str) -> None:
    """Run a program, and end where it fails."""
    if code := subprocess.run(command, cwd=ROOT, check=False).returncode:
        sys.exit(f"{' '.join(command)} ended with {code}")


if __name__ == "__main__":
    main()
