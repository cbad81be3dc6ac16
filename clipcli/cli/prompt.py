"""Asking before something happens that the user may not want."""

from __future__ import annotations

import sys

import typer

from clipcli.errors import UsageError


def is_somebody_there() -> bool:
    """Tell whether a question would be answered: standard input is a terminal, and not closed."""
    return sys.stdin is not None and sys.stdin.isatty()


def check_askable(what: str, *, is_agreed: bool) -> None:
    """Refuse early what would need an answer where nobody is there to give one."""
    if not is_agreed and not is_somebody_there():
        raise UsageError(f"{what} nobody is there to answer", hint="say --yes")


def ask(question: str, *, is_agreed: bool) -> None:
    """Go on only if the user agrees, here or by ``--yes``."""
    from clipcli.output.text import visible

    check_askable(question, is_agreed=is_agreed)
    if not is_agreed and not typer.confirm(visible(question), err=True):
        raise typer.Abort
