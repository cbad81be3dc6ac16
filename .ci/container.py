"""Takes the Dockerfile's steps in a root file system, where no container engine is at hand.

    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm base
    python .ci/container.py --mount /etc/pip.conf base scratch -- classify cat.jpg --labels demo

Every ``FROM`` begins with a copy of ``base``, whatever image it names; ``python`` is Debian's. The
last stage is then entered as its ``USER``, with its environment, and runs its ``ENTRYPOINT`` with
the arguments after ``--`` (or ``CMD``); ``examples/photos/cat.jpg`` lies in its working folder.
What is mounted (files or folders of this machine, read-only) is for certificates and package
indexes. Needs root and Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass
class Stage:
    """A root file system that is being built, and what holds in it from now on."""

    root: Path
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": PATH})
    folder: str = "/"
    user: str = "0"
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)

    def inside(self, path: str) -> Path:
        """Return where a path of the container lies on this machine."""
        return self.root / os.path.join(self.folder, path).lstrip("/")  # noqa: PTH118

    def run(self, arguments: list[str], mounts: list[str]) -> int:
        """Run a program in the root, in namespaces of its own, and return its exit code."""
        lines = ["mount -t proc proc proc", "mount --bind /dev dev"]
        for path in ["/etc/resolv.conf", *mounts]:
            place = self.root / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.mkdir(exist_ok=True) if Path(path).is_dir() else place.touch()
            bound = shlex.quote(path.lstrip("/"))
            lines.append(f"mount --bind {shlex.quote(path)} {bound}")
            lines.append(f"mount -o remount,bind,ro {bound}")
        self.inside(".").mkdir(parents=True, exist_ok=True)
        within = f"cd {shlex.quote(self.folder)} && exec {shlex.join(arguments)}"
        settings = [f"{name}={value}" for name, value in self.environment.items()]
        entered = ["env", "-i", *settings, "sh", "-c", within]
        lines.append(f"exec chroot --userspec={self.user}:{self.user} . {shlex.join(entered)}")
        script = " && ".join(lines)
        command = ["unshare", "--mount", "--pid", "--fork", "sh", "-c", script]
        return subprocess.run(command, cwd=self.root, check=False).returncode


def main() -> int:
    """Build all stages, enter the last one, and return the exit code of what ran there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("base", type=Path, help="a root file system to begin with")
    parser.add_argument("scratch", type=Path, help="a folder to build in; it is made anew")
    parser.add_argument("--mount", action="append", default=[], metavar="PATH")
    parser.add_argument("arguments", nargs="*", help="for the entry point")
    options = parser.parse_args()
    stages: dict[str, Stage] = {}
    stage = Stage(options.base)
    for name, rest in steps((HERE / "Dockerfile").read_text(encoding="utf-8")):
        print(f"== {name} {rest}", flush=True)
        if name == "FROM":
            stage = begin(options.base, options.scratch / f"stage{len(stages)}")
            stages[rest.partition(" AS ")[2] or str(len(stages))] = stage
        else:
            take(name, rest, stage, stages, options.mount)
    shutil.copy(ROOT / "examples" / "photos" / "cat.jpg", stage.inside("."))
    print(f"== entered as user {stage.user}", flush=True)
    return stage.run([*stage.entrypoint, *(options.arguments or stage.command)], options.mount)


def steps(text: str) -> list[tuple[str, str]]:
    """Return name and arguments of each instruction."""
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    split = (line.partition(" ") for line in joined.splitlines() if line.strip())
    return [(name, rest.strip()) for name, _, rest in split]


def begin(base: Path, root: Path) -> Stage:
    """Begin a stage with a copy of the base, where ``python`` is a command."""
    shutil.rmtree(root, ignore_errors=True)
    root.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", str(base), str(root)], check=True)
    (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    return Stage(root)


def take(name: str, rest: str, stage: Stage, stages: dict[str, Stage], mounts: list[str]) -> None:
    """Take one step, or end where it fails."""
    if name == "RUN":
        if code := stage.run(["sh", "-c", rest], mounts):
            sys.exit(f"RUN ended with {code}")
    elif name == "COPY":
        copy(rest.split(), stage, stages)
    elif name == "ENV":
        for word in shlex.split(rest):
            variable, _, value = word.partition("=")
            stage.environment[variable] = value.replace("$PATH", stage.environment["PATH"])
    elif name == "WORKDIR":
        stage.folder = rest
        stage.inside(".").mkdir(parents=True, exist_ok=True)
    elif name == "USER":
        stage.user = rest
    elif name == "ENTRYPOINT":
        stage.entrypoint = json.loads(rest)
    elif name == "CMD":
        stage.command = json.loads(rest)
    elif name != "LABEL":
        sys.exit(f"{name}: this script does not know the step")


def copy(words: list[str], stage: Stage, stages: dict[str, Stage]) -> None:
    """Copy from the checkout, or from another stage, as COPY does."""
    source = ROOT
    if words[0].startswith("--from="):
        source = stages[words.pop(0).partition("=")[2]].root
    *names, target = words
    for name in names:
        origin = source / name.lstrip("/")
        place = stage.inside(target)
        if target.endswith("/"):
            place /= origin.name
        place.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-rT", str(origin), str(place)], check=True)


if __name__ == "__main__":
    sys.exit(main())
