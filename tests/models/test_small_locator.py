"""The small locator beside a model: used where it fits, refused where it does not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from clipcli.errors import ModelError
from clipcli.models.folder import builtin_model_folder
from clipcli.models.formats.safetensors import (
    RawTensor,
    read_bytes,
    read_metadata,
    read_tensor_table,
    tensor_pieces,
)
from clipcli.models.locators.small import LOCATOR_NAME, TRUNK, find_small, trunk_hash
from clipcli.models.open import open_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a copy of the bundled model."""
    return Path(shutil.copytree(builtin_model_folder(), tmp_path / "copy"))


def rewritten(path: Path, trunk: str, leave_out: str = "") -> None:
    """Write a locator anew, for a trunk of that hash."""
    tensors = {
        name: RawTensor(place.dtype, place.shape, b"".join(read_bytes(path, place)))
        for name, place in read_tensor_table(path).items()
        if name != leave_out
    }
    path.write_bytes(b"".join(bytes(piece) for piece in tensor_pieces(tensors, {TRUNK: trunk})))


def test_the_bundled_locator_fits_the_bundled_model() -> None:
    model = open_model(builtin_model_folder())

    small = find_small(model)

    assert small is not None
    assert read_metadata(small.path)[TRUNK] == trunk_hash(model)
    assert small.path.stat().st_size < 2**21  # less than 2 MB in the box
    assert small.fingerprint != model.config.fingerprint


def test_a_model_without_one_has_none(folder: Path) -> None:
    (folder / LOCATOR_NAME).unlink()

    assert find_small(open_model(folder)) is None


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (cut, "truncated"),
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: rewritten(path, "0" * 64), "another image tower"),
        (lambda path: rewritten(path, "", "out.bias"), "out.bias does not fit"),
    ],
    ids=["truncated", "empty", "another trunk", "a tensor less"],
)
def test_one_that_does_not_fit_is_refused(
    folder: Path, spoil: Callable[[Path], None], message: str
) -> None:
    path = folder / LOCATOR_NAME
    spoil(path)

    with pytest.raises(ModelError, match=message) as error:
        find_small(open_model(folder))

    assert error.value.message.startswith(f"{path}: ")


def test_the_hash_is_that_of_the_trunk_alone(folder: Path) -> None:
    model = open_model(folder)
    expected = trunk_hash(model)
    table = read_tensor_table(folder / "model.safetensors")
    data = bytearray((folder / "model.safetensors").read_bytes())

    def flipped(name: str) -> str:
        data[table[name].begin] ^= 1
        (folder / "model.safetensors").write_bytes(data)
        return trunk_hash(model)

    assert flipped("visual.head.proj.weight") == expected
    assert flipped("visual.blocks.0.0.conv_dw.weight") != expected
