"""Which file is which: by the system's word where it can be trusted, by its bytes elsewhere."""

from __future__ import annotations

import io
import os
from types import SimpleNamespace
from typing import cast

import pytest

from clipcli.cache.identity import hash_content, hash_stream, identity_of, is_settled

FINE = 1_700_000_000_123_456_789  # nanoseconds of a clock that has them
COARSE = 1_700_000_000_000_000_000
SECOND = 10**9


def status(**changes: int) -> os.stat_result:
    """Return what the system would say of a file."""
    told = {
        "st_dev": 1,
        "st_ino": 7,
        "st_size": 100,
        "st_mtime_ns": FINE,
        "st_ctime_ns": FINE,
    }
    return cast("os.stat_result", SimpleNamespace(**(told | changes)))


@pytest.mark.parametrize("what", ["st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns"])
def test_a_file_of_which_anything_differs_is_another(what: str) -> None:
    other = status(**{what: getattr(status(), what) + 1})

    assert identity_of("a.jpg", other) != identity_of("a.jpg", status())


def test_a_name_does_not_matter_where_there_are_inodes() -> None:
    assert identity_of("a.jpg", status()) == identity_of("b.jpg", status())


@pytest.mark.parametrize(
    "told",
    [
        pytest.param({"st_ino": 0}, id="no inodes"),
        pytest.param({"st_mtime_ns": COARSE, "st_ctime_ns": COARSE}, id="coarse times"),
        pytest.param({"st_ino": 2**64 + 5}, id="huge inodes"),
    ],
)
def test_elsewhere_the_path_tells_files_apart(told: dict[str, int]) -> None:
    first = identity_of("a.jpg", status(**told))

    assert first != identity_of("b.jpg", status(**told))
    assert first == identity_of(os.path.abspath("a.jpg"), status(**told))  # noqa: PTH100
    assert first is not None
    assert first.place < 0  # so that it is no inode's number


def test_a_restored_mtime_on_a_fine_clock_is_not_taken_for_a_coarse_clock() -> None:
    told = status(st_mtime_ns=COARSE)

    assert identity_of("a.jpg", told) == identity_of("b.jpg", told)


@pytest.mark.parametrize("device", [2**63 + 5, 2**64 - 1])
def test_all_numbers_fit_into_64_bits(device: int) -> None:
    told = identity_of("a.jpg", status(st_dev=device))

    assert told is not None
    assert all(-(2**63) <= number < 2**63 for number in told)


def test_times_beyond_64_bits_are_nothing_to_go_by() -> None:
    assert identity_of("a.jpg", status(st_mtime_ns=2**63)) is None


@pytest.mark.parametrize("clock", ["st_mtime_ns", "st_ctime_ns"])
def test_a_file_is_settled_when_two_seconds_have_passed(clock: str) -> None:
    told = status(**{"st_mtime_ns": 0, "st_ctime_ns": 0, clock: FINE})

    assert not is_settled(told, FINE + 2 * SECOND)
    assert is_settled(told, FINE + 2 * SECOND + 1)
    assert not is_settled(told, FINE - SECOND)  # from the future: its clock is another's


def test_a_stream_has_the_hash_of_its_bytes() -> None:
    content = os.urandom(3 * 2**20 + 5)

    assert hash_stream(io.BytesIO(content)) == hash_content(content)
    assert len(hash_content(b"")) == 20
