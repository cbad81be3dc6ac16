"""docs/clipcli.1, the manual page: the command line reference in roff's man macros."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import typer

from clipcli.cli.app import app
from tests.docs.blocks import ROOT
from tests.docs.cli_reference import commands_below, panel_of, parts_of

PAGE = ROOT / "docs" / "clipcli.1"
SUMMARY = "zero-shot image classification on the command line"
EXIT_CODES = (
    (0, "done"),
    (1, "a bug in clipcli"),
    (2, "wrong use, or an output that exists"),
    (3, "nothing usable was found, or the output could not be written"),
    (4, "the model cannot be used"),
    (5, "done, but inputs were skipped"),
    (6, "findings, where they were asked for"),
    (130, "interrupted"),
)
FILES = (
    ("clipcli.toml", "defaults of options, in this folder or one above it"),
    ("$CLIPCLI_CONFIG", "a file in the place of clipcli.toml; empty for none"),
    ("$CLIPCLI_MODEL", "the model, where --model is not given"),
    ("$CLIPCLI_CACHE", "the folder of the cache"),
)


def manual() -> str:
    """Return the text of docs/clipcli.1."""
    commands = list(commands_below("clipcli", typer.main.get_command(app)))
    lines = [
        ".\\\" Generated from the commands' help: change clipcli/cli/, then run `make docs`.",
        '.TH CLIPCLI 1 "" "clipcli" "User Commands"',
        ".SH NAME",
        f"clipcli \\- {SUMMARY}",
        ".SH SYNOPSIS",
        ".B clipcli",
        "COMMAND [OPTIONS] [ARGUMENTS]",
        ".SH DESCRIPTION",
        "Says which word fits which picture, with probabilities.",
        "Without training, and with the small model that comes with it, without a network.",
        ".SH COMMANDS",
    ]
    for path, command in commands:
        lines += _command(path, command)
    lines.append(".SH EXIT STATUS")
    for code, meaning in EXIT_CODES:
        lines += [".TP", f".B {code}", _plain(meaning)]
    lines.append(".SH FILES AND ENVIRONMENT")
    for name, meaning in FILES:
        lines += [".TP", f".B {_plain(name)}", _plain(meaning)]
    return "\n".join(lines) + "\n"


def _command(path: str, command: Any) -> Iterator[str]:
    yield f".SS {_plain(path)}"
    paragraphs, usage, parameters = parts_of(path, command)
    for i, paragraph in enumerate(paragraphs):
        if i:
            yield ".PP"
        if paragraph.startswith("clipcli "):
            yield from [".nf", *map(_plain, paragraph.splitlines()), ".fi"]
        else:
            yield _plain(paragraph)
    yield from [".PP", f"Usage: {_plain(usage)}"]
    for title, group in groupby(parameters, key=lambda entry: panel_of(entry[0])):
        yield from [".PP", f".I {_plain(title)}"]
        for _, names, text in group:
            yield from [".TP", f".B {_plain(names)}", _plain(text)]


def _plain(text: str) -> str:
    """Escape what roff would take for its own: backslashes, dashes, dots and quotes first."""
    text = re.sub(r"`([^`]*)`", r"\1", text).replace("\\", "\\e").replace("-", "\\-")
    text = "".join(c if ord(c) < 127 else f"\\[u{ord(c):04X}]" for c in text)
    return f"\\&{text}" if text[:1] in (".", "'") else text
