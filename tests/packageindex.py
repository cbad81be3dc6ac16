"""Package indexes on the loopback: one with tiny wheels, one that is silent, one that is shut."""

from __future__ import annotations

import re
import socket
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO


def wheel(name: str, version: str, files: Mapping[str, str]) -> bytes:
    """Return a pure Python wheel with these files in it, and nothing required."""
    folder = f"{name}-{version}.dist-info"
    about = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    written = {**files, **{f"{folder}/{part}": text for part, text in about.items()}}
    record = "".join(f"{path},,\n" for path in [*written, f"{folder}/RECORD"])
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path, text in [*written.items(), (f"{folder}/RECORD", record)]:
            archive.writestr(path, text)
    return content.getvalue()


@contextmanager
def serving(wheels: Mapping[tuple[str, str], Mapping[str, str]]) -> Iterator[tuple[str, list[str]]]:
    """Serve wheels of (name, version): files; give the address and the list of paths asked for."""
    asked: list[str] = []

    class Index(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            name = self.path.strip("/").partition("/")[0].replace("-", "_")
            offered = {v: files for (n, v), files in wheels.items() if n == name}
            if not offered:
                self.send_error(404)
            elif self.path.endswith(".whl"):
                version = self.path.split("-")[1].replace("%2B", "+")
                self._answer(wheel(name, version, offered[version]), "application/octet-stream")
            else:
                links = (f"{name}-{v.replace('+', '%2B')}-py3-none-any.whl" for v in offered)
                page = "".join(f'<a href="{link}">{link}</a>' for link in links)
                self._answer(f"<!DOCTYPE html><html>{page}</html>".encode(), "text/html")

        def _answer(self, body: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing on standard error."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", asked
        server.shutdown()


@contextmanager
def silent() -> Iterator[str]:
    """Give the address of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"


@contextmanager
def refusing() -> Iterator[str]:
    """Give an address at which nobody listens."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{reserved.getsockname()[1]}/"


def pinned(constraints: str) -> dict[tuple[str, str], dict[str, str]]:
    """Return an empty wheel for each line ``name==version`` of a constraints file."""
    pins = re.findall(r"^([\w.-]+)==([^\s;]+)", constraints, re.MULTILINE)
    return {(name.lower().replace("-", "_"), version): {} for name, version in pins}
