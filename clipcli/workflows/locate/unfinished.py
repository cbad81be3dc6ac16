"""Folders that are being filled: a file in each says so until all is there."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from clipcli.errors import OutputError
from clipcli.output.files import NewFile, output_error
from clipcli.version import __version__

NAME = "incomplete.json"


class Unfinished:
    """Marks folders before the first file is written, and takes the mark away at the end.

    So it stays where a run ends early, also by a power cut.
    """

    def __init__(self) -> None:
        self._folders: list[Path] = []

    def mark(self, folder: Path) -> None:
        """Mark a folder, which is made if need be; once is enough.

        Raises
        ------
        OutputError
        """
        if folder in self._folders:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(folder, error) from error
        _write(folder, "not finished")
        self._folders.append(folder)

    def end(self, reason: str | None) -> None:
        """Take the marks away, or say in them why the run ended early.

        Raises
        ------
        OutputError
            Where a mark cannot be taken away. With a reason there is an error on its way already,
            and "not finished" is not wrong.
        """
        for folder in self._folders:
            if reason is not None:
                with contextlib.suppress(OutputError):
                    _write(folder, reason)
                continue
            try:
                (folder / NAME).unlink(missing_ok=True)
            except OSError as error:
                raise output_error(folder / NAME, error) from error


def _write(folder: Path, reason: str) -> None:
    file = NewFile(folder / NAME, overwrite=True)
    try:
        file.write((json.dumps({"version": __version__, "error": reason}) + "\n").encode())
        file.commit()
    except BaseException:
        file.discard()
        raise
