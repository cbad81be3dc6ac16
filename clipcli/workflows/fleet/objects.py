"""What is known of an archive before it is read: its size, and a mark that changes with it."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from clipcli.errors import InputError
from clipcli.pipeline.remote import TIMEOUT_S, file_system, in_words
from clipcli.pipeline.source_names import URL
from clipcli.workflows.fleet.patience import within
from clipcli.workflows.fleet.store import ANSWER_S


class Looked(NamedTuple):
    """The size, and the mark; both empty where nothing is there."""

    n_bytes: int = 0
    etag: str = ""


def look_at(url: str) -> Looked:
    """Ask for the size and the mark of a file or an object.

    Raises
    ------
    InputError
        If a store does not answer; not if it has no such object.
    """
    try:
        if not URL.match(url):
            status = os.stat(url)  # noqa: PTH116 - the path as it was written
            return Looked(status.st_size, f"{status.st_size}-{status.st_mtime_ns}")
        if url.lower().startswith(("http://", "https://")):
            return _ask_web(url)
        system, path = file_system(url)
        return _looked(within(ANSWER_S, lambda: system.info(path)))
    except FileNotFoundError:
        return Looked()
    except TimeoutError as error:
        raise InputError(f"{url}: no answer within {ANSWER_S:.0f} s") from error
    except InputError:
        raise
    except Exception as error:  # a store raises what its package likes
        raise InputError(f"{url}: cannot be read ({in_words(error)})") from error


def _looked(info: dict[str, Any]) -> Looked:
    size = int(info.get("size") or 0)
    mark = next((info[key] for key in ("ETag", "etag", "md5Hash", "mtime") if info.get(key)), "")
    return Looked(size, f"{size}-{str(mark).strip(chr(34))}")


def _ask_web(url: str) -> Looked:
    import urllib.error
    import urllib.request

    request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "clipcli"})  # noqa: S310 - http(s)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S / 2) as answer:  # noqa: S310 - the same
            head = answer.headers
    except urllib.error.HTTPError as error:
        if error.code in (404, 410):
            return Looked()
        raise
    size = int(head.get("Content-Length") or 0)
    return Looked(size, f"{size}-{head.get('ETag') or head.get('Last-Modified') or ''}")


def objects_in(place: str, endings: tuple[str, ...] = ()) -> list[str]:
    """Return the names under a folder or a URL, or those that fit a pattern, sorted.

    Raises
    ------
    InputError
        If a store does not answer.
    """
    if not URL.match(place):
        found = [os.path.join(place, name) for name in os.listdir(place)]  # noqa: PTH118, PTH208 - as written
    else:
        system, path = file_system(place)
        protocol = place.partition("://")[0]

        def listed() -> list[str]:
            names = system.glob(path) if "*" in path else system.find(path)
            return [f"{protocol}://{name}" for name in names]

        try:
            found = within(ANSWER_S * 20, listed)
        except Exception as error:  # a store raises what its package likes
            raise InputError(f"{place}: cannot be listed ({in_words(error)})") from error
    return sorted(name for name in found if not endings or name.lower().endswith(endings))
