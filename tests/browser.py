"""A headless Chromium, spoken to through its own pipe: DevTools protocol, no other library."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
    "--window-size=1280,900",
)
PATIENCE_S = 60.0
KEY_CODES = {"Escape": 27, "Enter": 13, "ArrowLeft": 37, "ArrowRight": 39}


class Browser:
    """One tab; ``events`` holds what the browser told of itself."""

    def __init__(self, read: int, write: int) -> None:
        self._read, self._write = read, write
        self._rest = b""
        self._n_sent = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def open(self, path: Path, fragment: str = "") -> None:
        """Load a file anew, and wait until it is there."""
        # Another fragment alone would be no load.
        self.call("Page.navigate", url="about:blank")
        self.run("document.readyState")
        self.events.clear()
        self.call("Page.navigate", url=path.as_uri() + fragment)
        self._wait_for(lambda: any(e["method"] == "Page.loadEventFired" for e in self.events))

    def run(self, script: str) -> Any:
        """Return the value of an expression, which may be a promise."""
        answer = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def choose(self, selector: str, value: str) -> None:
        """Choose an option, as a person does."""
        self.run(
            f"""(() => {{ const box = document.querySelector({json.dumps(selector)});
            box.value = {json.dumps(value)};
            box.dispatchEvent(new Event("change", {{bubbles: true}})); }})()"""
        )

    def click(self, selector: str) -> None:
        """Press the mouse in the middle of an element."""
        x, y = self.run(
            f"""(() => {{ const element = document.querySelector({json.dumps(selector)});
            element.scrollIntoView({{block: "center"}});
            const box = element.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2]; }})()"""
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def download(self, selector: str, folder: Path) -> Path:
        """Press on what saves a file; return the file, once all of it is in ``folder``.

        Chromium puts an empty file there first, under the name that the whole one will have: that
        the name exists says nothing, only the browser's own word of the end does.
        """
        n_before = len(self.events)

        def told(method: str) -> list[dict[str, Any]]:
            return [e["params"] for e in self.events[n_before:] if e["method"] == method]

        def is_over() -> bool:
            return any(one["state"] != "inProgress" for one in told("Page.downloadProgress"))

        self.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
        self.click(selector)
        self._wait_for(is_over)
        assert told("Page.downloadProgress")[-1]["state"] == "completed"
        return folder / str(told("Page.downloadWillBegin")[0]["suggestedFilename"])

    def press(self, key: str, text: str = "") -> None:
        """Press a key."""
        more: dict[str, Any] = {"text": text} if text else {}
        more["windowsVirtualKeyCode"] = KEY_CODES.get(key, 0)
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, **more)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key)

    def type(self, text: str) -> None:
        """Write into what has the focus."""
        self.call("Input.insertText", text=text)

    def complaints(self) -> list[str]:
        """Return errors and warnings of the console, and exceptions."""
        kinds = ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled")
        return [json.dumps(e["params"]) for e in self.events if e["method"] in kinds]

    def requests(self) -> list[str]:
        """Return the addresses that were asked for, pictures inside of the page left out."""
        told = [e["params"] for e in self.events if e["method"] == "Network.requestWillBeSent"]
        urls = [params["request"]["url"] for params in told]
        return [url for url in urls if not url.startswith("data:")]

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask the browser something and wait for its answer."""
        self._n_sent += 1
        number = self._n_sent
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        answers: list[dict[str, Any]] = []
        self._wait_for(lambda: bool(answers), answers, number)
        assert "error" not in answers[0], answers[0]
        result: dict[str, Any] = answers[0]["result"]
        return result

    def _wait_for(
        self, is_done: Any, answers: list[dict[str, Any]] | None = None, number: int = 0
    ) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not is_done():
            assert time.monotonic() < deadline, "the browser does not answer"
            if not select.select([self._read], [], [], 1.0)[0]:
                continue
            chunk = os.read(self._read, 2**20)
            assert chunk, "the browser is gone"
            *whole, self._rest = (self._rest + chunk).split(b"\0")
            for message in map(json.loads, whole):
                if answers is not None and message.get("id") == number:
                    answers.append(message)
                elif "method" in message:
                    self.events.append(message)


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """Start a browser that keeps everything in ``folder``, and end it."""
    assert CHROMIUM is not None
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    # The browser reads from descriptor 3 and writes to 4.
    command = ["bash", "-c", f'exec "$@" 3<&{to_read} 4>&{from_write}', "-", CHROMIUM, *FLAGS]
    process = subprocess.Popen(
        [*command, f"--user-data-dir={folder}", "about:blank"],
        pass_fds=(to_read, from_write),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_read)
    os.close(from_write)
    try:
        yield Browser(from_read, to_write)
    finally:
        process.terminate()
        process.wait(20)
        os.close(from_read)
        os.close(to_write)
