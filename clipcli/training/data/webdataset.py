"""Pairs in tar files, as webdataset and img2dataset write them.

Files that follow each other and share their name up to the first dot are one sample (up to the last
dot, where no ending is known by that rule): ``000.jpg`` with ``000.txt`` (a caption), ``000.json``
(``caption``, or ``captions``) or ``000.cls`` (a name, or the number of a line of ``classnames.txt``
beside the tar, from 0). The pictures are read where they lie; nothing is unpacked.
"""

from __future__ import annotations

import io
import itertools
import os
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from clipcli.errors import InputError
from clipcli.files import decode_text, open_regular, read_regular
from clipcli.images.tars import check_end, members_of, strict_headers
from clipcli.strict_json import JsonError, parse_json, short
from clipcli.training.data.pair import ArchiveMember, Pair

PICTURES = frozenset(
    ("jpg", "jpeg", "png", "webp", "gif", "bmp", "ppm", "tif", "tiff", "avif", "heic", "jp2")
)
TEXTS = ("txt", "text", "caption", "json", "cls")  # the first that is there counts
CLASS_NAMES = "classnames.txt"
GZIP = b"\x1f\x8b"
PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE)
MAX_HEADER_BYTES = 1024**2  # long names stand in headers of their own
MAX_CAPTION_BYTES = 1024**2
MAX_CLASS_DIGITS = 9


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
    picture: ArchiveMember | None
    captions: tuple[str, ...]
    is_name: bool


def _samples(path: Path) -> Iterator[_Sample]:
    names = _class_names(path.with_name(CLASS_NAMES))
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            for key, members in itertools.groupby(_members(path, file), key=_key):
                alike = list(members)
                last = max(alike, key=lambda member: member.offset_data)
                if last.offset_data + last.size > size:
                    raise InputError(f"{path}: not a whole tar file (it ends in {last.name})")
                for name, own in _parts(key, alike):
                    if (PICTURES | set(TEXTS)) & own.keys():
                        yield _sample(file, path, name, own, names)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error


def _parts(
    key: str, members: Sequence[tarfile.TarInfo]
) -> Iterator[tuple[str, dict[str, tarfile.TarInfo]]]:
    """Yield the samples among files that share their name up to the first dot: one, as a rule.

    Where no ending is known by that rule, as with ``IMG.2024.05.jpg``, the dots belong to names.
    """
    own = {_split(member.name)[1]: member for member in members}
    if len(own) == len(members) and (PICTURES | set(TEXTS)) & own.keys():
        yield key, own
        return
    by_stem: dict[str, dict[str, tarfile.TarInfo]] = {}
    for member in members:
        suffix = PurePosixPath(member.name).suffix
        stem = member.name.removesuffix(suffix)
        by_stem.setdefault(stem, {})[suffix[1:].lower()] = member
    yield from by_stem.items()


def _key(member: tarfile.TarInfo) -> str:
    return _split(member.name)[0]


def _members(path: Path, file: BinaryIO) -> Iterator[tarfile.TarInfo]:
    """Yield a tar's plain files; whatever is wrong with it is an :class:`InputError`."""
    try:
        # The library sees a file of its own: captions are read from ours between two members.
        with open_regular(path) as own:
            is_compressed = own.read(len(GZIP)) == GZIP
            own.seek(0)
            position = -1
            headers = strict_headers()
            with tarfile.open(fileobj=_Headers(own), mode="r:", tarinfo=headers) as tar:
                for member in members_of(tar):
                    if member.size < 0 or member.offset <= position:
                        raise tarfile.ReadError("a header leads back")
                    position = member.offset
                    # Of a sparse file, the bytes do not lie one after the other.
                    if member.type in PLAIN and not member.issparse():
                        yield member
                check_end(own.read, has_end=headers.has_end)
    except (InputError, OSError, MemoryError):
        raise
    # Besides its own errors the library raises what it meets in a damaged header: ValueError,
    # OverflowError, UnicodeDecodeError, EOFError.
    except Exception as error:
        raise InputError(
            f"{path}: "
            + ("a compressed tar" if is_compressed else f"not a whole tar file ({error})"),
            hint="decompress it: pictures are read where they lie" if is_compressed else None,
        ) from error


class _Headers(io.RawIOBase):
    """A tar as its headers are read: a header that claims to be longer than any is refused.

    Subtle: ``read`` makes room for as much as it is asked for, and the library asks for as much as
    a header says that the name in it has.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, n_bytes: int = -1) -> bytes:
        if not 0 <= n_bytes <= MAX_HEADER_BYTES:
            raise tarfile.ReadError("a header that is far too long")
        return self._file.read(n_bytes)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _split(name: str) -> tuple[str, str]:
    """Split into what a sample's files share, and the ending: ``a/b.c.jpg`` -> a/b, c.jpg."""
    path = PurePosixPath(name)
    stem, _, ending = path.name.partition(".")
    return str(path.with_name(stem)) if stem else name, ending.lower()


def _sample(
    file: BinaryIO,
    path: Path,
    key: str,
    own: Mapping[str, tarfile.TarInfo],
    names: list[str] | None,
) -> _Sample:
    picture = next((own[ending] for ending in own if ending in PICTURES), None)
    kind = next((ending for ending in TEXTS if ending in own), "")
    captions: tuple[str, ...] = ()
    if kind:
        where = f"{path}:{own[kind].name}"
        if own[kind].size > MAX_CAPTION_BYTES:
            raise InputError(f"{where}: a caption of {own[kind].size:,} bytes")
        file.seek(own[kind].offset_data)
        try:
            text = file.read(own[kind].size).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InputError(f"{where}: not UTF-8 text") from error
        captions = _captions(kind, text, names, where)
    place = None
    if picture is not None:
        place = ArchiveMember(picture.name, picture.offset_data, picture.size)
    return _Sample(path, key, place, captions, is_name=kind == "cls")


def _captions(kind: str, text: str, names: list[str] | None, where: str) -> tuple[str, ...]:
    said: object = text
    if kind == "json":
        try:
            record = parse_json(text)
        except JsonError as error:
            raise InputError(f"{where}: {error.fact}") from error
        if not isinstance(record, dict):
            raise InputError(f"{where}: expected an object with a caption, got {short(record)}")
        keys = ("caption", "captions", "text")
        said = next((record[key] for key in keys if key in record), "")
    elif kind == "cls" and (number := text.strip()).isdecimal():
        if len(number) > MAX_CLASS_DIGITS:
            raise InputError(f"{where}: class {number[:20]}… is beyond all lists of names")
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
    if not path.exists():
        return None
    return decode_text(read_regular(path, InputError), str(path), InputError).splitlines()
