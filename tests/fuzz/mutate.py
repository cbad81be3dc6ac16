"""Mutations of whole files: of bytes, of JSON's values, of a zip's pickle, of a store's cells."""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

# Numbers at which readers fall over: signs, widths, and more digits than a float has.
EDGES = (0, 1, -1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**32 - 1, 2**62, 2**63, 2**64 - 1)
WIDTHS = (1, 2, 4, 8)
TOKENS = (
    *(b'"', b"\\", b"{", b"[", b"]", b"}", b",", b":", b"\0", b"\n", b"\r", b"\t", b"|", b"#"),
    *(b"1e999", b"-1e999", b"NaN", b"null", b"true", b"[]", b"{}", b"9" * 5000, b"0" * 50),
    *(b"[" * 3000, b'{"a":' * 3000, rb"\ud800", b"\xff\xfe", b"\xed\xa0\x80", "\u202e".encode()),
    *("\u0301".encode() * 3000, b"../", b"&a [*a,*a]", b"!!python/object:a", b"' ", b"- " * 3000),
)
VALUES = (
    *(None, True, False, 0, -1, 1, 1.5, 2**31, 2**63, 2**64, 10**30, 1e308, "", "x", "../x", "\0"),
    *([], {}, [[]], {"a": {}}, [0] * 40, "y" * 5000, "\ud800", "A" + "\u0301" * 3000),
)
MAX_BYTES = 200_000


@st.composite
def mutants(draw: st.DrawFn, seeds: Sequence[tuple[str, bytes]]) -> tuple[str, bytes]:
    """Draw a file that was whole before one to four things happened to it.

    In half of those with a form that is known here, whatever happens keeps to that form.
    """
    name, content = draw(st.sampled_from(list(seeds)))
    keeps_form = draw(st.booleans())
    for _ in range(draw(st.integers(1, 4))):
        steps = _steps_in_form(name, content)
        if not (steps and keeps_form):
            steps = [*BLIND, *steps * 6]
        content = draw(st.sampled_from(steps))(draw, content)[:MAX_BYTES]
    return name, content


Step = Callable[[st.DrawFn, bytes], bytes]


def _steps_in_form(name: str, content: bytes) -> list[Step]:
    steps: list[Step] = []
    if name.endswith((".json", ".jsonl")):
        steps.append(_json_value)
    if content.startswith(b"PK"):
        steps.append(_zip_member)
    if content.startswith(b"SQLite"):
        steps.append(_cell)
    if name.endswith(".safetensors"):
        steps.append(_header)
    if name.endswith(".tar"):
        steps.append(_tar_header)
    if name.endswith(".tar.gz"):
        steps.append(_packed_tar_header)
    return steps


def _place(draw: st.DrawFn, content: bytes) -> int:
    # The beginning decides more than the rest.
    most = len(content) if draw(st.booleans()) else min(len(content), 64)
    return draw(st.integers(0, most))


def _flip(draw: st.DrawFn, content: bytes) -> bytes:
    at = _place(draw, content)
    return content[:at] + draw(st.binary(min_size=1, max_size=4)) + content[at + 1 :]


def _edge(draw: st.DrawFn, content: bytes) -> bytes:
    at, width = _place(draw, content), draw(st.sampled_from(WIDTHS))
    number = draw(st.sampled_from(EDGES)) & (1 << 8 * width) - 1
    data = number.to_bytes(width, draw(st.sampled_from(("little", "big"))))
    return content[:at] + data + content[at + width :]


def _cut(draw: st.DrawFn, content: bytes) -> bytes:
    return content[: _place(draw, content)]


def _remove(draw: st.DrawFn, content: bytes) -> bytes:
    at = _place(draw, content)
    return content[:at] + content[at + draw(st.integers(1, 300)) :]


def _repeat(draw: st.DrawFn, content: bytes) -> bytes:
    at, n = _place(draw, content), draw(st.integers(1, 300))
    return content[:at] + content[at : at + n] * draw(st.sampled_from((2, 3, 50))) + content[at:]


def _insert(draw: st.DrawFn, content: bytes) -> bytes:
    at = _place(draw, content)
    return content[:at] + draw(st.sampled_from(TOKENS)) + content[at:]


def _swap(draw: st.DrawFn, content: bytes) -> bytes:
    at, other, n = _place(draw, content), _place(draw, content), draw(st.integers(1, 64))
    return content[:at] + content[other : other + n] + content[at + n :]


def _json_value(draw: st.DrawFn, content: bytes) -> bytes:
    """Put an odd value in the place of one, take one out, or give its key another name."""
    lines = content.split(b"\n")
    at = draw(st.integers(0, len(lines) - 1))
    at = 0 if content.count(b"\n") < 2 else at
    text = content if content.count(b"\n") < 2 else lines[at]
    with suppress(ValueError, RecursionError, UnicodeError):
        changed = _changed(draw, json.loads(text))
        written = json.dumps(changed).encode("ascii")
        if text is content:
            return written
        return b"\n".join([*lines[:at], written, *lines[at + 1 :]])
    return content


