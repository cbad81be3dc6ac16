"""What lies among pictures and is none: videos, sidecars and the like, by ending."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from clipcli.errors import several

OTHER = "other file"
_ENDINGS = {
    "video": "mp4 mov m4v avi mkv webm mts m2ts 3gp 3g2 wmv mpg mpeg flv ogv insv",
    "sidecar": "xmp aae thm lrf dop pp3 lrv cos nksc on1 arp spd",
    "sound": "mp3 m4a wav flac ogg opus aac aif aiff wma",
    "drawing or layered picture": "svg svgz psd psb xcf ai eps cdr kra afphoto dxf",
    "document": "pdf doc docx odt rtf ppt pptx xls xlsx ods epub",
    "archive": "zip 7z rar gz bz2 xz zst",
}
_PLURALS = {"drawing or layered picture": "drawings or layered pictures"}
_KINDS = {f".{ending}": kind for kind, endings in _ENDINGS.items() for ending in endings.split()}
VIDEOS = frozenset(ending for ending, kind in _KINDS.items() if kind == "video")
SIDECARS = frozenset(ending for ending, kind in _KINDS.items() if kind == "sidecar")


def kind_of(path: str) -> str:
    """Return what a file is called that is no picture: "video", or "other file"."""
    return _KINDS.get(Path(path).suffix.lower(), OTHER)


def in_words(kinds: Counter[str]) -> str:
    """Count them: "44 files left out: 20 videos, 24 sidecars"; other files alone need no list."""
    total = kinds.total()
    if set(kinds) <= {OTHER}:
        return f"{several(total, OTHER)} left out"
    # The most frequent first; what has no name of its own last.
    ordered = sorted(kinds.items(), key=lambda item: (item[0] == OTHER, -item[1], item[0]))
    parts = ", ".join(several(n, kind, _PLURALS.get(kind)) for kind, n in ordered)
    return f"{several(total, 'file')} left out: {parts}"
