"""Making room: what was used longest ago goes first, and nothing is left that leads nowhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from clipcli.cache.codec import pack, tag_of
from clipcli.cache.eviction import used_bytes
from clipcli.cache.identity import Identity, hash_content
from clipcli.cache.image_cache import store_path
from clipcli.cache.schema import CHUNK_BITS
from clipcli.cache.store import Kept, Store, VectorSetting
from clipcli.cache.upkeep import look_into, prune_images

CHUNK = 1 << CHUNK_BITS
PAYLOAD = os.urandom(1024)


@pytest.fixture
def store(cache_folder: Path) -> Iterator[Store]:
    path = store_path(cache_folder)
    path.parent.mkdir(parents=True)
    opened = Store(path)
    yield opened
    opened.close()


def content(i: int) -> bytes:
    return hash_content(b"%d" % i)


def fill(store: Store, first: int, last: int, now: int, facts: str = "a") -> int:
    """Store values for pictures first to last; return their setting."""
    setting = store.setting(VectorSetting(facts, facts, facts), make=True)
    assert setting is not None
    kept = [
        Kept(setting, content(i), Identity(1, i, 1, 1, 1), pack(PAYLOAD, 1, tag_of(content(i))))
        for i in range(first, last)
    ]
    store.write(kept, (), now)
    return setting


def held(store: Store, setting: int, n: int) -> set[int]:
    found = ((i, store.find_content(content(i), setting, None)) for i in range(n))
    return {i for i, one in found if one is not None and one.vector is not None}


def count(store: Store, table: str) -> int:
    with store.transaction() as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def size(store: Store) -> int:
    with store.transaction() as connection:
        return used_bytes(connection)


def test_nothing_goes_while_there_is_room(store: Store) -> None:
    setting = fill(store, 0, 500, now=1)

    assert store.shrink(10**9) == 0
    assert len(held(store, setting, 500)) == 500


def test_what_was_used_longest_ago_goes_first(store: Store) -> None:
    n = 16 * CHUNK
    for start in range(0, n, CHUNK):  # later ones were made later
        setting = fill(store, start, start + CHUNK, now=start)
    used_again = {(1, setting), (2, setting)}  # chunks of contents 64 to 191
    store.write((), used_again, now=10**6)

    store.shrink(size(store) // 2)

    left = held(store, setting, n)
    assert 0 < len(left) < n
    assert set(range(CHUNK, 3 * CHUNK - 1)) <= left  # used last
    assert max(set(range(n)) - left) < min(left - set(range(3 * CHUNK)))  # the rest by age


def test_the_store_shrinks_on_the_disk_and_stays_below_its_limit(
    store: Store, cache_folder: Path
) -> None:
    limit = 400_000
    for start in range(0, 2000, 100):
        fill(store, start, start + 100, now=start)
        store.shrink(limit)

    assert size(store) <= limit
    store.close()
    assert store_path(cache_folder).stat().st_size <= limit


def test_what_leads_nowhere_goes_along(store: Store) -> None:
    fill(store, 0, 10 * CHUNK, now=1)

    store.shrink(0)

    assert [count(store, table) for table in ("entry", "chunk", "content", "file")] == [0] * 4


def test_a_picture_stays_known_while_another_model_has_it(store: Store) -> None:
    first = fill(store, 0, 1000, now=1, facts="a")
    second = fill(store, 0, 1000, now=2, facts="b")

    store.shrink(size(store) * 2 // 3)

    assert held(store, first, 1000) < held(store, second, 1000)
    assert count(store, "content") == len(held(store, second, 1000)) == 1000


def test_numbers_of_pictures_that_went_are_not_given_again(store: Store) -> None:
    fill(store, 0, 100, now=1)
    store.shrink(0)
    setting = fill(store, 100, 200, now=2)

    found = store.find_content(content(100), setting, None)

    assert found is not None
    assert found.content > 100


def test_prunes_what_was_not_used_for_long(store: Store, cache_folder: Path) -> None:
    fill(store, 0, CHUNK, now=1000)
    setting = fill(store, CHUNK, 3 * CHUNK, now=3000)

    n_gone = prune_images(cache_folder, unused_since=2000)

    # Neighbours of 64 go together, and stay together.
    assert n_gone == CHUNK - 1
    assert held(store, setting, 3 * CHUNK) == set(range(CHUNK - 1, 3 * CHUNK))


def test_prunes_models_that_are_not_to_be_kept(store: Store, cache_folder: Path) -> None:
    fill(store, 0, 100, now=1, facts='["vector", "gone", "fp32", 8, false, ""]')
    kept = fill(store, 0, 100, now=1, facts='["vector", "kept", "fp32", 8, true, ""]')

    n_gone = prune_images(
        cache_folder, keep_models={'["vector", "kept", "fp32", 8, true, ""]', "x"}
    )

    assert n_gone == 100
    assert len(held(store, kept, 100)) == 100
    ((told,), _) = look_into(cache_folder)
    assert (told.precision, told.exact, told.n_entries) == ("fp32", True, 100)