def _changed(draw: st.DrawFn, tree: Any) -> Any:
    if not isinstance(tree, dict | list) or not tree or draw(st.integers(0, 5)) == 0:
        return draw(st.sampled_from(VALUES))
    keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
    key = draw(st.sampled_from(keys))
    tree = tree.copy()
    if draw(st.integers(0, 7)) == 0:
        del tree[key]
    elif isinstance(tree, dict) and draw(st.integers(0, 7)) == 0:
        tree[draw(st.sampled_from(["", "x", "../x", "\0", "\ud800", "k" * 2000]))] = tree.pop(key)
    else:
        tree[key] = _changed(draw, tree[key])
    return tree


def _header(draw: st.DrawFn, content: bytes) -> bytes:
    """Change the JSON of a safetensors file, and say its new length."""
    length = int.from_bytes(content[:8], "little")
    if not 0 < length < len(content):
        return content
    header = _json_value(draw, content[8 : 8 + length].replace(b"\n", b" "))
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def _zip_member(draw: st.DrawFn, content: bytes) -> bytes:
    """Change what is in an archive, and keep the archive whole."""
    with suppress(Exception):  # it is no archive any more
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {info.filename: archive.read(info) for info in archive.infolist()}
        name = draw(st.sampled_from(sorted(members)))
        step = draw(st.sampled_from((_flip, _edge, _remove, _repeat, _swap, _opcode)))
        members[name] = step(draw, members[name])
        packing = draw(st.sampled_from((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", packing) as archive:
            for member, data in members.items():
                archive.writestr(member, data)
        return out.getvalue()
    return content


def _opcode(draw: st.DrawFn, content: bytes) -> bytes:
    """Put an operation of pickle's between two others."""
    at = _place(draw, content)
    operation = draw(
        st.sampled_from(
            (
                *(b"(", b".", b"0", b"1", b"2", b"N", b")", b"]", b"}", b"\x85", b"\x86", b"\x87"),
                *(b"t", b"l", b"d", b"s", b"u", b"a", b"e", b"R", b"b", b"Q", b"\x81", b"\x94"),
                *(b"h\0", b"q\0", b"K\x05", b"\x8a\x01\x05", b"\x8b\xff\xff\xff\x7f", b"\x93"),
                *(b"\x96" + b"\xff" * 7 + b"\x7f", b"X\xff\xff\xff\xff", b"cos\nsystem\n"),
                *(b"I" + b"9" * 5000 + b"\n", b"ctorch\ndevice\n", b"ctorch\nSize\n", b"\x82\x01"),
            )
        )
    )
    return content[:at] + operation * draw(st.sampled_from((1, 1, 2, 50))) + content[at:]


def _tar_header(draw: st.DrawFn, content: bytes) -> bytes:
    """Change a field of a header, and make its checksum right again."""
    at = 512 * draw(st.integers(0, max(0, len(content) // 512 - 1)))
    block = bytearray(content[at : at + 512].ljust(512, b"\0"))
    begin, n = draw(
        st.sampled_from(((0, 100), (100, 8), (124, 12), (136, 12), (156, 1), (257, 8), (345, 155)))
    )
    field = draw(
        st.sampled_from(
            (
                b"",
                b"\xff" * n,
                b"\x80" + b"\0" * (n - 2) + b"\x05",
                b"7" * n,
                b"S",
                b"x",
                b"g",
                b"L",
            )
        )
        | st.binary(max_size=n)
    )
    block[begin : begin + n] = field[:n].ljust(n, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return content[:at] + bytes(block) + content[at + 512 :]


def _packed_tar_header(draw: st.DrawFn, content: bytes) -> bytes:
    """Change what is packed, and keep the packing whole."""
    with suppress(OSError, EOFError, zlib.error):  # it is damaged already
        return gzip.compress(_tar_header(draw, gzip.decompress(content)), mtime=0)
    return content


def _cell(draw: st.DrawFn, content: bytes) -> bytes:
    """Put a value of another type into a cell of a store, or change its tables."""
    value = draw(st.sampled_from((None, "x", b"", b"\xff" * 60, -1, 2**62, 0.5, "[[", "[]", 0)))
    table, column = draw(
        st.sampled_from(
            (
                *(("file", "content"), ("file", "mtime"), ("file", "tag"), ("content", "hash")),
                *(("setting", "facts"), ("setting", "model"), ("setting", "fingerprint")),
                *(("entry", "value"), ("entry", "id"), ("chunk", "used"), ("choice", "device")),
                *(("setting", "id"), ("content", "id"), ("chunk", "setting"), ("chunk", "content")),
            )
        )
    )
    with tempfile.TemporaryDirectory() as folder, suppress(sqlite3.Error, OverflowError):
        path = Path(folder, "store")
        path.write_bytes(content)
        connection = sqlite3.connect(path)
        try:
            connection.execute(f"UPDATE OR REPLACE {table} SET {column} = ?", (value,))
            connection.commit()
        finally:
            connection.close()
        return path.read_bytes()
    return content


BLIND: tuple[Step, ...] = (_flip, _edge, _cut, _remove, _repeat, _insert, _swap)
