"""The cache of label rows: a short cut that may fail in any way without costing the run."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import numpy as np
import pytest

from clipcli.cache.text_cache import CutPrompt, TextCache, TextRow, default_folder, text_key

KEY = text_key("model", "fp32", ["a photo of a cat."])
ROW = TextRow(np.array([0.6, -0.8], np.float32), (CutPrompt("long …", 99),))

needs_owners = pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners on this system")
needs_no_root = pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() == 0, reason="root may do anything"
)


def stored_file(folder: Path) -> Path:
    (path,) = (path for path in folder.rglob("*") if path.is_file())
    return path


def same(one: TextRow | None, other: TextRow) -> bool:
    return one is not None and one.row.tolist() == other.row.tolist() and one.cut == other.cut


def test_gives_back_what_was_put_in(tmp_path: Path) -> None:
    TextCache(tmp_path / "new").put(KEY, ROW)

    cache = TextCache(tmp_path / "new")

    assert same(cache.get(KEY), ROW)
    assert cache.get(KEY).row.dtype == np.float32  # type: ignore[union-attr]
    assert cache.problem is None


def test_keys_tell_apart_all_that_a_row_depends_on() -> None:
    variants = [
        text_key("model", "fp32", ["a", "b"]),
        text_key("other", "fp32", ["a", "b"]),
        text_key("model", "fp16", ["a", "b"]),
        text_key("model", "fp32", ["b", "a"]),
        text_key("model", "fp32", ["a b"]),
        text_key("model", "fp32", ["a", "b", ""]),
    ]

    assert len(set(variants)) == len(variants)


def test_finds_nothing_in_an_empty_cache(tmp_path: Path) -> None:
    cache = TextCache(tmp_path)

    assert cache.get(KEY) is None
    assert cache.problem is None


def test_without_a_folder_it_holds_nothing() -> None:
    cache = TextCache(None)

    cache.put(KEY, ROW)

    assert cache.get(KEY) is None
    assert cache.problem is None


@pytest.mark.parametrize("position", [0, 20, 60, -1])
def test_a_changed_byte_is_noticed_and_mended(tmp_path: Path, position: int) -> None:
    cache = TextCache(tmp_path)
    cache.put(KEY, ROW)
    path = stored_file(tmp_path)
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)

    assert cache.get(KEY) is None
    assert cache.problem == f"{path}: damaged, so it is made again"
    cache.put(KEY, ROW)
    assert same(cache.get(KEY), ROW)


@pytest.mark.parametrize("content", [b"", b"clipcli text row 1\n", b"\x80\x04pickled", bytes(5000)])
def test_foreign_content_is_no_row(tmp_path: Path, content: bytes) -> None:
    cache = TextCache(tmp_path)
    cache.put(KEY, ROW)
    stored_file(tmp_path).write_bytes(content)

    assert cache.get(KEY) is None
    assert "damaged" in str(cache.problem)


def test_a_row_under_another_rows_name_is_noticed(tmp_path: Path) -> None:
    cache = TextCache(tmp_path)
    cache.put(KEY, ROW)
    other = text_key("model", "fp32", ["a photo of a dog."])
    target = tmp_path / "text" / other[:2] / other[2:]
    target.parent.mkdir(exist_ok=True)
    stored_file(tmp_path).rename(target)

    assert cache.get(other) is None
    assert "damaged" in str(cache.problem)


@needs_owners
def test_its_folder_is_for_the_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "text").mkdir(mode=0o755)

    TextCache(tmp_path).put(KEY, ROW)

    assert stat.S_IMODE((tmp_path / "text").stat().st_mode) == 0o700
    assert stat.S_IMODE(stored_file(tmp_path).stat().st_mode) == 0o600


@needs_owners
def test_folders_above_keep_their_permissions(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    TextCache(tmp_path)

    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


@needs_owners
def test_a_folder_that_belongs_to_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    TextCache(tmp_path).put(KEY, ROW)
    owner = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)

    cache = TextCache(tmp_path)

    assert cache.get(KEY) is None
    assert cache.problem == (
        f"{tmp_path / 'text'}: belongs to another user; going on without the cache"
    )


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here first", encoding="utf-8")

    cache = TextCache(tmp_path / "file")
    cache.put(KEY, ROW)

    assert cache.get(KEY) is None
    assert "going on without the cache" in str(cache.problem)


@needs_no_root
def test_a_read_only_folder_is_told_once_and_read(tmp_path: Path) -> None:
    TextCache(tmp_path).put(KEY, ROW)
    (tmp_path / "text").chmod(0o500)
    cache = TextCache(tmp_path)

    assert same(cache.get(KEY), ROW)
    cache.put(text_key("model", "fp32", ["new"]), ROW)

    assert "going on without the cache" in str(cache.problem)


def test_a_full_disk_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = TextCache(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)

    cache.put(KEY, ROW)

    assert "No space left on device; going on without the cache" in str(cache.problem)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_many_writers_of_one_row_never_show_half_of_it(tmp_path: Path) -> None:
    wide = TextRow(np.random.default_rng(0).normal(size=4096).astype(np.float32))
    problems: list[str | None] = []

    def write_and_read() -> None:
        cache = TextCache(tmp_path)
        for _ in range(30):
            cache.put(KEY, wide)
            assert same(cache.get(KEY), wide)
        problems.append(cache.problem)

    threads = [threading.Thread(target=write_and_read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert problems == [None] * 4
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_the_environment_says_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPCLI_CACHE", str(tmp_path / "mine"))

    assert default_folder() == tmp_path / "mine"


def test_a_user_without_a_home_gets_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLIPCLI_CACHE")
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: Path("~/.cache/clipcli"))

    assert default_folder() is None
