"""What can go wrong: the error tree and the exit codes.

Every failure that a user can cause or meet is a :class:`ClipcliError`. It carries one line that
names the thing and the fact, a hint that is an action, and the exit code that the command line
ends with. Anything else that escapes is a bug and keeps its traceback.
"""

from __future__ import annotations

from enum import IntEnum

# Whatever str.splitlines() takes for the end of a line.
_LINE_ENDS = {
    code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    for code in (*range(0x0A, 0x0E), 0x1C, 0x1D, 0x1E, 0x85, 0x2028, 0x2029)
}


class ExitCode(IntEnum):
    """What the process says when it ends; the numbers are a contract with shell scripts."""

    DONE = 0
    BUG = 1
    USAGE = 2
    NOTHING_USABLE = 3
    MODEL = 4
    SKIPPED = 5
    FINDINGS = 6
    INTERRUPTED = 130


class ClipcliError(Exception):
    """An expected failure: ``message`` names the thing and the fact, ``hint`` what to do.

    Both are one line each, whatever line ends a name in them has.
    """

    exit_code: ExitCode = ExitCode.USAGE

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        self.message = in_one_line(message)
        self.hint = in_one_line(hint) if hint is not None else None
        super().__init__(self.message)


class UsageError(ClipcliError):
    """Options that do not make sense, or do not make sense together."""


class LabelSetError(ClipcliError):
    """A label set that cannot be found, read or used; names the file and the line."""


class TemplateError(ClipcliError):
    """A prompt template that cannot be found or has no ``{}``."""


class CalibrationError(ClipcliError):
    """A calibration that cannot be read, written, or used for what is asked."""


class MissingExtraError(ClipcliError):
    """A feature whose optional dependency is not installed; the hint is the install command."""


class DeviceError(ClipcliError):
    """A device or precision that does not exist here."""


class OutputExistsError(ClipcliError):
    """An output file that is already there and may not be overwritten."""


class InputError(ClipcliError):
    """Inputs of which nothing can be used."""

    exit_code = ExitCode.NOTHING_USABLE


class OutputError(ClipcliError):
    """An output that could not be written."""

    exit_code = ExitCode.NOTHING_USABLE


class ModelError(ClipcliError):
    """A model that cannot be found, read or trusted."""

    exit_code = ExitCode.MODEL


class ImageError(ClipcliError):
    """One picture that cannot be decoded; the pipeline turns it into a skipped record.

    The message is the bare reason (``"truncated JPEG"``); the record already has the path.
    ``is_lasting`` says that the same bytes can never be decoded, with the same limits and versions;
    not so where memory, rights or an extra were missing.
    """

    exit_code = ExitCode.SKIPPED

    def __init__(self, message: str, *, hint: str | None = None, is_lasting: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.is_lasting = is_lasting


def in_one_line(text: str) -> str:
    """Write the line ends in a text as escapes, as a terminal shows them."""
    return text.translate(_LINE_ENDS)


def several(n: int, noun: str, plural: str | None = None) -> str:
    """Count things in words: "1 file", "2 files"."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {plural or noun + 's'}"
