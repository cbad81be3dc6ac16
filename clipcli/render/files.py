"""This file knows about output files: never half-written, never over somebody's file unasked."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import IO, Any

from clipcli.errors import OutputError, OutputExistsError


def check_target(path: Path, *, overwrite: bool) -> None:
    """Refuse, before any work is done, a target that cannot or may not be written.

    Raises
    ------
    OutputExistsError
        If it is there and ``overwrite`` was not asked for.
    OutputError
        If its folder is missing or it is a folder itself.
    """
    if not path.parent.is_dir():
        raise OutputError(
            f"{path}: the folder {path.parent} does not exist", hint="make it, or choose another"
        )
    if path.is_dir():
        raise OutputError(f"{path}: is a folder", hint="name a file in it")
    if not overwrite and (path.exists() or path.is_symlink()):
        raise OutputExistsError(
            f"{path}: already exists", hint="choose another name, or pass --overwrite"
        )
    if not os.access(path.parent, os.W_OK):
        raise OutputError(f"{path}: the folder {path.parent} is not writable")


class NewFile:
    """A file that appears under its name only when :meth:`commit` is called, whole."""

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        check_target(path, overwrite=overwrite)
        self.path, self._overwrite = path, overwrite
        try:
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:80]}-")
        except OSError as error:
            raise output_error(path, error) from error
        self.temporary = Path(name)
        self.binary: IO[bytes] = os.fdopen(handle, "wb")

    def write(self, content: bytes) -> None:
        """Append bytes."""
        try:
            self.binary.write(content)
        except OSError as error:
            raise output_error(self.path, error) from error

    def commit(self) -> None:
        """Give the file its name. Somebody else's file that came meanwhile is left alone."""
        try:
            self.binary.flush()
            os.fsync(self.binary.fileno())
            self.binary.close()
            self.temporary.chmod(0o666 & ~_umask())
            if self._overwrite:
                self.temporary.replace(self.path)
            else:
                self._rename_if_free()
        except OSError as error:
            self.discard()
            raise output_error(self.path, error) from error

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


def as_path(value: Any) -> Path:
    """Return an output option's value as a path."""
    return Path(os.fspath(value))
