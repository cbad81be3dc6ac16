"""Links from a page to files: relative where it can be, percent-encoded."""

from __future__ import annotations

import base64
import hashlib
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_from_bytes

from clipcli.output.text import visible

if TYPE_CHECKING:
    from jinja2 import Environment


def link(path: str, folder: Path | None) -> str:
    """Return the URL of a file for a page in ``folder``; None: the page may lie anywhere.

    A name's bytes are encoded as they are, so that names that are not UTF-8 lead somewhere too.
    """
    if folder is None:
        return _absolute(path)
    try:
        relative = os.path.relpath(path, folder)
    except ValueError:  # another drive, on Windows
        return _absolute(path)
    # A colon is encoded as well, so "c:d.jpg" in this folder is no URL of the scheme "c".
    return quote_from_bytes(os.fsencode(relative.replace(os.sep, "/")))


def _absolute(path: str) -> str:
    return Path(path).absolute().as_uri()


FOLDER = Path(__file__).parent / "templates"
STYLES = (
    *("style.css", "gallery.css", "full.css", "review.css"),
    *("audit.css", "evaluation.css", "explain.css"),
)
SCRIPTS = (
    "theme.js",
    "pictures.js",
    "heats.js",
    "decisions.js",
    "full.js",
    "review.js",
    "detail.js",
    "gallery.js",
    "explain.js",
)  # share one scope, in this order


def page(template: str, **context: Any) -> str:
    """Fill in a template.

    Parameters
    ----------
    template
        A name in ``templates/``; it extends ``base.html``.
    **context
        What the template asks for. ``base.html`` wants ``title``, and takes ``lead`` (a sentence
        below it) and ``provenance`` (pairs of name and value).
    """
    return _environment().get_template(template).render(context)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(FOLDER, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,  # a misspelt name is an error, not a gap in the page
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = "\n".join(map(_read, STYLES))
    script = '"use strict";\n(() => {\n' + "\n".join(map(_read, SCRIPTS)) + "\n})();\n"
    environment.globals |= {
        "style": Markup(style),  # noqa: S704 - our own files
        "script": Markup(script),  # noqa: S704 - our own files
        "policy": _policy(style, script),
    }
    environment.filters |= {"count": _count, "percent": _percent, "visible": visible}
    return environment


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Return the policy: our style, our script, pictures in the page or beside it, nothing else.

    Pictures in full come from where the page lies: from files, or from the server that has it.
    """
    return (
        "default-src 'none'; img-src data: file: 'self'; "
        f"style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _count(n: int) -> str:
    return f"{n:,}"


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"
