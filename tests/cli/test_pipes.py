"""clipcli between other programs: what it reads from a pipe, and paths alone into one."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from clipcli.cli.app import run
from tests.fakes import FakeEncoder

LABELS = ("--labels", "red,green,blue", "--templates", "plain")


class Stdin:
    """Standard input with bytes in it."""

    def __init__(self, content: bytes) -> None:
        self.buffer = io.BufferedReader(io.BytesIO(content))  # type: ignore[arg-type]


@pytest.fixture
def feed(fake_model: FakeEncoder, monkeypatch: pytest.MonkeyPatch):
    """Return a function that runs the command line with bytes on standard input."""

    def call(content: bytes, *arguments: object) -> int:
        monkeypatch.setattr(sys, "stdin", Stdin(content))
        return run([str(argument) for argument in arguments])

    return call


def test_a_picture_on_standard_input_is_classified(feed, pictures, capfd) -> None:
    path = pictures / "blue.png"
    run(["classify", str(path), *LABELS, "--json"])
    named = json.loads(capfd.readouterr().out)["results"][0]

    code = feed(path.read_bytes(), "classify", "-", *LABELS, "--json")

    piped = json.loads(capfd.readouterr().out)["results"][0]
    assert code == 0
    assert (piped["path"], piped["top"]) == ("-", named["top"])


def test_a_picture_between_named_ones_has_its_place(feed, pictures, capfd) -> None:
    names = [str(pictures / "red.png"), "-", str(pictures / "green.png")]

    code = feed((pictures / "blue.png").read_bytes(), "classify", *names, *LABELS)

    rows = [line.split("\t") for line in capfd.readouterr().out.splitlines()]
    assert code == 0
    assert [row[0] for row in rows] == names


def test_half_a_picture_on_standard_input_is_skipped_by_its_reason(feed, pictures, capfd) -> None:
    code = feed((pictures / "blue.png").read_bytes()[:40], "classify", "-", *LABELS)

    out, err = capfd.readouterr()
    assert (code, out) == (3, "-\t\t\n")
    assert "skipped -: " in err
    assert "standard input: no picture could be read" in err


@pytest.mark.parametrize("content", [b"PK\3\4\0\0\0\0", b"\x7fELF\2\1\1\0\0", b"a.png\0b.png\0"])
def test_bytes_that_are_no_list_are_refused_in_a_line(content, feed, capfd) -> None:
    code = feed(content, "classify", "-", *LABELS)

    out, err = capfd.readouterr()
    assert (code, out) == (2, "")
    assert err.startswith("clipcli: standard input: is neither a picture that is read nor a list")
    assert err.isprintable() or err.count("\n") == 2


def test_a_list_on_standard_input_is_still_a_list(feed, pictures, capfd) -> None:
    listed = f"{pictures / 'red.png'}\n{pictures / 'blue.png'}\n".encode()

    code = feed(listed, "classify", "-", *LABELS)

    rows = [line.split("\t") for line in capfd.readouterr().out.splitlines()]
    assert (code, [row[0] for row in rows]) == (0, listed.decode().split())


def test_paths_alone_are_those_of_pictures_with_a_label(feed, pictures, capfdbinary) -> None:
    (pictures / "broken.png").write_bytes(b"no picture")
    (pictures / "two\nlines.png").write_bytes((pictures / "red.png").read_bytes())
    names = ["blue.png", "green.png", "red.png", "two\nlines.png"]

    feed(b"", "classify", pictures, *LABELS, "--paths-only", "-0")
    every = capfdbinary.readouterr().out
    feed(b"", "classify", pictures, *LABELS, "--paths-only", "-0", "--min-prob", "1")
    none = capfdbinary.readouterr().out

    assert every == b"".join(bytes(pictures / name) + b"\0" for name in names)
    assert none == b""


def test_search_prints_paths_alone_once_each(feed, pictures, capfd) -> None:
    queries = ("--query", "red", "--query", "blue", "--top-k", "3")

    code = feed(b"", "search", pictures, *queries, "--paths-only")

    lines = capfd.readouterr().out.splitlines()
    assert code == 0
    assert sorted(lines) == sorted(str(path) for path in pictures.iterdir())


def test_paths_alone_and_a_format_are_too_much(feed, pictures, capfd) -> None:
    code = feed(b"", "classify", pictures, *LABELS, "--paths-only", "--json")

    assert code == 2
    assert "--paths-only and --format json: choose one of them" in capfd.readouterr().err


def test_left_out_files_are_counted_by_kind(feed, pictures: Path, capfd) -> None:
    for name in ("a.MP4", "b.mov", "red.xmp", "notes.txt"):
        (pictures / name).write_text("no picture", encoding="utf-8")

    feed(b"", "classify", pictures, *LABELS)

    told = "4 files left out: 2 videos, 1 sidecar, 1 other file; no picture by ending or content"
    assert capfd.readouterr().err == f"clipcli: {told}\n"


@pytest.mark.parametrize("action", ["--move", "--copy"])
def test_standard_input_that_is_closed_is_nobody_to_ask(
    action: str, fake_model, pictures, tmp_path, capfd, monkeypatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)  # as Python has it after <&-

    code = run(["sort", str(pictures), "--into", str(tmp_path / "sorted"), *LABELS, action])

    err = capfd.readouterr().err
    assert (code, "nobody is there to answer" in err) == ((2, True), (0, False))[action == "--copy"]
    assert (pictures / "red.png").exists()
