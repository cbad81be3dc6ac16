"""Which files of a watched folder are ready, and which were dealt with."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from clipcli.errors import InputError, OutputError, UsageError
from clipcli.workflows.watch.commands import read_command
from clipcli.workflows.watch.ledger import open_ledger
from clipcli.workflows.watch.settling import RESCAN_S, Settling, WatchedFolder, settled


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def settling(clock: Clock, is_known: Callable[[str], bool] = lambda _: False) -> Settling:
    return Settling(2.0, is_known, clock)


def test_a_file_is_ready_when_it_has_not_changed_for_a_while(clock: Clock, pictures: Path) -> None:
    path = pictures / "red.png"
    waiting = settling(clock)

    waiting.see(str(path))
    clock.now_s = 1.9
    early = waiting.ready()
    path.write_bytes(path.read_bytes() + b" ")  # written to: the wait begins again
    clock.now_s = 2.1
    written = waiting.ready()
    clock.now_s = 4.2
    late = waiting.ready()

    assert (early, written, [one.path for one in late]) == ([], [], [str(path)])
    assert waiting.ready() == []


def test_a_file_that_is_gone_or_empty_is_not_waited_for(clock: Clock, pictures: Path) -> None:
    waiting = settling(clock)
    (pictures / "empty.png").touch()
    for name in ("red.png", "empty.png", "never.png"):
        waiting.see(str(pictures / name))

    (pictures / "red.png").unlink()
    clock.now_s = 9.0

    assert (waiting.ready(), len(waiting)) == ([], 0)


def test_what_a_ledger_has_is_not_ready_under_another_name_either(
    clock: Clock, pictures: Path, tmp_path: Path
) -> None:
    first = settling(clock)
    first.see(str(pictures / "red.png"))
    clock.now_s = 3.0
    with open_ledger(tmp_path / "state", "in", "out") as ledger:
        ledger.write("done", first.ready()[0].key, "red.png")
    (pictures / "red.png").rename(pictures / "new.png")

    with open_ledger(tmp_path / "state", "in", "out") as ledger:
        again = settling(clock, ledger.knows)
        again.see(str(pictures / "new.png"))
        again.see(str(pictures / "blue.png"))
    clock.now_s = 9.0

    assert [one.path for one in again.ready()] == [str(pictures / "blue.png")]


def test_a_picture_waits_for_what_goes_along_with_it(clock: Clock, pictures: Path) -> None:
    waiting = Settling(2.0, lambda _: False, clock, with_companions=True)
    red, film, raw = (pictures / f"red.{x}" for x in ("png", "mov", "dng"))
    waiting.see(str(red))
    raw.write_bytes(b"raw")
    waiting.see(str(raw))  # beside a picture it is none of its own
    waiting.ready()

    clock.now_s = 1.5
    film.write_bytes(b"half of a ")
    waiting.ready()
    clock.now_s = 3.0
    film.write_bytes(b"half of a film, and the rest")
    early = waiting.ready()
    clock.now_s = 5.0
    late = waiting.ready()

    assert early == []
    assert [(one.path, one.followers) for one in late] == [(str(red), (str(raw), str(film)))]
    assert len(waiting) == 0


def test_hidden_and_partial_files_and_the_goal_do_not_count(pictures: Path) -> None:
    for name in (".a/x.png", "done/y.png", "a.png.part", "B.TMP", ".z.png", "sub/ok.png"):
        path = pictures / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes((pictures / "red.png").read_bytes())
    folder = WatchedFolder(str(pictures), str(pictures / "done"))

    found = set(folder.pictures())
    told = set(folder.changed([str(p) for p in pictures.rglob("*")]))

    names = {"red.png", "green.png", "blue.png", "sub/ok.png"}
    assert found == told == {str(pictures / name) for name in names}


def test_what_no_event_told_is_found_by_a_later_look(clock: Clock, pictures: Path) -> None:
    def wakes():
        yield ()
        (pictures / "late.png").write_bytes((pictures / "red.png").read_bytes())
        for clock.now_s in (2.0, RESCAN_S, RESCAN_S + 2.0):
            yield ()

    known: set[str] = set()
    found = []
    for group in settled(
        WatchedFolder(str(pictures)), settling(clock, known.__contains__), wakes()
    ):
        known |= {one.key for one in group}
        found.append(group)

    assert [[Path(one.path).name for one in group] for group in found] == [
        ["blue.png", "green.png", "red.png"],
        ["late.png"],
    ]


@pytest.mark.parametrize("is_made_again", [False, True])
def test_a_folder_that_vanishes_ends_the_watch(
    is_made_again: bool, clock: Clock, tmp_path: Path
) -> None:
    # A folder that holds the inode, so that one that is made again is another for sure.
    folder, aside = tmp_path / "in", tmp_path / "aside"
    folder.mkdir()

    def wakes():
        yield ()
        folder.rename(aside)
        if is_made_again:
            folder.mkdir()
        yield ()

    with pytest.raises(InputError, match="the folder is gone"):
        list(settled(WatchedFolder(str(folder)), settling(clock), wakes()))


def test_a_ledger_passes_over_what_was_cut_off(tmp_path: Path) -> None:
    with open_ledger(tmp_path, "in", "out") as ledger:
        ledger.write("done", "1:2:3:4", "a.png")
        ledger.write("begun", "5:6:7:8", "b.png")
        ledger.write("journal", "/j.jsonl")
    path = ledger.path
    path.write_bytes(path.read_bytes() + b'{"done": "9:9')

    with open_ledger(tmp_path, "in", "out") as ledger:
        assert (ledger.knows("1:2:3:4"), ledger.knows("9:9")) == (True, False)
        assert (ledger.uncertain, ledger.journal) == ({"5:6:7:8": "b.png"}, "/j.jsonl")
        ledger.write("done", "5:6:7:8", "b.png")
    with open_ledger(tmp_path, "in", "out") as ledger:
        assert ledger.uncertain == {}


def test_a_folder_is_watched_once_for_a_purpose(tmp_path: Path) -> None:
    same = open_ledger(tmp_path, "in", "out")
    with open_ledger(tmp_path, "in", "out"), open_ledger(tmp_path, "in", "other"):  # noqa: SIM117
        with pytest.raises(UsageError, match="another clipcli watches it"):
            same.__enter__()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_under_a_ledger_is_told(tmp_path: Path) -> None:
    with (
        open_ledger(tmp_path, "in", "out") as ledger,
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        ledger._stream = full
        with pytest.raises(OutputError, match="cannot be noted"):
            ledger.write("done", "1:2:3:4")
        ledger._stream = (tmp_path / "other").open("wb")


def test_a_command_gets_what_it_asks_for_and_no_shell(tmp_path: Path) -> None:
    told = tmp_path / "told"
    script = tmp_path / "tell.sh"
    script.write_text(f'#!/bin/sh\nprintf "%s|" "$@" "$CLIPCLI_LABEL" >> {told}\n', "utf-8")
    script.chmod(0o755)

    read_command(f"{script} {{label}} 'at {{}}' {{probability}}").run("$(id) {label}", "a cat", 0.5)
    read_command(str(script)).run("x;y", "dog", 1.0)

    assert told.read_text("utf-8") == "a cat|at $(id) {label}|0.500000|a cat|x;y|dog|"


@pytest.mark.parametrize(
    ("text", "fact"),
    [("", "no command"), ("no-such-program-here {}", "no such program"), ("echo '", "quot")],
)
def test_a_command_that_cannot_run_is_refused(text: str, fact: str) -> None:
    with pytest.raises(UsageError, match=fact):
        read_command(text)


def test_a_command_that_fails_says_how() -> None:
    false = shutil.which("false")
    assert false is not None

    assert read_command(false).run("a.png", "cat", 0.5) == "ended with code 1"
