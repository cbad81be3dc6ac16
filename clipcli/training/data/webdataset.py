"""Pairs in tar files, as webdataset and img2dataset write them.

Files that follow each other and share their name up to the first dot are one sample: ``000.jpg``
with ``000.txt`` (a caption), ``000.json`` (``caption``, or ``captions``) or ``000.cls`` (a name, or
the number of a line of ``classnames.txt`` beside the tar, from 0). The pictures are read where they
lie; nothing is unpacked.
"""

from __future__ import annotations

import itertools
import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from clipcli.errors import InputError
from clipcli.training.data.pair import Pair, Place

PICTURES = frozenset(
    ("jpg", "jpeg", "png", "webp", "gif", "bmp", "ppm", "tif", "tiff", "avif", "heic", "jp2")
)
TEXTS = ("txt", "text", "caption", "json", "cls")  # the first that is there counts
CLASS_NAMES = "classnames.txt"
GZIP = b"\x1f\x8b"


def is_shards(path: Path) -> bool:
    """Tell whether this is a tar, or a folder of tars."""
    return path.suffix.lower() == ".tar" or (path.is_dir() and any(path.glob("*.tar")))


def read_shards(path: Path) -> list[Pair]:
    """Read a tar, or all tars of a folder in the order of their names.

    Raises
    ------
    InputError
        If one is no whole tar, or pictures or captions are missing: how many, and which first.
    """
    tars = sorted(path.glob("*.tar")) if path.is_dir() else [path]
    samples = [sample for tar in tars for sample in _samples(tar)]
    if not samples:
        raise InputError(f"{path}: no pictures in it")
    for what, is_missing in (
        ("have no caption", [not sample.captions for sample in samples]),
        ("have no picture", [sample.picture is None for sample in samples]),
    ):
        if any(is_missing):
            first = samples[is_missing.index(True)]
            raise InputError(
                f"{path}: {sum(is_missing)} of {len(samples)} samples {what}, "
                f"first {first.tar.name}:{first.key}",
                hint=f"a picture (.jpg ...) and one of .{', .'.join(TEXTS)} make a sample",
            )
    return [Pair(s.tar, s.captions, s.is_name, s.picture) for s in samples]


@dataclass(frozen=True, slots=True)
class _Sample:
    tar: Path
    key: str
    picture: Place | None
    captions: tuple[str, ...]
    is_name: bool


def _samples(path: Path) -> Iterator[_Sample]:
    names = _class_names(path.with_name(CLASS_NAMES))
    try:
        size = path.stat().st_size
        with tarfile.open(path, "r:") as tar:
            files = (member for member in tar if member.isfile())
            for key, members in itertools.groupby(files, key=lambda one: _split(one.name)[0]):
                own = {_split(member.name)[1]: member for member in members}
                last = max(own.values(), key=lambda member: member.offset_data)
                if last.offset_data + last.size > size:
                    raise InputError(f"{path}: not a whole tar file (it ends in {last.name})")
                if (PICTURES | set(TEXTS)) & own.keys():
                    yield _sample(tar, path, key, own, names)
    except tarfile.TarError as error:
        with path.open("rb") as file:
            is_compressed = file.read(2) == GZIP
        raise InputError(
            f"{path}: "
            + ("a compressed tar" if is_compressed else f"not a whole tar file ({error})"),
            hint="decompress it: pictures are read where they lie" if is_compressed else None,
        ) from error
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error


def _split(name: str) -> tuple[str, str]:
    """Split into what a sample's files share, and the ending: ``a/b.c.jpg`` -> a/b, c.jpg."""
    path = PurePosixPath(name)
    stem, _, ending = path.name.partition(".")
    return str(path.with_name(stem)) if stem else name, ending.lower()


def _sample(
    tar: tarfile.TarFile,
    path: Path,
    key: str,
    own: Mapping[str, tarfile.TarInfo],
    names: list[str] | None,
) -> _Sample:
    picture = next((own[ending] for ending in own if ending in PICTURES), None)
    kind = next((ending for ending in TEXTS if ending in own), "")
    captions: tuple[str, ...] = ()
    if kind:
        file = tar.extractfile(own[kind])
        assert file is not None
        where = f"{path}:{own[kind].name}"
        try:
            captions = _captions(kind, file.read().decode("utf-8-sig"), names, where)
        except UnicodeDecodeError as error:
            raise InputError(f"{where}: not UTF-8 text") from error
    place = None
    if picture is not None:
        place = Place(picture.name, picture.offset_data, picture.size)
    return _Sample(path, key, place, captions, is_name=kind == "cls")


def _captions(kind: str, text: str, names: list[str] | None, where: str) -> tuple[str, ...]:
    said: object = text
    if kind == "json":
        try:
            record = json.loads(text)
        except json.JSONDecodeError as error:
            raise InputError(f"{where}: not JSON: {error.msg}") from error
        keys = ("caption", "captions", "text")
        said = next((record[key] for key in keys if key in record), "") if record else ""
    elif kind == "cls" and (number := text.strip()).isdecimal():
        said = _class_name(int(number), names, where)
    texts = said if isinstance(said, list) else [said]
    plain = (" ".join(one.split()) for one in texts if isinstance(one, str))
    return tuple(one for one in plain if one)


def _class_name(number: int, names: list[str] | None, where: str) -> str:
    if names is None:
        raise InputError(
            f"{where}: class {number}, but there are no names",
            hint=f"write them into {CLASS_NAMES} beside the tar, one a line",
        )
    if number >= len(names):
        raise InputError(f"{where}: class {number}, but {CLASS_NAMES} has {len(names)} lines")
    return names[number]


def _class_names(path: Path) -> list[str] | None:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as UTF-8 text") from error
