"""The cache is a short cut: whatever is wrong with it, the run gives what it gives without it."""

from __future__ import annotations

import os
import random
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from clipcli.cache import schema, store, upkeep
from clipcli.cache.image_cache import ImageCache, limit_bytes, parse_size, store_path
from clipcli.cache.store import Store
from clipcli.errors import UsageError
from tests.cache.conftest import Runner
from tests.conftest import ROOT

GOING_ON = "; going on without the cache"


def break_folder(path: Path) -> None:
    path.parent.parent.mkdir()
    path.parent.write_text("a file where the folder should be", encoding="utf-8")


def break_header(path: Path) -> None:
    path.write_bytes(b"SQLite format 4\0" + path.read_bytes()[16:])


def break_pages(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:100] + bytes(len(content) - 100))


def make_foreign(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20000])


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (break_header, "damaged (file is not a database), `clipcli cache clear` makes a new one"),
        (break_pages, "damaged"),
        (cut, "damaged"),
        (make_foreign, "made by another version of clipcli, `clipcli cache clear`"),
    ],
)
def test_a_store_that_is_none_is_told_in_a_line(
    run: Runner,
    pictures: Path,
    cache_folder: Path,
    trouble: Callable[[Path], None],
    words: str,
) -> None:
    cold = run(pictures)
    trouble(store_path(cache_folder))

    outcome = run(pictures)

    assert outcome.answers == cold.answers
    assert words in str(outcome.problem)
    assert str(outcome.problem).endswith(GOING_ON)
    assert len(str(outcome.problem).splitlines()) == 1


def test_a_folder_that_cannot_be_made_is_told(
    run: Runner, pictures: Path, cache_folder: Path
) -> None:
    break_folder(store_path(cache_folder))

    outcome = run(pictures)

    assert len(outcome.answers) == 3
    assert str(outcome.problem).endswith(GOING_ON)


