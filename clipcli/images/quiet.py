"""Keeping decoders off the terminal: a record's reason says it all.

Broken pictures make Pillow warn and log, and libtiff, underneath, writes to standard error.
"""

from __future__ import annotations

import ctypes
import logging
import re
import warnings
from functools import cache

# What warnings.filters holds for "ignore whatever arises in Pillow".
_IGNORE = ("ignore", None, Warning, re.compile(r"PIL(\.|$)"), 0)


def keep_pillow_quiet() -> None:
    """Ignore Pillow's warnings and log lines from now on, in the whole process.

    ``warnings.catch_warnings`` is not safe with threads, so this is one filter, which is put in
    front again when somebody has put others before it.
    """
    if warnings.filters[:1] != [_IGNORE]:
        warnings.filterwarnings("ignore", module=_IGNORE[3].pattern)
    logger = logging.getLogger("PIL")
    if not logger.handlers:  # without any, Python prints errors itself
        logger.addHandler(logging.NullHandler())


@cache
def keep_libtiff_quiet() -> None:
    """Take libtiff's error printer away, as Pillow itself does with its printer of warnings.

    Found through Pillow's own extension module, which works where libtiff is a library of its own
    (Linux, macOS). Where it is built in (Windows) its lines stay.
    """
    from PIL import _imaging

    try:
        set_error_handler = ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler
    except (OSError, AttributeError):
        return
    set_error_handler.argtypes, set_error_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
    set_error_handler(None)
