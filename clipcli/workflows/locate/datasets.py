"""Boxes in the forms that training tools read: COCO, YOLO, Pascal VOC, and crops."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from xml.etree import ElementTree as ET

from clipcli.errors import OutputExistsError, UsageError
from clipcli.files import open_regular
from clipcli.images.decode import MAX_PIXELS
from clipcli.images.upright import open_upright
from clipcli.output.files import NewFile, output_error
from clipcli.pipeline.locating.run import Box, Located
from clipcli.results import Skipped
from clipcli.version import __version__

if TYPE_CHECKING:
    from collections import Counter

    from clipcli.output.formats import Sink

UNSAFE = re.compile(r"[^\w.-]+")
NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
CLASSES = "classes"  # the file of YOLO's labels, without its ending
NAME_BYTES = 100  # of a picture's name, and of a label, in a crop's: 255 is the most there is
JPEG_QUALITY = 92


class HasPath(Protocol):
    """A picture, or what was found in one."""

    @property
    def path(self) -> str: ...


T = TypeVar("T", bound=HasPath)


class CocoWriter:
    """COCO's results: a list with one object a box, categories numbered from one.

    ``image_id`` is the number that a file's name is, as COCO's are, and else the file's name.
    """

    def __init__(self, sink: Sink, labels: Sequence[str]) -> None:
        self._sink, self._before = sink, "["
        self._numbers = {label: i for i, label in enumerate(labels, 1)}

    def write(self, entry: Located | Skipped) -> None:
        """Add a picture's boxes."""
        if isinstance(entry, Skipped):
            return
        for box in entry.boxes:
            result = {
                "image_id": image_id(entry.path),
                "category_id": self._numbers[box.label],
                "bbox": [round(v, 2) for v in _sized(box)],
                "score": round(box.score, 6),
                "category": box.label,
                "method": entry.method,
            }
            self._send(self._before + json.dumps(result, ensure_ascii=False))
            self._before = ",\n"

    def finish(self, provenance: object, error: str | None) -> None:
        """Close the list."""
        self._send("[]\n" if self._before == "[" else "]\n")

    def _send(self, text: str) -> None:
        self._sink.write(text.encode("utf-8", "replace"))


def image_id(path: str) -> int | str:
    """Return the number that a file's name is, or the name."""
    stem = Path(path).stem
    is_number = stem.isascii() and stem.isdigit()
    return int(stem) if is_number else os.path.basename(path)  # noqa: PTH119 - as text


def check_names(entries: Iterable[HasPath], *, are_yolo: bool) -> None:
    """Refuse pictures that the files of YOLO or VOC cannot be called by.

    Raises
    ------
    UsageError
    """
    classes = by_stem(entries).get(CLASSES)
    if are_yolo and classes is not None:
        raise UsageError(
            f"{classes.path}: its boxes would be where YOLO has its labels, in {CLASSES}.txt",
            hint="rename the picture, or write --voc or --coco",
        )


def check_earlier(folder: Path, labels: Sequence[str], entries: Iterable[HasPath]) -> None:
    """Refuse a folder of YOLO where files that stay would be read by these labels' numbers.

    Raises
    ------
    OutputExistsError
        If it has other labels, and files of pictures that are not among these.
    """
    classes = _classes(labels).encode("utf-8", "replace")
    try:
        with open_regular(folder / f"{CLASSES}.txt") as file:
            if file.read(len(classes) + 1) == classes:
                return
    except OSError:  # there is none
        return
    replaced = {f"{Path(entry.path).stem}.txt" for entry in entries} | {f"{CLASSES}.txt"}
    others = (path for path in folder.glob("*.txt") if path.name not in replaced)
    stay = sorted(path.name for path in others if _has_numbers(path))
    if stay:
        more = f" and {len(stay) - 1:,} more" if len(stay) > 1 else ""
        raise OutputExistsError(
            f"{folder}: has boxes of other labels, in {stay[0]}{more}, whose numbers would mean "
            "others by the new classes.txt",
            hint="name another folder, or remove these files",
        )


def _has_numbers(path: Path) -> bool:
    """Say whether a file begins as one with boxes does; none is the same by all labels."""
    try:
        with open_regular(path) as file:
            return file.read(1).isdigit()
    except OSError:
        return False


def _classes(labels: Sequence[str]) -> str:
    return "\n".join(labels) + "\n"


class YoloFolder:
    """A text file a picture (class, centre and size, 0 to 1) and ``classes.txt``.

    These have no room for what found the boxes, so ``meta.json`` says it.
    """

    def __init__(self, folder: Path, labels: Sequence[str], *, overwrite: bool) -> None:
        self.path, self._labels, self._overwrite = folder, labels, overwrite
        self._numbers = {label: i for i, label in enumerate(labels)}
        self._has_begun = False

    def write(self, entry: Located) -> None:
        """Write a picture's file; the first one brings the labels'.

        Raises
        ------
        OutputExistsError, OutputError
        """
        if not self._has_begun:
            self._has_begun = True
            self._write(f"{CLASSES}.txt", _classes(self._labels))
            facts = {"version": __version__, "method": entry.method}
            self._write("meta.json", json.dumps(facts) + "\n")
        self._write(f"{Path(entry.path).stem}.txt", _yolo(entry, self._numbers))

    def _write(self, name: str, text: str) -> None:
        _write(self.path, name, text, overwrite=self._overwrite)


