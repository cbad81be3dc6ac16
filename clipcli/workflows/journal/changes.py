"""Changes to files under a journal: what a command calls to move, link, write and trash.

::

    with begun_changes("tag", ["/photos", "/more"]) as changes:
        note(changes.path)  # of the journal, which `clipcli undo` takes
        changes.rewrite("/photos/a.xmp", b"...", state=None)  # a file that is not there yet
        changes.move("/photos/a.jpg", "/more/cats/a.jpg", look("/photos/a.jpg"))

Each change is on the disk in the journal before it is made, and each can be killed at any moment:
``undo`` gives back bytes, times and permissions. A path is named by one change of a journal only.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path

from clipcli.errors import OutputError
from clipcli.images.files import failure_reason
from clipcli.process import held
from clipcli.workflows.journal import replacing, transfer
from clipcli.workflows.journal.filestate import (
    FileState,
    RefusedError,
    check_unchanged,
    digest,
    is_within,
    n_links,
    place,
    real_path,
    sync_folder,
)
from clipcli.workflows.journal.journal import Journal, new_journal_of
from clipcli.workflows.journal.records import Step, folder_record, step_record

# Of the place that takes no more; everything else is of one file.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO} if hasattr(errno, "EDQUOT") else {28, 5})


@contextmanager
def begun_changes(command: str, roots: Iterable[str]) -> Iterator[Changes]:
    """Yield what changes files, under a new journal.

    Parameters
    ----------
    command
        Its name, as in ``clipcli undo``'s question: "the tag of 2026-11-27".
    roots
        Folders that all changes lie in or under. They need not be there yet, their parents do.

    Raises
    ------
    OutputError
        If there can be no journal.
    """
    real = dict.fromkeys(map(os.path.realpath, roots))
    with new_journal_of(command, tuple(real)) as journal:
        yield Changes(journal, tuple(real))


class Changes:
    """Changes files, each recorded before it is made; an interrupt comes between two.

    Every method raises :class:`RefusedError`, whose message is the bare reason, for one file that
    stays as it is, and :class:`OutputError` when the disk or the journal can take no more; what was
    done before stays done. ``state`` is what :func:`look` said of a file when it was decided what
    to do with it: one that has changed since is refused. Paths are absolute.
    """

    def __init__(self, journal: Journal, roots: tuple[str, ...]) -> None:
        self._journal, self._roots = journal, roots
        self._numbers = count(1)
        self._named: set[str] = set()
        self._known_folders: set[str] = set()  # made by us, or their time is in the journal

    @property
    def path(self) -> Path:
        """Return the path of the journal."""
        return self._journal.path

    def move(self, source: str, target: str, state: FileState, sha256: str = "") -> bool:
        """Move a file, between file systems too; folders above the target are made.

        Parameters
        ----------
        sha256
            What the file's content is expected to be, if that is known.

        Returns
        -------
        bool
            False if the name is taken, and nothing has happened: try another.
        """
        with held():
            return self._move(source, target, state, sha256, Step(0, "move", ""), b"")

    def trash(
        self, source: str, target: str, note: tuple[str, str], state: FileState, sha256: str = ""
    ) -> bool:
        """Move a file into a trash folder, with a note that must not be there yet.

        Parameters
        ----------
        note
            Its path, under the same root as the target, and its text. It is written first, and
            goes again when the file comes back.
        """
        with held():
            path, text = real_path(note[0]), note[1]
            root, relative = self._relative(path)
            step = Step(0, "trash", "", note=relative, note_text=text)
            assert self._relative(real_path(target))[0] == root
            if not self._is_free(path):
                return False
            self._make_folders(os.path.dirname(path))
            return self._move(source, target, state, sha256, step, text.encode("utf-8"))

    def hardlink(self, path: str, kept: str, state: FileState, kept_state: FileState) -> None:
        """Replace a file by a hard link to another with the same content.

        Undo makes it a file of its own again, with its own time and permissions.
        """
        with held():
            path, kept = real_path(path), real_path(kept)
            self._check_unnamed(path)
            check_unchanged(path, state)
            check_unchanged(kept, kept_state)
            if state.device != kept_state.device:
                raise RefusedError("on another file system, where hard links do not reach")
            if n_links(path) > 1:
                raise RefusedError("has hard links already")
            sha256 = digest(path)
            if digest(kept) != sha256:
                raise RefusedError("is not the same in every byte")
            step = Step(0, "relink", "", state=state, sha256=sha256)
            step = self._placed(step, kept, path)
            self._begin(step, path)
            with self._failures(step, path):
                replacing.relink(path, kept, state, kept_state, step.temporary)
            self._end(step)

    def rewrite(self, path: str, content: bytes, state: FileState | None) -> bool:
        """Write a file: in place of what it held, which is kept, or a new one if ``state`` is None.

        The new file has the old one's permissions, owner and attributes, and the time of now.

        Returns
        -------
        bool
            False if it has that content already; nothing has happened then.
        """
        with held():
            path = real_path(path)
            self._check_unnamed(path)
            step = Step(0, "rewrite", "", state=state, new_size=len(content))
            new = hashlib.sha256(content).hexdigest()
            if state is not None:
                check_unchanged(path, state)
                step = replace(step, sha256=digest(path))
                if step.sha256 == new:
                    return False
            elif os.path.lexists(path):
                raise RefusedError("is there already")
            else:
                self._make_folders(os.path.dirname(path))
            step = self._placed(replace(step, new_sha256=new), "", path)
            self._begin(step, path)
            if state is not None:
                self._keep(step, path, state)
            with self._failures(step, path):
                replacing.rewrite(path, content, state, step.temporary)
            self._end(step)
            return True

    def make_folder(self, path: str, mode: int = 0o777) -> None:
        """Make a folder under a root, and those above it; one that is there is left."""
        with held():
            self._make_folders(real_path(path), mode)

    # --- one step

    def _move(
        self, source: str, target: str, state: FileState, sha256: str, step: Step, note: bytes
    ) -> bool:
        source, target = real_path(source), real_path(target)
        self._check_unnamed(source)
        check_unchanged(source, state)
        found = digest(source)
        if sha256 and found != sha256:
            raise RefusedError("changed since it was looked at")
        if not self._is_free(target):
            return False
        self._make_folders(os.path.dirname(target))
        step = self._placed(replace(step, state=state, sha256=found), source, target)
        self._begin(step, source, target)
        try:
            with self._failures(step, target):
                self._act(step, source, target, note)
        except FileExistsError:
            # What lies there is somebody else's, even if it is the same in every byte.
            self._journal.write({"void": step.number})
            self._named -= {source, target}
            return False
        self._end(step)
        return True

    def _act(self, step: Step, source: str, target: str, note: bytes) -> None:
        assert step.state is not None
        if not step.note:
            transfer.move(source, target, step.state, step.sha256)
            return
        path = place(self._roots[step.target_root], step.note)
        transfer.write_new(path, note)
        try:
            transfer.move(source, target, step.state, step.sha256)
        except (OSError, RefusedError):
            with suppress(OSError):
                os.unlink(path)
            raise

    def _keep(self, step: Step, path: str, state: FileState) -> None:
        """Keep what a file holds in the journal's store."""
        self._journal.open_store()
        kept = self._journal.kept(step.number)
        with self._failures(step, kept):
            transfer.copy(path, kept, state, step.sha256)

    def _placed(self, step: Step, source: str, target: str) -> Step:
        """Return a step with its number and paths."""
        target_root, target = self._relative(target)
        source_root, source = self._relative(source) if source else (0, "")
        return replace(
            step,
            number=next(self._numbers),
            target=target,
            source=source,
            source_root=source_root,
            target_root=target_root,
            temporary=(replacing.new_temporary() if step.action in ("relink", "rewrite") else ""),
        )

    def _begin(self, step: Step, *paths: str) -> None:
        """Have a step in the journal, and the times of the folders that it changes."""
        folders = [self._time_of(os.path.dirname(path)) for path in paths]
        self._journal.write(*(record for record in folders if record), step_record(step))
        self._named.update(paths)

    def _end(self, step: Step) -> None:
        self._journal.write({"done": step.number}, is_urgent=False)

    def _time_of(self, folder: str) -> dict[str, object] | None:
        if folder in self._known_folders:
            return None
        root, relative = self._relative(folder)
        try:
            mtime_ns = os.stat(folder).st_mtime_ns
        except OSError as error:
            raise RefusedError(failure_reason(error, folder)) from error
        self._known_folders.add(folder)
        return folder_record(root, relative, mtime_ns)

    @contextmanager
    def _failures(self, step: Step, path: str) -> Iterator[None]:
        """Tell a file that stays as it is from a place that takes no more."""
        try:
            yield
        except FileExistsError as error:
            if step.action in ("move", "trash"):
                raise
            self._void(step)
            raise RefusedError("is there already") from error
        except RefusedError:
            self._void(step)
            raise
        except OSError as error:
            if error.errno in _FULL:
                reason = error.strerror or error
                raise OutputError(f"{path}: could not be written ({reason})") from error
            self._void(step)
            raise RefusedError(failure_reason(error, path)) from error

    def _void(self, step: Step) -> None:
        """Take a step out of the journal that came to nothing.

        What was to move stays in it: if the file is gone from its old place, the new one may have
        the only copy.
        """
        if step.action in ("relink", "rewrite"):
            self._journal.write({"void": step.number})

    # --- folders and names

    def _make_folders(self, folder: str, mode: int = 0o777) -> None:
        root = self._roots[self._relative(folder)[0]]
        missing = []
        while not os.path.lexists(folder):
            missing.append(folder)
            if folder == root:
                break
            folder = os.path.dirname(folder)
        if not missing and (os.path.islink(folder) or not os.path.isdir(folder)):
            raise RefusedError(f"{folder} is there and is not a folder")
        for path in reversed(missing):
            self._make(path, mode)

    def _make(self, path: str, mode: int) -> None:
        root, relative = self._relative(path)
        step = Step(next(self._numbers), "folder", relative, target_root=root)
        parent = None if path == self._roots[root] else self._time_of(os.path.dirname(path))
        self._journal.write(*([parent] if parent else []), step_record(step))
        with self._failures(step, path), suppress(FileExistsError):
            os.mkdir(path, mode)
            self._known_folders.add(path)
            self._end(step)
            sync_folder(os.path.dirname(path))

    def _is_free(self, path: str) -> bool:
        return path not in self._named and not os.path.lexists(path)

    def _check_unnamed(self, path: str) -> None:
        if path in self._named:
            raise RefusedError("was changed by this run already")

    def _relative(self, path: str) -> tuple[int, str]:
        """Return the number of the innermost root that a path is in, and its way from there."""
        within = [i for i, root in enumerate(self._roots) if is_within(path, root)]
        assert within, f"{path} is under none of {self._roots}"
        number = max(within, key=lambda i: len(self._roots[i]))
        relative = os.path.relpath(path, self._roots[number])
        return number, "" if relative == os.curdir else relative
