"""A hub on loopback: the part of the Hugging Face hub's protocol that a download needs, and faults.

It answers at most so many requests, for at most a minute, and only on 127.0.0.1. What it does was
read off the hub's library: the API's list of files; HEAD and GET of ``resolve`` with ETag,
X-Repo-Commit and Range; large files (Git LFS) redirect to another host with X-Linked-Etag and
X-Linked-Size.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REPOSITORY = "someone/tiny-clip"
COMMIT = "1234567890abcdef1234567890abcdef12345678"
LFS_ENDINGS = (".safetensors", ".bin")
MAX_REQUESTS = 200
MAX_SECONDS = 60
STALL_SECONDS = 30  # ended earlier by the end of the test


@dataclass
class Asked:
    """A request as the server saw it."""

    method: str
    path: str
    begin: int | None  # of the range
    token: str | None


@dataclass
class Hub:
    """What the server holds, how it misbehaves, and what it was asked."""

    files: dict[str, bytes]
    repository: str = REPOSITORY
    commit: str = COMMIT
    others: dict[str, set[str]] = field(default_factory=dict)  # which files other repositories have
    statuses: dict[str, int] = field(default_factory=dict)  # by the path's end: an error instead
    bodies: dict[str, bytes] = field(default_factory=dict)  # sent instead of the file
    cuts: list[int] = field(default_factory=list)  # bytes of a large file; then it breaks off
    stalls: bool = False  # a large file begins and does not go on
    is_portal: bool = False  # a page, whatever is asked
    asked: list[Asked] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    endpoint: str = ""

    def of(self, method: str, part: str) -> list[Asked]:
        """Return the requests of a method whose path contains ``part``."""
        return [each for each in self.asked if each.method == method and part in each.path]

    def names(self, repository: str) -> set[str]:
        """Return the names of a repository's files; there are none of one that is not there."""
        elsewhere = {name for own in self.others.values() for name in own}
        if repository == self.repository:
            return self.files.keys() - elsewhere
        return self.others.get(repository, set())

    def sha256(self, name: str) -> str:
        return hashlib.sha256(self.files[name]).hexdigest()


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    """Run the server in the background for as long as the context lasts."""
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    watchdog = threading.Timer(MAX_SECONDS, server.shutdown)
    watchdog.daemon = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    watchdog.start()
    try:
        yield hub
    finally:
        watchdog.cancel()
        hub.released.set()
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, *arguments: object) -> None:
        """Keep quiet."""

    def _answer(self) -> None:
        hub, path = self.hub, self.path.partition("?")[0]
        found = re.fullmatch(r"bytes=(\d+)-.*", self.headers.get("Range", ""))
        begin = int(found[1]) if found else None
        hub.asked.append(Asked(self.command, path, begin, self.headers.get("Authorization")))
        status = next((s for end, s in hub.statuses.items() if path.endswith(end)), None)
        if len(hub.asked) > MAX_REQUESTS:
            status = 503
        if status is not None:
            self._send(status, b"", {"Retry-After": "7"} if status == 429 else {})
        elif hub.is_portal:
            self._send(200, b"<html>please log in</html>", {"Content-Type": "text/html"})
        elif path.startswith("/api/models/"):
            self._list(path)
        elif path.startswith("/cdn/"):
            self._send_file(path.rpartition("/")[2], begin, {})
        else:
            self._resolve(path, begin)

    def _list(self, path: str) -> None:
        hub = self.hub
        repository = path.removeprefix("/api/models/")
        if not (names := hub.names(repository)):
            self._send(404, b"", {"X-Error-Code": "RepoNotFound"})
            return
        siblings = []
        for name, content in hub.files.items():
            if name not in names:
                continue
            told = {"rfilename": name, "size": len(content), "blobId": _git_hash(content)}
            if name.endswith(LFS_ENDINGS):
                told["lfs"] = {
                    "size": len(content),
                    "sha256": hub.sha256(name),
                    "pointerSize": 134,
                }
            siblings.append(told)
        told = {"id": repository, "sha": hub.commit, "siblings": siblings}
        self._send(200, json.dumps(told).encode(), {"Content-Type": "application/json"})

    def _resolve(self, path: str, begin: int | None) -> None:
        hub = self.hub
        repository, _, name = path.removeprefix("/").partition(f"/resolve/{hub.commit}/")
        if name not in hub.names(repository):
            self._send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": hub.commit})
            return
        content = hub.files[name]
        headers = {"X-Repo-Commit": hub.commit}
        if not name.endswith(LFS_ENDINGS):
            self._send_file(name, begin, headers | {"ETag": f'"{_git_hash(content)}"'})
            return
        # Another name for the same server, which the client must take for a stranger.
        elsewhere = hub.endpoint.replace("127.0.0.1", "localhost")
        headers |= {
            "Location": f"{elsewhere}/cdn/{name}",
            "X-Linked-Etag": f'"{hub.sha256(name)}"',
            "X-Linked-Size": str(len(content)),
        }
        self._send(302, b"", headers)

    def _send_file(self, name: str, begin: int | None, headers: dict[str, str]) -> None:
        hub = self.hub
        content = hub.bodies.get(name, hub.files[name])
        status, size = 200, len(content)
        if begin is not None:
            status = 206
            headers = headers | {"Content-Range": f"bytes {begin}-{size - 1}/{size}"}
            content = content[begin:]
        is_large = name.endswith(LFS_ENDINGS) and self.command == "GET"
        cut = hub.cuts.pop(0) if is_large and hub.cuts else None
        if is_large and hub.stalls:
            cut = len(content) // 2
        self._send(status, content, headers, cut=cut)
        if cut is not None:
            self.close_connection = True
            if hub.stalls:
                hub.released.wait(STALL_SECONDS)

    def _send(
        self, status: int, content: bytes, headers: dict[str, str], *, cut: int | None = None
    ) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content[:cut])
            self.wfile.flush()


def _git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
