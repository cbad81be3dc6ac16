"""Every input is found once, in order, or has a reason."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from clipcli.errors import UsageError
from clipcli.images.find import FindReport, ImageFile, find_images
from clipcli.results import Skipped

GIF = b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(*names: str, content: bytes = b"") -> None:
    for name in names:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def found(*arguments: str, **options: Any) -> list[str]:
    return [record.path for record in find_images(arguments, **options)]


def skipped(records: Iterable[ImageFile | Skipped]) -> dict[str, str]:
    return {record.path: record.reason for record in records if isinstance(record, Skipped)}


def slashes(*paths: str) -> list[str]:
    return [path.replace("/", os.sep) for path in paths]


# Files and folders ---------------------------------------------------------------------------


@pytest.mark.usefixtures("here")
def test_a_named_file_is_always_an_input() -> None:
    write("notes.txt", ".hidden.jpg", "noending")

    assert found("notes.txt", ".hidden.jpg", "noending") == ["notes.txt", ".hidden.jpg", "noending"]


@pytest.mark.usefixtures("here")
def test_arguments_keep_their_order_and_their_spelling() -> None:
    write("b.jpg", "a.jpg", "in/c.jpg")

    assert found("./b.jpg", "in", "a.jpg") == ["./b.jpg", *slashes("in/c.jpg"), "a.jpg"]
    assert found("./in/") == ["./in/c.jpg"]
    assert found(".") == slashes("./a.jpg", "./b.jpg", "./in/c.jpg")


@pytest.mark.usefixtures("here")
def test_a_folder_is_walked_in_natural_order_files_first() -> None:
    write("in/img10.jpg", "in/img2.jpg", "in/IMG3.jpg", "in/a/z.png", "in/b2/y.png", "in/b10/x.png")

    assert found("in") == slashes(
        "in/img2.jpg", "in/IMG3.jpg", "in/img10.jpg", "in/a/z.png", "in/b2/y.png", "in/b10/x.png"
    )


@pytest.mark.usefixtures("here")
def test_names_with_equal_keys_have_one_order() -> None:
    write("in/a01.jpg", "in/a1.jpg", "in/a001.jpg")

    assert found("in") == slashes("in/a001.jpg", "in/a01.jpg", "in/a1.jpg")


@pytest.mark.usefixtures("here")
def test_hidden_files_and_folders_are_left_out() -> None:
    write("in/.secret.jpg", "in/._photo.jpg", "in/.thumbs/x.jpg", "in/photo.jpg")
    report = FindReport()

    assert found("in", report=report) == slashes("in/photo.jpg")
    assert report.ignored == 0


@pytest.mark.usefixtures("here")
def test_a_hidden_folder_that_is_named_is_walked() -> None:
    write(".album/photo.jpg")

    assert found(".album") == slashes(".album/photo.jpg")


@pytest.mark.usefixtures("here")
def test_in_a_folder_endings_or_content_count_and_others_are_counted() -> None:
    write("in/empty.JPEG", "in/notes.txt", "in/Makefile", "in/P5.txt", "in/BMW.txt")
    write("in/noending", "in/picture.dat", content=GIF)
    Path("in/P5.txt").write_bytes(b"P5 is a road")
    Path("in/BMW.txt").write_bytes(b"BMW is a maker of cars and motorcycles")
    report = FindReport()

    assert found("in", report=report) == slashes("in/empty.JPEG", "in/noending", "in/picture.dat")
    assert report.ignored == 4
    assert report.n_folders == 1


@pytest.mark.usefixtures("here")
def test_knows_the_endings_of_every_format() -> None:
    endings = (
        "apng avif bmp gif heic heif j2k jfif jp2 jpe jpeg jpg jpx mpo pbm pfm pgm png pnm ppm tif "
        "tiff webp"
    )
    names = [f"in/{ending}.{ending}" for ending in endings.split()]
    write(*names)
    write("shouting/a.JPG", "shouting/b.Tiff")

    assert found("in") == slashes(*names)
    assert found("shouting") == slashes("shouting/a.JPG", "shouting/b.Tiff")


@pytest.mark.usefixtures("here")
def test_missing_paths_are_records() -> None:
    write("a.jpg")

    records = list(find_images(["nowhere", "a.jpg", "a.jpg/b.jpg", "", "zero\0byte"]))

    missing = "no such file or folder"
    assert [record.path for record in records] == [
        *("nowhere", "a.jpg", "a.jpg/b.jpg", "", "zero\0byte")
    ]
    assert skipped(records) == {
        "nowhere": missing,
        "a.jpg/b.jpg": missing,
        "": missing,
        "zero\0byte": "not a valid path",
    }


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes in folders")
@pytest.mark.usefixtures("here")
def test_what_is_no_regular_file_is_a_record_if_named_or_called_a_picture() -> None:
    write("in/a.jpg")
    os.mkfifo("in/pipe")
    os.mkfifo("in/pipe.jpg")
    report = FindReport()

    records = list(find_images(["in", "in/pipe", "/dev/null"], report=report))

    pipe = "a named pipe, not a file"
    assert skipped(records) == {
        "in/pipe.jpg": pipe,
        "in/pipe": pipe,
        "/dev/null": "a device, not a file",
    }
    assert report.ignored == 1


@pytest.mark.usefixtures("here")
def test_a_folder_that_may_not_be_read_is_one_record(monkeypatch: pytest.MonkeyPatch) -> None:
    write("in/a.jpg", "in/locked/b.jpg", "in/open/c.jpg")
    scandir = os.scandir

    def guarded(folder: str) -> Any:
        if folder.endswith("locked"):
            raise PermissionError(13, "Permission denied", folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", guarded)

    records = list(find_images(["in"]))

    assert [record.path for record in records] == slashes("in/a.jpg", "in/locked", "in/open/c.jpg")
    assert skipped(records) == {slashes("in/locked")[0]: "permission denied"}


@pytest.mark.usefixtures("here")
def test_finding_is_lazy(monkeypatch: pytest.MonkeyPatch) -> None:
    write("in/a.jpg", "in/one/b.jpg", "in/two/c.jpg")
    listed = []
    scandir = os.scandir

    def noting(folder: str) -> Any:
        listed.append(folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", noting)

    records = find_images(["in"])
    first = next(records)

    assert first == ImageFile(slashes("in/a.jpg")[0])
    assert listed == ["in"]


# The same file twice -------------------------------------------------------------------------


@pytest.mark.usefixtures("here")
def test_a_file_reached_twice_is_one_record() -> None:
    write("in/a.jpg", "in/b.jpg")
    report = FindReport()

    records = found("in/b.jpg", "in", "./in/../in/a.jpg", "in", report=report)

    assert records == ["in/b.jpg", *slashes("in/a.jpg")]
    assert report.repeated == 4


@pytest.mark.usefixtures("here")
def test_symbolic_links_to_files_are_the_file_and_linked_folders_are_not_entered() -> None:
    write("in/a.jpg", "elsewhere/b.jpg", "elsewhere/c.jpg")
    link("in/z.jpg", "a.jpg")
    link("in/c.jpg", "../elsewhere/c.jpg")
    link("in/folder", "../elsewhere")
    link("in/up", "..")
    link("album", "elsewhere")

    assert found("in") == slashes("in/a.jpg", "in/c.jpg")
    assert found("album") == slashes("album/b.jpg", "album/c.jpg")  # named, so entered


@pytest.mark.usefixtures("here")
def test_broken_and_circular_links_are_records() -> None:
    write("in/a.jpg")
    link("in/gone.jpg", "nowhere.jpg")
    link("in/round.jpg", "round.jpg")
    link("in/gone.txt", "nowhere.txt")
    report = FindReport()

    reasons = skipped(find_images(["in"], report=report))

    assert reasons == {
        "in/gone.jpg": "broken symbolic link",
        "in/round.jpg": "symbolic links go in a circle",
    }
    assert report.ignored == 1


@pytest.mark.usefixtures("here")
def test_hard_links_are_files_of_their_own() -> None:
    write("in/a.jpg")
    os.link("in/a.jpg", "in/b.jpg")

    assert found("in", "in/b.jpg", "./in/a.jpg") == slashes("in/a.jpg", "in/b.jpg")


# Patterns ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("here")
def test_expands_patterns_that_the_shell_left() -> None:
    write("p/b10.jpg", "p/b9.jpg", "p/c.png", "p/.hidden.jpg", "p/q/d.jpg", "p/q/r/e.jpg")

    assert found("p/*.jpg") == slashes("p/b9.jpg", "p/b10.jpg")
    assert found("p/[c-d].pn?") == slashes("p/c.png")
    assert found("*/*/*.jpg") == slashes("p/q/d.jpg")
    assert found("p/**/*.jpg") == slashes("p/b9.jpg", "p/b10.jpg", "p/q/d.jpg", "p/q/r/e.jpg")
    assert found("p/.h*") == slashes("p/.hidden.jpg")
    assert found("p/q*") == slashes("p/q/d.jpg", "p/q/r/e.jpg")  # a folder that matches is walked


@pytest.mark.usefixtures("here")
def test_a_file_whose_name_looks_like_a_pattern_is_itself() -> None:
    write("photo[1].jpg", "photo1.jpg")

    assert found("photo[1].jpg") == ["photo[1].jpg"]


@pytest.mark.usefixtures("here")
def test_a_pattern_without_matches_is_one_record() -> None:
    reasons = skipped(find_images(["nothing/*.jpg", "no[1].jpg"]))

    assert set(reasons.values()) == {"no such file or folder, and nothing matches it as a pattern"}


@pytest.mark.usefixtures("here")
def test_patterns_do_not_follow_links_round_in_circles() -> None:
    write("p/a.jpg")
    for name in ("one", "two", "three"):
        link(f"p/{name}", ".")

    assert found("p/**/*.jpg") == ["p/a.jpg"]


def test_absolute_patterns(here: Path) -> None:
    write("p/a.jpg")

    assert found(str(here / "p" / "*.jpg")) == [str(here / "p" / "a.jpg")]


# Lists ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("here")
def test_reads_a_list_of_paths() -> None:
    write("a.jpg", "b c.jpg", "in/d.jpg", "star*.jpg" if sys.platform != "win32" else "star.jpg")
    Path("list.txt").write_bytes(b"b c.jpg\r\n\n   \r\na.jpg\nmissing.jpg\nin\n-\n*.jpg")

    records = list(find_images([], from_file="list.txt"))

    assert [record.path for record in records] == [
        *("b c.jpg", "a.jpg", "missing.jpg", *slashes("in/d.jpg"), "-", "*.jpg")
    ]
    assert set(skipped(records)) == {"missing.jpg", "-", "*.jpg"}  # names as they are


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffä.jpg\nb.jpg".encode(),
        "ä.jpg\r\nb.jpg\r\n".encode("utf-16"),
        "\ufeffä.jpg\nb.jpg".encode("utf-16-be"),
    ],
)
@pytest.mark.usefixtures("here")
def test_lists_may_begin_with_a_byte_order_mark(content: bytes) -> None:
    write("ä.jpg", "b.jpg")
    Path("list.txt").write_bytes(content)

    assert found(from_file=Path("list.txt")) == ["ä.jpg", "b.jpg"]


@pytest.mark.usefixtures("here")
def test_a_missing_list_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"list\.txt: no such file or folder"):
        found(from_file="list.txt")


@pytest.mark.usefixtures("here")
def test_standard_input_takes_its_turn_among_the_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    write("a.jpg", "b.jpg", "c.jpg")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"b.jpg\nc.jpg\n")))

    assert found("c.jpg", "-", "a.jpg") == ["c.jpg", "b.jpg", "a.jpg"]


@pytest.mark.skipif(sys.platform == "win32", reason="names cannot have line ends")
def test_nul_separated_names_may_be_anything(here: Path) -> None:
    names = [b"line\nend.jpg", b" blank .jpg", b"caf\xe9.jpg", b"cr\r"]
    try:
        for name in names:
            Path(os.fsdecode(name)).write_bytes(b"")
    except OSError:
        pytest.skip("this file system only has UTF-8 names")
    script = (
        "import sys, os; from clipcli.images.find import find_images, ImageFile\n"
        "for record in find_images(['-'], null=True):\n"
        "    assert isinstance(record, ImageFile), record\n"
        "    sys.stdout.buffer.write(os.fsencode(record.path) + b'\\0')\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        input=b"\0".join(names) + b"\0\0",
        capture_output=True,
        check=True,
        cwd=here,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )

    assert done.stdout == b"\0".join(names) + b"\0"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pipe that stays open")
@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("null", [True, False])
def test_a_slow_list_gives_its_first_path_at_once(
    null: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("a.jpg")
    reading, writing = os.pipe()
    os.write(writing, b"a.jpg\0" if null else b"a.jpg\n")
    stream = os.fdopen(reading, "rb")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream))

    first = next(find_images(["-"], null=null))  # would wait for ever if it read ahead

    assert first == ImageFile("a.jpg")
    os.close(writing)


def test_finding_imports_neither_pillow_nor_numpy() -> None:
    script = (
        "import sys, clipcli.images.find, clipcli.images.decode, clipcli.images.load\n"
        "print([name for name in ('PIL', 'numpy', 'torch') if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )

    assert done.stdout.strip() == b"[]"


def link(name: str, target: str) -> None:
    try:
        Path(name).symlink_to(target)
    except OSError:
        pytest.skip("symbolic links need a privilege here")


def test_links_can_be_left_out_and_told_of(tmp_path: Path) -> None:
    (tmp_path / "b.png").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    for name, goal in (("a.png", "b.png"), ("circle", "circle"), ("f", "folder"), ("no", "gone")):
        (tmp_path / name).symlink_to(goal)
    report = FindReport(links=[])

    found = list(find_images([str(tmp_path)], report=report))

    assert found == [ImageFile(str(tmp_path / "b.png"))]
    assert sorted(Path(x).name for x in report.links or ()) == ["a.png", "circle", "f", "no"]
