"""Tars: one that is damaged, cut short or followed by more is never taken for a shorter one."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from clipcli.errors import InputError
from clipcli.images.tars import MAX_HEADER_BYTES, members_of, open_tar
from clipcli.training.data.webdataset import read_shards

NAMES = [f"{i}.{ending}" for i in range(4) for ending in ("jpg", "txt")]
BLOCK = 512
THIRD = 4 * 2 * BLOCK  # where the third sample's header begins: a block each, and one of content


def tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        for name in NAMES:
            member = tarfile.TarInfo(name)
            member.size = len(name)
            file.addfile(member, io.BytesIO(name.encode()))
    return out.getvalue()


def names_in(content: bytes) -> list[str]:
    with open_tar(io.BytesIO(content)) as file:
        return [member.name for member in members_of(file)]


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def with_long_name(n_bytes: int) -> bytes:
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, n_bytes
    return header.tobuf(tarfile.GNU_FORMAT) + bytes(n_bytes) + tar()


DAMAGES = {
    "a header": (flipped(tar(), THIRD + 150), "damaged header"),
    "cut between two members": (tar()[:THIRD], "end is missing"),
    "cut in a header": (tar()[: THIRD + 100], "damaged header"),
    "cut in a member": (tar()[: THIRD + BLOCK + 2], "unexpected end of data|end"),
    "another tar behind it": (tar() * 2, "more stands behind its end"),
    "zeros over two headers": (tar()[:THIRD] + bytes(1024) + tar()[THIRD + 1024 :], "more stands"),
    "a name of many bytes": (with_long_name(MAX_HEADER_BYTES + 512), "far too long"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_tar_that_is_not_whole_is_no_shorter_tar(name: str, tmp_path: Path) -> None:
    content, words = DAMAGES[name]
    (tmp_path / "a.tar").write_bytes(content)

    with pytest.raises((ValueError, EOFError), match=words):
        names_in(content)
    with pytest.raises(InputError, match="not a whole tar"):
        read_shards(tmp_path / "a.tar")


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_a_whole_tar_has_all_its_members(pack: Callable[[bytes], bytes]) -> None:
    assert names_in(pack(tar())) == NAMES
    assert names_in(pack(tar() + bytes(100_000))) == NAMES
    assert names_in(pack(tar().rstrip(b"\0") + bytes(2 * BLOCK))) == NAMES  # hardly any filling


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_damage_in_a_packed_tar_is_noticed_wherever_it_is(pack: Callable[[bytes], bytes]) -> None:
    content = pack(tar())

    for at in range(12, len(content), 7):
        damaged = flipped(content, at)
        try:
            found = names_in(damaged)
        except (ValueError, EOFError, OSError):
            continue
        # Flags of the packer itself, or filling, may change without a trace in what is packed.
        assert found == NAMES


def test_the_checksum_of_gzip_counts() -> None:
    content = gzip.compress(tar())

    with pytest.raises(OSError, match="CRC"):
        names_in(flipped(content, len(content) - 8))


def test_no_members_are_kept() -> None:
    with open_tar(io.BytesIO(tar())) as file:
        for _ in members_of(file):
            pass

        assert len(file.getmembers()) <= 1
