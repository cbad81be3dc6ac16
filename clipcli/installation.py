"""How this installation was made, so that hints name the command that adds to it."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

_PIP = re.compile(
    r'(?:python -m )?pip install (?:"clipcli\[(?P<extra>\w+)\]"|(?P<name>onnxruntime)\b)'
)


def in_own_way(text: str) -> str:
    """Return a text in which `pip install …` of an extra is what fits this installation.

    pipx and uv keep a tool in an environment of its own, which pip in a shell does not reach.
    """
    if "pip install" not in text:
        return text
    way = _way()
    return _PIP.sub(lambda found: way(found["extra"], found["name"], found[0]), text)


def _way() -> Callable[[str | None, str | None, str], str]:
    prefix = Path(sys.prefix)
    if (prefix / "pipx_metadata.json").is_file():
        return lambda extra, name, _: f"pipx inject clipcli {' '.join(_packages(extra, name))}"
    if (prefix / "uv-receipt.toml").is_file():
        return lambda extra, name, _: (
            "uv tool install clipcli "
            + " ".join(f"--with {package}" for package in _packages(extra, name))
        )
    if find_spec("pip") is None and shutil.which("uv"):  # an environment that uv has made
        return lambda _extra, _name, usual: f"uv {usual.removeprefix('python -m ')}"
    return lambda _extra, _name, usual: usual


def _packages(extra: str | None, name: str | None) -> list[str]:
    """Return the packages behind an extra, by what the installed package says of itself."""
    from importlib.metadata import PackageNotFoundError, requires

    if extra is None:
        return [name or ""]
    try:
        told = requires("clipcli") or []
    except PackageNotFoundError:  # a checkout that is run in place
        told = []
    wanted = [line for line in told if re.search(rf"""extra == ['"]{extra}['"]""", line)]
    found = [re.match(r"[\w.-]+", line) for line in wanted]
    return [match[0] for match in found if match] or [f'"clipcli[{extra}]"']