def test_a_store_that_somebody_keeps_locked_is_told(
    run: Runner, pictures: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cold = run(pictures)
    monkeypatch.setattr(schema, "BUSY_S", 0.1)
    holder = sqlite3.connect(store_path(cache_folder), isolation_level=None)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN IMMEDIATE")

    outcome = run(pictures)
    holder.close()

    assert outcome.answers == cold.answers
    assert "database is locked" in str(outcome.problem)


@pytest.mark.parametrize(
    ("pragma", "words"),
    [
        ("max_page_count = 1", "no space left"),
        ("query_only = ON", "attempt to write a readonly database"),
    ],
)
def test_a_store_that_cannot_be_written_is_told(
    run: Runner, pictures: Path, monkeypatch: pytest.MonkeyPatch, pragma: str, words: str
) -> None:
    cold = run(pictures)

    def connect(path: Path) -> sqlite3.Connection:
        connection = schema.connect(path)
        connection.execute(f"PRAGMA {pragma}")
        return connection

    monkeypatch.setattr(store, "connect", connect)
    content = (pictures / "red.png").read_bytes()
    for i in range(300):  # more than fits into what is left of a page
        (pictures / f"{i}.png").write_bytes(content + i.to_bytes(4, "big"))

    outcome = run(pictures)

    assert {name: outcome.answers[name] for name in cold.answers} == cold.answers
    assert words in str(outcome.problem)
    assert str(outcome.problem).endswith(GOING_ON)


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners on this system")
def test_its_folder_is_for_the_owner_alone_and_a_foreign_one_is_refused(
    run: Runner, pictures: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(pictures)
    mode = stat.S_IMODE(store_path(cache_folder).parent.stat().st_mode)
    monkeypatch.setattr(os, "getuid", lambda: 12345)

    outcome = run(pictures)

    assert mode == 0o700
    assert "belongs to another user" in str(outcome.problem)


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("seed", range(15))
def test_damaged_bytes_never_change_an_answer(
    run: Runner, pictures: Path, cache_folder: Path, seed: int
) -> None:
    (pictures / "broken.png").write_bytes((pictures / "red.png").read_bytes()[:50])
    cold = run(pictures)
    path, draw = store_path(cache_folder), random.Random(seed)
    content = bytearray(path.read_bytes())
    places = [i for i, byte in enumerate(content) if byte]  # most of it is empty
    for place in draw.sample(places, 40):
        content[place] ^= 1 << draw.randrange(8)
    path.write_bytes(content)

    outcome = run(pictures)

    assert outcome.answers == cold.answers


@pytest.mark.usefixtures("settled")
def test_a_damaged_vector_is_computed_again_and_mended(
    run: Runner, pictures: Path, cache_folder: Path
) -> None:
    cold = run(pictures)
    with sqlite3.connect(store_path(cache_folder)) as connection:
        connection.execute("UPDATE entry SET value = zeroblob(length(value))")
    connection.close()

    again = run(pictures)

    assert (again.n_decoded, again.answers) == (3, cold.answers)
    assert run(pictures).n_decoded == 0


@pytest.mark.usefixtures("settled")
def test_an_index_that_leads_astray_is_noticed(
    run: Runner, pictures: Path, cache_folder: Path
) -> None:
    cold = run(pictures)
    with sqlite3.connect(store_path(cache_folder)) as connection:
        connection.execute("UPDATE file SET content = content % 3 + 1")
    connection.close()

    assert run(pictures).answers == cold.answers


WRITER = """
import sys
from pathlib import Path
from clipcli.cache.codec import pack, tag_of
from clipcli.cache.identity import Identity, hash_content
from clipcli.cache.store import Kept, VectorSetting, Store

store, own = Store(Path(sys.argv[1])), int(sys.argv[2])
for start in range(0, 400, 20):
    setting = store.setting(VectorSetting("facts", "model", "fingerprint"), make=True)
    kept = []
    for i in range(start, start + 20):
        content = hash_content(b"%d" % (i if i % 2 else 1000 * own + i))  # half are the others' too
        value = pack(b"reason", 0, tag_of(content))
        kept.append(Kept(setting, content, Identity(1, 1000 * own + i, 1, 1, 1), value))
    store.write(kept, (), 0)
store.close()
"""


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    command = [sys.executable, "-c", WRITER, str(path)]

    processes = [
        subprocess.Popen([*command, str(i)], env=os.environ | {"PYTHONPATH": str(ROOT)})
        for i in range(3)
    ]

    assert [process.wait(60) for process in processes] == [0, 0, 0]
    with Store(path).transaction() as connection:
        counts = [
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("content", "entry", "file", "setting")
        ]
        (sound,) = connection.execute("PRAGMA integrity_check").fetchone()
    assert counts == [200 + 3 * 200, 200 + 3 * 200, 3 * 400, 1]
    assert sound == "ok"


def test_a_killed_writer_leaves_a_whole_store(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    endless = WRITER.replace("range(0, 400, 20)", "range(0, 10**9, 20)")

    process = subprocess.Popen(
        [sys.executable, "-c", endless, str(path), "0"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    while not path.exists() or path.stat().st_size == 0:
        assert process.poll() is None
    process.kill()
    process.wait()

    with Store(path).transaction() as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("500", 500), ("2GB", 2 * 10**9), ("1.5 kb", 1500), (" 3 MB ", 3 * 10**6), ("0", 0)],
)
def test_sizes_are_read_as_people_write_them(text: str, expected: int) -> None:
    assert parse_size(text, "CLIPCLI_CACHE_LIMIT") == expected


@pytest.mark.parametrize("text", ["", "GB", "-1", "2 GiB", "1e9", "many"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a size"):
        parse_size(text, "CLIPCLI_CACHE_LIMIT")


def test_the_limit_is_two_gigabytes_unless_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert limit_bytes() == 2 * 10**9

    monkeypatch.setenv("CLIPCLI_CACHE_LIMIT", "300 MB")

    assert ImageCache(None).limit_bytes == 300 * 10**6


def test_a_store_that_is_closed_in_the_middle_of_a_question_is_no_fault(
    cache_folder: Path,
) -> None:
    cache = ImageCache(cache_folder)

    def ask_while_the_run_ends(store: Store) -> object:
        cache.close()
        return store.choice("facts")

    answer = cache.ask(ask_while_the_run_ends, "otherwise")

    assert answer == "otherwise"
    assert cache.problem is None


def test_the_first_failure_is_the_one_that_is_told(cache_folder: Path) -> None:
    cache = ImageCache(cache_folder)

    def fail(_: Store) -> object:
        raise sqlite3.OperationalError("disk I/O error")

    def ask_while_another_fails(store: Store) -> object:
        cache.ask(fail, None)
        return store.choice("facts")

    cache.ask(ask_while_another_fails, None)

    assert "disk I/O error" in str(cache.problem)
    assert cache.is_off


def change(statement: str) -> Callable[[Path], None]:
    def trouble(path: Path) -> None:
        with sqlite3.connect(path) as connection:
            connection.execute(statement)

    return trouble


WRONG_TYPES = {
    "vector": change("UPDATE entry SET value = 'text'"),
    "number": change("UPDATE entry SET value = 5"),
    "content": change("UPDATE file SET content = 'x'"),
    "time": change("UPDATE file SET mtime = 'soon'"),
    "tag": change("UPDATE file SET tag = x'00'"),
    "huge content": change(f"UPDATE content SET id = id + {2**62}"),
    "chunk": change("UPDATE chunk SET used = 'never'"),
    "setting": change("UPDATE setting SET facts = '[[[', model = x'ff', fingerprint = 7"),
    "deep setting": change(f"UPDATE setting SET facts = '{'[' * 5000}'"),
    "table": change("DROP TABLE entry"),
    "trigger": change("CREATE TRIGGER t AFTER INSERT ON entry BEGIN DELETE FROM file; END"),
    "view": change("CREATE VIEW v AS SELECT 1"),
}


@pytest.mark.parametrize("name", WRONG_TYPES)
def test_a_store_of_wrong_types_costs_nothing_but_itself(
    name: str, run: Runner, pictures: Path, cache_folder: Path
) -> None:
    expected = run(pictures).answers
    WRONG_TYPES[name](store_path(cache_folder))

    outcome = run(pictures)

    assert outcome.answers == expected
    upkeep.clear(cache_folder)
    assert upkeep.look(cache_folder).images == ()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes")
@pytest.mark.parametrize("kind", ["folder", "pipe", "noise"])
def test_whatever_lies_in_the_stores_place_is_cleared(kind: str, tmp_path: Path) -> None:
    path = store_path(tmp_path)
    path.parent.mkdir()
    if kind == "folder":
        (path / "in it").mkdir(parents=True)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.write_bytes(random.Random(1).randbytes(100_000))

    upkeep.clear(tmp_path)

    assert not os.path.lexists(path)
