"""The command that a watch runs for each picture."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass

from clipcli.errors import UsageError

FIELDS = ("{}", "{label}", "{probability}")


@dataclass(frozen=True, slots=True)
class WatchCommand:
    """A program and its arguments; no shell reads them, so a file's name is never code."""

    words: tuple[str, ...]

    def run(self, path: str, label: str, probability: float) -> str:
        """Run it for a picture, and return what went wrong, if anything did.

        It finds the same in ``CLIPCLI_PATH``, ``CLIPCLI_LABEL`` and ``CLIPCLI_PROBABILITY``.
        """
        values = (path, label, f"{probability:.6f}")
        words = [_filled(word, values) for word in self.words]
        if not any(field in word for word in self.words for field in FIELDS):
            words.append(path)
        names = ("CLIPCLI_PATH", "CLIPCLI_LABEL", "CLIPCLI_PROBABILITY")
        environment = os.environ | dict(zip(names, values, strict=True))
        try:
            done = subprocess.run(  # noqa: S603 - what the user named, without a shell
                words, stdin=subprocess.DEVNULL, env=environment, check=False
            )
        except (OSError, ValueError) as error:
            return f"could not be started ({getattr(error, 'strerror', None) or error})"
        return f"ended with code {done.returncode}" if done.returncode else ""


def _filled(word: str, values: tuple[str, str, str]) -> str:
    """Put values into a word; what they hold is not looked at again."""
    for i, field in enumerate(FIELDS):
        word = word.replace(field, f"\0{i}\0")
    for i, value in enumerate(values):
        word = word.replace(f"\0{i}\0", value)
    return word


def read_command(text: str) -> WatchCommand:
    """Return the command that a text describes, split as a shell splits it.

    Raises
    ------
    UsageError
        If there is none, or no such program.
    """
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(f"--exec {text}: {error}".lower(), hint="close the quotes") from error
    if not words or "\0" in text:
        raise UsageError("--exec: there is no command", hint="--exec 'notify-send {label} {}'")
    if shutil.which(words[0]) is None:
        raise UsageError(f"--exec {words[0]}: no such program", hint="name one, or its full path")
    return WatchCommand(words)
