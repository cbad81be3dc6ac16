"""The README's two pictures, made from the program: a terminal, and a contact sheet.

    python -m tests.docs.pictures      writes docs/images/; needs Chromium for the contact sheet

The terminal is what ``classify`` prints on one, drawn by rich. The contact sheet is the page of
``classify -o sheet.html``, photographed by a headless Chromium.
"""

from __future__ import annotations

import base64
import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.text import Text

from tests.browser import CHROMIUM, chromium
from tests.docs.blocks import ROOT, environment

IMAGES = ROOT / "docs" / "images"
COMMANDS = (
    "clipcli classify photos/cat.jpg photos/koala.jpg photos/citrus.jpg --labels demo -k 3",
    'clipcli search photos/ "a rocket taking off" --top 2',
)
SHEET = "clipcli classify photos/ --labels demo -o sheet.html"
COLUMNS, LINES = 88, 60
PAGE_PX = (1200, 760)
SHOWN_PX = (900, 570)
QUALITY = 66


def main() -> int:
    """Write both pictures, and say how large they are."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="clipcli-docs-") as folder:
        home = Path(folder)
        variables = environment(home, home / "cache")
        made = {"terminal.svg": terminal_picture(lay_out(home), variables).encode()}
        if CHROMIUM is None:
            print("chromium is not installed: the contact sheet stays as it is", file=sys.stderr)
        else:
            made["contact-sheet.jpg"] = sheet_picture(home, variables)
    for name, data in made.items():
        (IMAGES / name).write_bytes(data)
        print(f"docs/images/{name}: {len(data) / 1000:.1f} kB")
    return 0


def lay_out(home: Path) -> Path:
    """Put the photographs where the commands look for them, and return their working folder."""
    (home / "work" / "photos").symlink_to(ROOT / "examples" / "photos")
    return home / "work"


def terminal_picture(work: Path, variables: dict[str, str]) -> str:
    """Return an SVG of the commands and of what they print on a terminal."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    for number, command in enumerate(COMMANDS):
        text = printed_on_terminal(command, work, variables).strip("\n")
        console.print(Text.assemble("\n" if number else "", ("$ ", "green"), (command, "bold")))
        console.print(Text.from_ansi(text), soft_wrap=True)
    drawn = console.export_svg(title="clipcli", unique_id="clipcli")
    # The font would come from elsewhere; every browser has one of fixed width.
    return re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)


def printed_on_terminal(command: str, work: Path, variables: dict[str, str]) -> str:
    """Run a command on a pseudo-terminal and return what it shows there, colours included."""
    import pty  # POSIX only

    outer, inner = pty.openpty()
    plain = variables | {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(LINES)}
    process = subprocess.Popen(
        ["sh", "-c", command],
        cwd=work,
        env={name: value for name, value in plain.items() if name != "NO_COLOR"},
        stdin=subprocess.DEVNULL,
        stdout=inner,
        stderr=subprocess.DEVNULL,  # notes and progress
    )
    os.close(inner)
    chunks = []
    try:
        while chunk := os.read(outer, 2**16):
            chunks.append(chunk)
    except OSError:  # how Linux says that the other end was closed
        pass
    os.close(outer)
    assert process.wait() == 0, command
    return b"".join(chunks).decode().replace("\r\n", "\n")


def sheet_picture(home: Path, variables: dict[str, str]) -> bytes:
    """Return a JPEG of the contact sheet as a browser shows it."""
    work = home / "work"
    subprocess.run(["sh", "-c", SHEET], cwd=work, env=variables, check=True)
    width, height = PAGE_PX
    with chromium(home / "chromium") as browser:
        browser.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1.5,
            mobile=False,
        )
        browser.call("Emulation.setScrollbarsHidden", hidden=True)
        browser.open(work / "sheet.html")
        # Pictures further down are decoded when they are needed.
        browser.run("Promise.all([...document.images].slice(0, 12).map(i => i.decode()))")
        shot = browser.call("Page.captureScreenshot", format="png")["data"]
    with Image.open(io.BytesIO(base64.b64decode(shot))) as picture:
        shown = picture.convert("RGB").resize(SHOWN_PX, Image.Resampling.LANCZOS)
    out = io.BytesIO()
    shown.save(out, "JPEG", quality=QUALITY, optimize=True, progressive=True)
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main())
