"""Know how files are read straight out of a git repository, without a work tree."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path


def find_clone(clones: Path, repository: str) -> Path | None:
    """Return the git directory of `owner/name` or `owner+name` below `clones`, bare or not."""
    for folder in (clones / repository, clones / repository.replace("/", "+")):
        for place in (folder, *sorted(folder.glob("*"))):
            for candidate in (place / ".git", place):
                if (candidate / "objects").is_dir():
                    return candidate
    return None


def git(repository: Path, *arguments: str) -> bytes:
    """Run a git command and return what it prints."""
    command = ["git", "-C", str(repository), *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout  # noqa: S603


def objects_at(repository: Path, commit: str) -> dict[str, str]:
    """Map every path of a commit to its git object."""
    entries = git(repository, "ls-tree", "-r", "-z", commit).split(b"\0")
    objects = {}
    for entry in filter(None, entries):
        facts, path = entry.split(b"\t", 1)
        objects[path.decode("utf-8", "surrogateescape")] = facts.split()[2].decode()
    return objects


def pack_offsets(repository: Path) -> dict[str, tuple[str, int]]:
    """Say where in which pack each object lies; reading in that order is reading a file through."""
    offsets = {}
    for index in (repository / "objects/pack").glob("*.idx"):
        with index.open("rb") as stream:
            listing = subprocess.run(
                ["git", "show-index"],  # noqa: S607
                stdin=stream,
                capture_output=True,
                check=True,
            ).stdout
        for line in listing.decode().splitlines():
            offset, object_id = line.split()[:2]
            offsets[object_id] = (index.name, int(offset))
    return offsets


def read_objects(repository: Path, object_ids: list[str]) -> Iterator[bytes | None]:
    """Yield each object's bytes in the order asked for, None where the clone lacks it."""
    # Subtle: requests come from a file, not a pipe. With two pipes, git waits for us to read
    # while we wait for it to take the next request.
    environment = os.environ | {"GIT_NO_LAZY_FETCH": "1"}
    command = ["git", "-C", str(repository), "cat-file", "--batch", "--buffer"]
    with tempfile.TemporaryFile() as requests:
        requests.write("".join(f"{object_id}\n" for object_id in object_ids).encode())
        requests.seek(0)
        with subprocess.Popen(  # noqa: S603
            command, stdin=requests, stdout=subprocess.PIPE, env=environment
        ) as process:
            assert process.stdout is not None
            for _ in object_ids:
                answer = process.stdout.readline().split()
                if len(answer) != 3:
                    yield None
                    continue
                data = process.stdout.read(int(answer[2]))
                process.stdout.read(1)  # the newline behind each object
                yield data
