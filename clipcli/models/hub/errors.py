"""What can go wrong between here and the hub, and how to say it in a line."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from clipcli.errors import ModelError

# The hub's library has had three libraries for HTTP in a row; their errors are known by package.
HTTP_PACKAGES = ("httpx", "httpx2", "httpcore", "requests", "urllib3")
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
LOGIN = "accept the model's terms on its page, then set HF_TOKEN or run `hf auth login`"


@contextmanager
def in_words(what: str) -> Iterator[None]:
    """Turn whatever the hub's library raises into a :class:`ModelError` about ``what``."""
    from huggingface_hub import errors

    try:
        yield
    except errors.OfflineModeIsEnabled as error:
        raise _offline(what) from error
    except errors.HfHubHTTPError as error:
        raise _answered(what, error) from error
    except errors.HFValidationError as error:
        raise ModelError(f"{what}: cannot be the name of a repository: {_line(error)}") from error
    except OSError as error:
        raise _local(what, error) from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in HTTP_PACKAGES:
            raise
        raise _unreachable(what, error) from error


def _offline(what: str) -> ModelError:
    return ModelError(
        f"{what}: HF_HUB_OFFLINE is set, and the hub's cache does not have all of its files",
        hint="unset it to download, or `clipcli models import` a copy of the folder",
    )


def _answered(what: str, error: Exception) -> ModelError:
    """Explain the status that the server answered with."""
    from huggingface_hub import constants, errors

    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if status is None:  # the library's own conclusion
        return _local(what, OSError(_line(error)))
    where = f"{what}: {constants.ENDPOINT} answers {status}"
    if isinstance(error, errors.GatedRepoError) or status == 403:
        return ModelError(f"{where}: access is restricted", hint=LOGIN)
    if isinstance(error, errors.EntryNotFoundError):
        return ModelError(f"{where}: the file is not there")
    if status in (401, 404):
        return ModelError(
            f"{where}: there is no such model, or it is not public",
            hint="check the name (`clipcli models list`), or set HF_TOKEN if it is private",
        )
    if status == 429:
        after = getattr(response, "headers", {}).get("Retry-After")
        return ModelError(
            f"{where}: too many requests",
            hint=f"try again in {after} s" if after else "try again later; a token allows more",
        )
    return ModelError(where, hint="try again later; what has come is kept")


def _local(what: str, error: OSError) -> ModelError:
    if error.errno in NO_ROOM:
        return ModelError(
            f"{what}: the disk is full", hint="make room, or set HF_HOME to a larger disk"
        )
    if error.errno is None:  # the library's conclusions after the fact, such as a size that is off
        return _unreachable(what, error)
    place = f"{error.filename}: " if error.filename else ""
    return ModelError(f"{what}: {place}{error.strerror or error}")


def _unreachable(what: str, error: Exception) -> ModelError:
    from huggingface_hub import constants

    reason = _line(error) or type(error).__name__
    return ModelError(
        f"{what}: the download from {constants.ENDPOINT} broke off: {reason}",
        hint="run the same command again: it goes on where it stopped",
    )


def _line(error: Exception) -> str:
    """Return the first line that an error says."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "")