class VocFolder:
    """An XML file a picture, as Pascal VOC's annotations are."""

    def __init__(self, folder: Path, *, overwrite: bool) -> None:
        self.path, self._overwrite = folder, overwrite

    def write(self, entry: Located) -> None:
        """Write a picture's file.

        Raises
        ------
        OutputExistsError, OutputError
        """
        _write(self.path, f"{Path(entry.path).stem}.xml", _voc(entry), overwrite=self._overwrite)


def write_crops(folder: Path, entry: Located, taken: Counter[str]) -> int:
    """Write what lies in a picture's boxes as JPEGs, and return how many.

    ``taken`` counts the pictures of each name so far: the second ``x.jpg`` is called ``x~2``.

    Raises
    ------
    ImageError, OutputExistsError, OutputError
    """
    if not entry.boxes:
        return 0
    picture = open_upright(entry.path, max_pixels=pixels_of(entry)).image
    stem = _file_name(Path(entry.path).stem)
    taken[stem.casefold()] += 1
    if (number := taken[stem.casefold()]) > 1:
        stem = f"{stem}~{number}"
    n_written = 0
    for n, box in enumerate(entry.boxes, 1):
        left, top, right, bottom = box.corners
        whole = (
            int(left),
            int(top),
            max(int(left) + 1, round(right)),
            max(int(top) + 1, round(bottom)),
        )
        name = f"{stem}-{n:03d}-{_file_name(box.label)}.jpg"
        content = io.BytesIO()
        picture.crop(whole).save(content, "JPEG", quality=JPEG_QUALITY)
        _write(folder, name, content.getvalue(), overwrite=False)
        n_written += 1
    return n_written


def pixels_of(entry: Located) -> int:
    """Return how many pixels a picture may have that is opened again: as many as it had."""
    return max(MAX_PIXELS, entry.width * entry.height)


def _file_name(text: str) -> str:
    """Return a text as part of a file's name, on any system."""
    name = UNSAFE.sub("_", text)
    return name.encode("utf-8")[:NAME_BYTES].decode("utf-8", "ignore")


def by_stem(entries: Iterable[T]) -> dict[str, T]:
    """Return pictures by their names without ending, which files in one folder are called by.

    Some file systems know no case, so names do not either.

    Raises
    ------
    UsageError
        If two pictures of different folders have the same name.
    """
    found: dict[str, T] = {}
    for entry in entries:
        first = found.setdefault(Path(entry.path).stem.casefold(), entry)
        if first is not entry:
            raise UsageError(
                f"{first.path} and {entry.path} have the same name, and YOLO and VOC go by names",
                hint="run each folder by itself",
            )
    return found


def check_folder(folder: Path, *, overwrite: bool | None) -> None:
    """Refuse a folder that holds something, before any picture is looked at.

    ``overwrite`` is None where that cannot be asked for.

    Raises
    ------
    OutputExistsError
    """
    if folder.exists() and not folder.is_dir():
        raise OutputExistsError(f"{folder}: is a file, not a folder")
    if not overwrite and folder.is_dir() and any(folder.iterdir()):
        more = ", or add --overwrite" if overwrite is not None else "; crops want one of their own"
        raise OutputExistsError(f"{folder}: is not empty", hint=f"name another{more}")


def _yolo(entry: Located, numbers: dict[str, int]) -> str:
    lines = []
    for box in entry.boxes:
        left, top, width, height = _sized(box)
        shares = (
            (left + width / 2) / entry.width,
            (top + height / 2) / entry.height,
            width / entry.width,
            height / entry.height,
        )
        lines.append(f"{numbers[box.label]} " + " ".join(f"{v:.6f}" for v in shares) + "\n")
    return "".join(lines)


def _voc(entry: Located) -> str:
    root = ET.Element("annotation")
    path = Path(entry.path)
    _add(root, folder=path.parent.name, filename=path.name)
    _add(ET.SubElement(root, "source"), annotation=f"clipcli, {entry.method}")
    _add(ET.SubElement(root, "size"), width=entry.width, height=entry.height, depth=3)
    _add(root, segmented=0)
    for box in entry.boxes:
        thing = ET.SubElement(root, "object")
        facts = {"pose": "Unspecified", "truncated": 0, "difficult": 0}
        _add(thing, name=box.label, **facts, confidence=f"{box.score:.4f}")
        left, top, right, bottom = box.corners
        # VOC counts pixels from one, and the last pixel is within the box.
        _add(
            ET.SubElement(thing, "bndbox"),
            xmin=round(left) + 1,
            ymin=round(top) + 1,
            xmax=max(round(right), round(left) + 1),
            ymax=max(round(bottom), round(top) + 1),
        )
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def _add(parent: ET.Element, **values: Any) -> None:
    for name, value in values.items():
        ET.SubElement(parent, name).text = NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", str(value))


def _sized(box: Box) -> tuple[float, float, float, float]:
    left, top, right, bottom = box.corners
    return left, top, right - left, bottom - top


def _write(folder: Path, name: str, content: str | bytes, *, overwrite: bool) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    file = NewFile(folder / name, overwrite=overwrite)
    try:
        file.write(content if isinstance(content, bytes) else content.encode("utf-8", "replace"))
        file.commit()
    except BaseException:
        file.discard()
        raise
