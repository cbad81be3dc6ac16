"""Output files: never half-written, never over somebody's file unasked."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from clipcli.errors import OutputError, OutputExistsError, UsageError

PREFIX_CHARACTERS = 40  # of the final name, in the temporary one: leaves room for both


def check_target(path: Path, *, overwrite: bool) -> None:
    """Refuse, before any work is done, a target that cannot or may not be written.

    Raises
    ------
    OutputExistsError
        If it is there and ``overwrite`` was not asked for.
    OutputError
        If its folder is missing, or it is a folder or a pipe itself.
    """
    try:
        _check_target(path, overwrite=overwrite)
    except OSError as error:  # a name too long, or a folder that may not even be looked into
        raise output_error(path, error) from error


def _check_target(path: Path, *, overwrite: bool) -> None:
    if not path.parent.is_dir():
        raise OutputError(
            f"{path}: the folder {path.parent} does not exist", hint="make it, or choose another"
        )
    if path.is_dir():
        raise OutputError(f"{path}: is a folder", hint="name a file in it")
    what = irregular(path)
    if what:
        raise OutputError(
            f"{path}: {what}, not a file", hint="use --format, and let the shell redirect it"
        )
    if not overwrite and os.path.lexists(path):
        raise OutputExistsError(
            f"{path}: already exists", hint="choose another name, or pass --overwrite"
        )
    if not os.access(path.parent, os.W_OK):
        raise OutputError(f"{path}: the folder {path.parent} is not writable")


def check_apart(paths: Sequence[Path]) -> None:
    """Refuse outputs of which two are one file.

    Raises
    ------
    UsageError, OutputError
    """
    try:
        targets = [os.path.realpath(path) for path in paths]
    except OSError as error:  # os.getcwd
        raise OutputError(
            "the current folder is gone", hint="change to one that is there, or name whole paths"
        ) from error
    for path, target in zip(paths, targets, strict=True):
        if targets.count(target) > 1:
            raise UsageError(f"{path}: named twice as an output", hint="name each file once")


def irregular(path: Path) -> str:
    """Say what a path leads to that a file must not take the place of: a pipe, a device; or ""."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return ""
    kinds = ((stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"))
    named = (name for is_kind, name in kinds if is_kind(mode))
    return next(named, "" if stat.S_ISREG(mode) else "a device")


class NewFile:
    """A file that appears under its name only when :meth:`commit` is called, whole.

    After the first failure nothing is left of it, and each further call fails the same way.
    """

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        check_target(path, overwrite=overwrite)
        self.path, self._overwrite = path, overwrite
        # A link that is overwritten stays one: what it leads to is replaced.
        self._target = Path(os.path.realpath(path)) if overwrite else path
        self._failure: OutputError | None = None
        try:
            handle, name = tempfile.mkstemp(
                dir=self._target.parent, prefix=f".{path.name[:PREFIX_CHARACTERS]}-"
            )
        except OSError as error:
            raise output_error(path, error) from error
        self.temporary = Path(name)
        self.binary: IO[bytes] = os.fdopen(handle, "wb")

    def check(self) -> None:
        """Raise what went wrong before, if something did."""
        if self._failure is not None:
            raise self._failure

    @property
    def is_empty(self) -> bool:
        """Whether nothing was written."""
        return self.binary.tell() == 0

    def write(self, content: bytes) -> None:
        """Append bytes."""
        self.check()
        try:
            self.binary.write(content)
        except OSError as error:
            raise self.fail(error) from error

    def commit(self) -> None:
        """Give the file its name. Somebody else's file that came meanwhile is left alone."""
        self.check()
        try:
            self.binary.flush()
            os.fsync(self.binary.fileno())
            self.binary.close()
            with contextlib.suppress(OSError):  # some file systems know no permissions
                self.temporary.chmod(0o666 & ~_umask())
            if self._overwrite:
                self.temporary.replace(self._target)
            else:
                self._rename_if_free()
        except OSError as error:
            raise self.fail(error) from error

    def _rename_if_free(self) -> None:
        try:
            os.link(self.temporary, self.path)  # fails where the name is taken, unlike rename
        except FileExistsError as error:
            raise OutputExistsError(
                f"{self.path}: appeared while clipcli was running; the results are in "
                f"{self.temporary}"
            ) from error
        except OSError:  # a file system without hard links
            self.temporary.replace(self.path)
        else:
            self.temporary.unlink()

    def fail(self, error: OSError) -> OutputError:
        """Leave nothing behind, and return what to raise: now, and whenever one goes on."""
        self.discard()
        self._failure = output_error(self.path, error)
        return self._failure

    def discard(self) -> None:
        """Leave nothing behind."""
        with contextlib.suppress(OSError):
            self.binary.close()
        with contextlib.suppress(OSError):
            self.temporary.unlink()


def output_error(path: Path | str, error: OSError) -> OutputError:
    """Put a failed write into words."""
    return OutputError(f"{path}: could not be written ({error.strerror or error})")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
