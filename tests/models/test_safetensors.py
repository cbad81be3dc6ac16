"""Safetensors files: what is whole is read, everything else is named for what it is."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, load_file, save

from clipcli.errors import ExitCode, ModelError
from clipcli.models.formats.safetensors import (
    RawTensor,
    read_bytes,
    read_number,
    read_tensor_table,
    write_tensors,
)

WHOLE = save({"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(3, np.float16)})


def with_header(header: object, data: bytes = b"") -> bytes:
    told = json.dumps(header).encode("utf-8")
    return struct.pack("<Q", len(told)) + told + data


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(WHOLE[:5], "truncated", id="five bytes"),
        pytest.param(WHOLE[:40], "truncated within its header", id="cut header"),
        pytest.param(WHOLE[:-1], "truncated", id="a byte short"),
        pytest.param(WHOLE + b"\0", "1 bytes too many", id="a byte long"),
        pytest.param(
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n",
            "is a Git LFS pointer",
            id="lfs",
        ),
        pytest.param(b"\n<!DOCTYPE html><html></html>", "is a web page", id="html"),
        pytest.param(b"PK\x03\x04" + bytes(50), "is a zip or PyTorch archive", id="zip"),
        pytest.param(b"\x80\x02}q\0." + bytes(50), "is a Python pickle", id="pickle"),
        pytest.param(bytes(range(7, 100)), "not a safetensors file", id="noise"),
        pytest.param(struct.pack("<Q", 9) + b"{not json", "damaged", id="no json"),
        pytest.param(with_header({"a": {"dtype": "F32", "shape": [1]}}), "damaged", id="no place"),
        pytest.param(
            with_header({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, bytes(4)),
            "damaged",
            id="place too small",
        ),
        pytest.param(
            with_header(
                {
                    "a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]},
                    "b": {"dtype": "U8", "shape": [4], "data_offsets": [2, 6]},
                },
                bytes(6),
            ),
            "overlap",
            id="overlap",
        ),
        pytest.param(
            with_header({"a": {"dtype": "F4", "shape": [2], "data_offsets": [0, 1]}}, bytes(1)),
            "a: type F4 is not supported",
            id="type",
        ),
    ],
)
def test_says_what_a_broken_file_is(tmp_path: Path, content: bytes, fact: str) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)

    with pytest.raises(ModelError) as caught:
        read_tensor_table(path)

    assert caught.value.message.startswith(f"{path}: ")
    assert fact in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.exit_code == ExitCode.MODEL


def test_says_that_a_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No such file"):
        read_tensor_table(tmp_path / "model.safetensors")


@given(cut=st.integers(0, len(WHOLE) - 1))
def test_no_truncation_goes_unnoticed(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.mktemp("cut") / "model.safetensors"
    path.write_bytes(WHOLE[:cut])

    with pytest.raises(ModelError):
        read_tensor_table(path)


@given(st.integers(0, 3).flatmap(lambda n: st.lists(st.integers(0, 5), min_size=n, max_size=n)))
def test_a_written_tensor_is_what_safetensors_reads(
    tmp_path_factory: pytest.TempPathFactory, shape: list[int]
) -> None:
    path = tmp_path_factory.mktemp("written") / "model.safetensors"
    values = np.arange(math.prod(shape), dtype=np.float32).reshape(shape)
    odd = RawTensor("F16", (1,), np.ones(1, np.float16).tobytes())

    write_tensors(path, {"odd": odd, "x": RawTensor("F32", tuple(shape), values.tobytes())})

    read = load_file(path)
    assert read["x"].shape == tuple(shape)
    np.testing.assert_array_equal(read["x"], values)
    np.testing.assert_array_equal(read["odd"], [1])


def test_reads_the_places_that_safetensors_wrote(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(WHOLE)

    table = read_tensor_table(path)

    assert {name: (place.dtype, place.shape) for name, place in table.items()} == {
        "a": ("F32", (2, 3)),
        "b": ("F16", (3,)),
    }
    assert b"".join(read_bytes(path, table["a"])) == load(WHOLE)["a"].tobytes()


@pytest.mark.parametrize(
    ("dtype", "data"),
    # 1.5 = 1.1 in binary: exponent 0, mantissa 100...; worked out from IEEE 754.
    [("F32", "0000c03f"), ("F16", "003e"), ("BF16", "c03f"), ("F64", "000000000000f83f")],
)
def test_reads_a_number_of_every_type(tmp_path: Path, dtype: str, data: str) -> None:
    path = tmp_path / "model.safetensors"
    write_tensors(path, {"x": RawTensor(dtype, (), bytes.fromhex(data))})

    number = read_number(path, read_tensor_table(path)["x"])

    assert number == 1.5
