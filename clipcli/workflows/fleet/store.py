"""Where a fleet's output lies: a folder, or a place in an object store.

Every file appears whole or not at all, and writing it again replaces it: in a folder by a temporary
file and a rename, in a store by one PUT.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from clipcli.errors import ClipcliError, InputError, OutputError
from clipcli.pipeline.remote import file_system, in_words
from clipcli.pipeline.source_names import URL
from clipcli.workflows.fleet.patience import within

TEMPORARY = "_tmp"  # readers of data sets leave aside what begins with _
MOST_BYTES = 2**31  # of a file that is read whole: a list of a hundred million paths
ANSWER_S = 15.0  # within which a store has to answer for the first time
ONE_PUT_BYTES = 5 * 2**30  # what S3 takes at once

# Errors of a disk, or a quota of one; EFBIG is a limit of the process or of the file system.
FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
# What stores say in their own words: QuotaExceeded, XMinioStorageFull, InsufficientStorage, 507.
FULL_IN_WORDS = re.compile(
    r"quota ?exceeded|your quota|storage ?full|insufficient ?storage|no space left|\(507\)",
    re.IGNORECASE,
)

T = TypeVar("T")


class FullStoreError(OutputError):
    """A place without room for more: trying again soon would cost work and change nothing."""


class PartStore(Protocol):
    """A folder of files that are written whole."""

    url: str

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes, or None where there is none."""

    def tail(self, name: str, n_bytes: int) -> bytes | None:
        """Return the last bytes of a file, all of a shorter one, None where there is none."""

    def write(self, name: str, data: bytes) -> None:
        """Write a file; one that is there is replaced.

        Raises
        ------
        OutputError
        """

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""

    def names(self, folder: str = "") -> set[str]:
        """Return the names in a folder; none where there is no such folder."""


def open_store(url: str) -> PartStore:
    """Open a folder, or what a URL such as ``s3://bucket/run-1`` stands for.

    Raises
    ------
    MissingExtraError, UsageError
    """
    if url.startswith("file://"):
        url = url.removeprefix("file://")
    return _ObjectStore(url) if URL.match(url) else _FolderStore(url)


def check_answers(store: PartStore) -> None:
    """Find out, in seconds, whether a store answers.

    Raises
    ------
    OutputError
        If it does not, or refuses.
    """
    try:
        within(ANSWER_S, store.names)
    except TimeoutError as error:
        raise OutputError(
            f"{store.url}: no answer within {ANSWER_S:.0f} s",
            hint="check the address, the network and, for S3, AWS_ENDPOINT_URL",
        ) from error


class _FolderStore:
    """Files of this machine, or of a disk that all machines share."""

    def __init__(self, path: str) -> None:
        self.url = path
        self._path = Path(path)

    def read(self, name: str) -> bytes | None:
        from clipcli.files import open_regular

        try:
            with open_regular(self._path / name) as file:
                return file.read(MOST_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(self.url, name, error) from error

    def tail(self, name: str, n_bytes: int) -> bytes | None:
        from clipcli.files import open_regular

        try:
            with open_regular(self._path / name) as file:
                size = os.fstat(file.fileno()).st_size
                file.seek(max(0, size - n_bytes))
                return file.read(n_bytes)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(self.url, name, error) from error

    def write(self, name: str, data: bytes) -> None:
        target, waiting = self._path / name, self._path / TEMPORARY
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            waiting.mkdir(exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=waiting, prefix=f"{target.name}-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                Path(temporary).chmod(0o644)
                os.replace(temporary, target)  # noqa: PTH105 - the one step that commits
            except BaseException:
                with contextlib.suppress(OSError):
                    Path(temporary).unlink()
                raise
        except OSError as error:
            raise _unwritable(self.url, name, error) from error

    def remove(self, name: str) -> None:
        try:
            (self._path / name).unlink(missing_ok=True)
        except OSError as error:
            raise _unwritable(self.url, name, error) from error

    def names(self, folder: str = "") -> set[str]:
        try:
            return set(os.listdir(self._path / folder))  # noqa: PTH208 - names are wanted
        except FileNotFoundError:
            return set()
        except OSError as error:
            raise _unreadable(self.url, folder, error) from error


class _ObjectStore:
    """Objects behind a URL, by fsspec."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._system, self._root = file_system(self.url)

    def read(self, name: str) -> bytes | None:
        return self._get(name, self._system.cat_file)

    def tail(self, name: str, n_bytes: int) -> bytes | None:
        return self._get(name, lambda path: self._system.cat_file(path, start=-n_bytes))

    def _get(self, name: str, get: Callable[[str], bytes]) -> bytes | None:
        try:
            return get(f"{self._root}/{name}")
        except FileNotFoundError:
            return None
        except Exception as error:  # a store raises what its package likes
            raise _unreadable(self.url, name, error) from error

    def write(self, name: str, data: bytes) -> None:
        # One PUT: whoever is killed in the middle leaves nothing, not even parts to pay for.
        if self._system.protocol in ("memory", "file") or "s3" not in self._system.protocol:
            more: dict[str, Any] = {}
        else:
            more = {"chunksize": ONE_PUT_BYTES // 2}
        try:
            self._system.pipe_file(f"{self._root}/{name}", data, **more)
        except Exception as error:
            raise _unwritable(self.url, name, error) from error

    def remove(self, name: str) -> None:
        try:
            self._system.rm_file(f"{self._root}/{name}")
        except FileNotFoundError:
            return
        except Exception as error:
            raise _unwritable(self.url, name, error) from error

    def names(self, folder: str = "") -> set[str]:
        path = f"{self._root}/{folder}".rstrip("/")
        try:
            self._system.invalidate_cache()
            found = self._system.ls(path, detail=False)
        except FileNotFoundError:
            return set()
        except Exception as error:
            raise _unreadable(self.url, folder, error) from error
        return {str(one).rstrip("/").rpartition("/")[2] for one in found}


def _unreadable(url: str, name: str, error: Exception) -> ClipcliError:
    return InputError(f"{url}/{name}".rstrip("/") + f": cannot be read ({_fact(error)})")


def _unwritable(url: str, name: str, error: Exception) -> ClipcliError:
    fact = f"{url}/{name}: could not be written ({_fact(error)})"
    if _is_full(error):
        return FullStoreError(
            fact, hint="make room there, and run it again, which goes on from here"
        )
    return OutputError(fact)


def _is_full(error: Exception) -> bool:
    is_full_disk = isinstance(error, OSError) and error.errno in FULL
    return is_full_disk or FULL_IN_WORDS.search(f"{error} {error.__cause__ or ''}") is not None


def _fact(error: Exception) -> str:
    said = error.strerror if isinstance(error, OSError) and error.strerror else in_words(error)
    return said if len(said) > 3 else f"{type(error).__name__} {said}"
