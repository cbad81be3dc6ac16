"""Builds the wheel, installs it into an empty environment, and uses it far from the checkout.

Run by ``make wheel``; it is no pytest test, since it needs a package index and a minute or two.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = "Scripts" if os.name == "nt" else "bin"


def main() -> None:
    """Build, install, use; any failure ends it with that command's output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--torch-index", default="", help="index of torch's CPU builds")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        wheel = build(scratch)
        python = install(wheel, scratch / "venv", options.torch_index)
        use(python.with_name("clipcli"), scratch)
    print("the wheel works")


def build(scratch: Path) -> Path:
    """Build the wheel with the tools of this environment."""
    call([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(scratch), str(ROOT)])
    (wheel,) = scratch.glob("*.whl")
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB")
    return wheel


def install(wheel: Path, folder: Path, torch_index: str) -> Path:
    """Install it into an environment that has nothing else."""
    script = ROOT / "examples" / "install.py"
    options = ["--into", str(folder), "--package", str(wheel), "--torch-index", torch_index]
    call([sys.executable, str(script), *options])
    return folder / BIN / "python"


def use(clipcli: Path, scratch: Path) -> None:
    """Classify from an empty folder: label sets and the model must come out of the wheel."""
    place = scratch / "elsewhere"
    place.mkdir()
    shutil.copy(ROOT / "examples" / "photos" / "cat.jpg", place)
    labels = call([str(clipcli), "labels", "list"], cwd=place)
    assert "animals" in labels, labels
    line = call([str(clipcli), "classify", ".", "-l", "animals", "-f", "jsonl"], cwd=place)
    record = json.loads(line)
    assert record["status"] == "ok", record
    print(f"{record['path']}: {record['label']} ({record['probability']:.2f})")


def call(command: list[str], cwd: Path | None = None) -> str:
    """Run a command and return what it prints; show it where the command fails."""
    environment = os.environ | {"CLIPCLI_CACHE": str((cwd or ROOT) / ".cache")} if cwd else None
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
